"""A realtime server for Tornado: browsers subscribe to channels, applications publish by HTTP.

The names below are the public ones; everything else may change without notice. They are loaded when
they are first used, because pytest imports this package in every run, for its plugin.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from tornado_realtime.version import __version__

if TYPE_CHECKING:
    from tornado_realtime.auth import ANONYMOUS, User
    from tornado_realtime.errors import (
        AuthError,
        BrokerClosedError,
        BrokerError,
        BrokerUnavailableError,
        ConfigError,
        InvalidPublicationError,
        PublicationTooLargeError,
        PublishError,
        RealtimeError,
    )
    from tornado_realtime.publication import Position
    from tornado_realtime.realtime import Realtime
    from tornado_realtime.settings import Settings

__all__ = [
    "ANONYMOUS",
    "AuthError",
    "BrokerClosedError",
    "BrokerError",
    "BrokerUnavailableError",
    "ConfigError",
    "InvalidPublicationError",
    "Position",
    "PublicationTooLargeError",
    "PublishError",
    "Realtime",
    "RealtimeError",
    "Settings",
    "User",
    "__version__",
]

_HOMES = {
    "ANONYMOUS": "auth",
    "User": "auth",
    "Position": "publication",
    "Realtime": "realtime",
    "Settings": "settings",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
