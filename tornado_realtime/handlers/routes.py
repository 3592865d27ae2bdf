"""Which paths a realtime instance serves, on which listener, and by what: one row each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from tornado.routing import Rule
from tornado.web import RequestHandler

from tornado_realtime.handlers.broadcast import BroadcastHandler, NotHereHandler, PublishDoor
from tornado_realtime.handlers.channel import ChannelHandler
from tornado_realtime.handlers.directory import ChannelsHandler, UserHandler
from tornado_realtime.handlers.disconnect import DisconnectDoor, DisconnectHandler
from tornado_realtime.handlers.entrance import SocketDoor
from tornado_realtime.handlers.health import HealthHandler
from tornado_realtime.handlers.metrics import MetricsHandler
from tornado_realtime.handlers.paths import PathIs
from tornado_realtime.handlers.script import ScriptHandler
from tornado_realtime.handlers.sse import SseHandler
from tornado_realtime.handlers.websocket import SocketHandler
from tornado_realtime.settings import Settings


class Doors(Protocol):
    """What a realtime instance gives to handlers. A door raises BrokerClosedError while it is shut."""

    @property
    def trouble(self) -> str:
        """Why no client should be sent here now; empty if they may come."""
        ...

    def socket_door(self) -> SocketDoor:
        """What a handshake needs."""
        ...

    def publish_door(self) -> PublishDoor:
        """What publishing needs."""
        ...

    def disconnect_door(self) -> DisconnectDoor:
        """What disconnecting needs."""
        ...


class Audience(Enum):
    """Whose a path is, and so on which listener it is served."""

    CLIENTS = "clients"
    """Where the clients come, and nowhere else."""
    APPLICATION = "application"
    """There too; with ``broadcast_listen`` on that listener alone, and hidden where the clients come."""
    EVERYBODY = "everybody"
    """On every listener."""


@dataclass(frozen=True, slots=True)
class Route:
    """One row.

    Attributes:
        audience: Whose it is.
        path: Decoded, prefix of the instance included.
        handler: Serves it.
        arguments: For the handler's ``initialize``.
        below: Everything that begins with ``path`` is served, too.
    """

    audience: Audience
    path: str
    handler: type[RequestHandler]
    arguments: Mapping[str, Any]
    below: bool = False

    @property
    def rule(self) -> Rule:
        """For Tornado."""
        return Rule(PathIs(self.path, prefix=self.below), self.handler, dict(self.arguments))

    @property
    def hiding(self) -> Rule:
        """For Tornado where it answers 404 instead."""
        return Rule(PathIs(self.path, prefix=self.below), NotHereHandler)


class RouteTable:
    """The paths of one instance.

    Args:
        settings: Its settings; they say where it is, and whether the application has a listener of its own.
        doors: The instance.
    """

    def __init__(self, settings: Settings, doors: Doors) -> None:
        self._rows = _rows(settings, doors)
        internal = settings.prefix + "/internal/"
        # Everything there is hidden, so that nobody learns what there is.
        everything = Route(Audience.APPLICATION, internal, NotHereHandler, {}, below=True)
        self._hidden: tuple[Route, ...] = (everything,) if settings.broadcast_listen else ()
        served = (*self._rows, *self._hidden)
        self._exact = frozenset(route.path for route in served if not route.below)
        self._below = tuple(route.path for route in served if route.below)

    def serves(self, path: str) -> bool:
        """Whether a decoded path is the instance's on the listener where clients come."""
        return path in self._exact or path.startswith(self._below)

    def for_clients(self) -> list[Rule]:
        """Tornado rules for the listener where clients come."""
        if not self._hidden:
            return [route.rule for route in self._rows]
        rules = [
            route.hiding if route.audience is Audience.APPLICATION else route.rule for route in self._rows
        ]
        return [*rules, *(route.hiding for route in self._hidden)]

    def for_application(self) -> list[Rule]:
        """Tornado rules for a listener of the application's own."""
        return [route.rule for route in self._rows if route.audience is not Audience.CLIENTS]


def _rows(settings: Settings, doors: Doors) -> tuple[Route, ...]:
    """To add a path, add its row."""
    prefix, internal = settings.prefix, settings.prefix + "/internal/"
    clients, application, everybody = Audience

    live: Mapping[str, Any] = {"word": "live", "trouble": str}  # no trouble is known that leaves it an answer
    ready: Mapping[str, Any] = {"word": "ready", "trouble": lambda: doors.trouble}
    publish = {"door": doors.publish_door}
    return (
        Route(clients, prefix + settings.socket_path, SocketHandler, {"door": doors.socket_door}),
        Route(clients, prefix + "/sse", SseHandler, {"door": doors.socket_door}),
        Route(clients, prefix + "/realtime.js", ScriptHandler, {}),
        Route(application, prefix + settings.publish_path, BroadcastHandler, publish),
        Route(application, internal + "metrics", MetricsHandler, publish),
        Route(application, internal + "disconnect", DisconnectHandler, {"door": doors.disconnect_door}),
        Route(application, internal + "channels", ChannelsHandler, publish),
        Route(application, internal + "channels/", ChannelHandler, publish, below=True),
        Route(application, internal + "users/", UserHandler, publish, below=True),
        Route(everybody, prefix + "/live", HealthHandler, live),
        Route(everybody, prefix + "/ready", HealthHandler, ready),
    )
