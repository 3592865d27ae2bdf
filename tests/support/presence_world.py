"""Clients with names, for servers that tell who is there."""

from __future__ import annotations

from typing import Any

from tornado.httputil import HTTPServerRequest

from tests.support.realtime_world import WebSocketClient, World
from tests.support.v1_world import PROTOCOL, V1Client, open_v1
from tornado_realtime.auth import ANONYMOUS, User
from tornado_realtime.realtime import Realtime

DELAY = "100ms"


def by_name(request: HTTPServerRequest) -> User:
    """Whoever the request says; nobody in particular if it does not."""
    name = request.headers.get("X-User", "")
    return User(name, {"name": name.title()}) if name else ANONYMOUS


def present(*names: str, conns: int = 1) -> dict[str, Any]:
    """The members of a listing."""
    return {name: {"info": {"name": name.title()}, "conns": conns} for name in names}


def telling(kind: type[Realtime] = Realtime, presence: Any = "on", **options: Any) -> Realtime:
    """An instance on whose channels ``chat*`` everybody is told who is there."""
    options = {"presence_delay": DELAY, "anonymous": "on", "authenticate": by_name, **options}
    blocks = {"chat*": {"subscribe": "anyone", "presence": presence}, "news": {"subscribe": "anyone"}}
    return kind(channel=blocks, **options)


async def come(world: World, name: str, *channels: str) -> V1Client:
    """A client of ``name``, subscribed to ``channels`` without a question about others."""
    return await open_v1(world, *channels, fields=_fields(name))


async def listen(world: World, name: str, channel: str = "chat") -> tuple[V1Client, dict[str, Any]]:
    """A client that is told who is there, and the confirmation that it got."""
    client = await come(world, name)
    return client, await client.ask("subscribe", channel=channel, presence=True)


async def come_raw(world: World, name: str, *channels: str) -> WebSocketClient:
    """The same for a client of the configured wire."""
    return await world.open(*channels, fields=[f"X-User: {name}"])


def _fields(name: str) -> list[str]:
    return [PROTOCOL, f"X-User: {name}"] if name else [PROTOCOL]
