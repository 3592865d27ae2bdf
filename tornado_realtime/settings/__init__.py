"""The options of go_handler: tables say everything about each of them.

The Caddyfile, the plugin's keyword arguments and the reference page are three readings of ``OPTIONS``.

::

    values      Settings, what comes out
    option      what an option is; converters that many share
    broker, auth, channels, publishing, clients, limits   the tables, a family each
    jwt         the block of tokens that are read here
    read        directives and keyword arguments to Settings
"""

from __future__ import annotations

from tornado_realtime.settings.channels import Access, ChannelRule
from tornado_realtime.settings.jwt import JwtRule
from tornado_realtime.settings.option import Option
from tornado_realtime.settings.read import (
    OPTIONS,
    OWN_OPTIONS,
    settings_from_directive,
    settings_from_options,
    with_own_options,
)
from tornado_realtime.settings.values import DEFAULT_AUTH_ENDPOINT, Settings

__all__ = [
    "DEFAULT_AUTH_ENDPOINT",
    "OPTIONS",
    "OWN_OPTIONS",
    "Access",
    "ChannelRule",
    "JwtRule",
    "Option",
    "Settings",
    "settings_from_directive",
    "settings_from_options",
    "with_own_options",
]
