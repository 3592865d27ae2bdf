"""Settings that would open a door, or shut one, by mistake: errors at the start, each with what to change."""

from __future__ import annotations

from typing import NoReturn

from tornado_realtime.caddyfile.directive import Directive
from tornado_realtime.errors import ConfigError
from tornado_realtime.origins import ANY, NULL
from tornado_realtime.peers import is_loopback
from tornado_realtime.settings.values import Settings


def check_risks(settings: Settings) -> None:
    """Make sure that what is dangerous was meant.

    Raises:
        ConfigError: It was not said so; with its place, where it has one.
    """
    for name, message in (
        ("allowed_origins", _origins(settings)),
        ("broadcast_listen", _listener(settings)),
    ):
        if message:
            _refuse(message, settings.place(name))
    for rule in settings.channels:
        for action, access in rule.accesses:
            if access.who == "token" and settings.jwt is None:
                text = rule.pattern.text
                message = f"channel {text}: {action} token needs a jwt block, whose key signs the tokens"
                _refuse(message, settings.written("channel", text))


def check_judges(settings: Settings) -> None:
    """Make sure that no channel block says who may, because a function decides that.

    Raises:
        ConfigError: One does, with its place, where it has one.
    """
    for rule in settings.channels:
        if rule.said:
            text, said = rule.pattern.text, rule.said[0]
            message = f"channel {text}: authorize decides who may {said}, so leave {said} out of the block"
            _refuse(message, settings.written("channel", text))


def _refuse(message: str, place: Directive | None) -> NoReturn:
    raise ConfigError(message) if place is None else place.error(message)


def _origins(settings: Settings) -> str:
    wide = next((entry for entry in settings.allowed_origins if entry in (ANY, NULL)), "")
    if not wide or settings.cross_site_cookies == "allow":
        return ""
    return (
        f"allowed_origins {wide} lets any page in the world connect with its visitor's cookies; "
        "name the origins instead, or write cross_site_cookies allow"
    )


def _listener(settings: Settings) -> str:
    address = settings.broadcast_listen
    host = address.rpartition(":")[0].strip("[]")
    if not address or settings.broadcast_secret or is_loopback(host) or host.lower() == "localhost":
        return ""
    return (
        f"broadcast_listen {address} can be reached from other hosts, and without a secret nobody there may "
        "publish; set broadcast_secret, or listen on 127.0.0.1 only"
    )
