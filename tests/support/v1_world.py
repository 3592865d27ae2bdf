"""Servers for clients that speak realtime.v1.json."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

import jwt

from tests.support.realtime_world import UPGRADE, WebSocketClient, World

PROTOCOL = "Sec-WebSocket-Protocol: realtime.v1.json"
SECRET = "a secret of at least thirty-two bytes"


class V1Client:
    """A client that says and reads JSON.

    Attributes:
        text: Its welcome.
    """

    def __init__(self, socket: WebSocketClient, text: str) -> None:
        self.socket = socket
        self.text = text
        self.welcome: dict[str, Any] = json.loads(text)

    @property
    def name(self) -> str:
        name = self.welcome["client"]
        assert isinstance(name, str)
        return name

    async def say(self, action: str, **members: Any) -> None:
        """Send one message."""
        await self.socket.say(json.dumps({"action": action, **members}))

    async def hear(self) -> dict[str, Any]:
        """The next message."""
        found = json.loads(await self.socket.text())
        assert isinstance(found, dict)
        return found

    async def ask(self, action: str, **members: Any) -> dict[str, Any]:
        """Send one message, and get the next."""
        await self.say(action, **members)
        return await self.hear()


async def open_v1(
    world: World, *channels: str, fields: Sequence[str] = (PROTOCOL,), on: WebSocketClient | None = None
) -> V1Client:
    """A client after its welcome, subscribed to ``channels``; on a new connection, or ``on`` one."""
    socket = on if on is not None else await world.connect()
    answer = await socket.request("GET", world.realtime.socket_path, *UPGRADE, *fields)
    assert answer.status == 101, answer
    assert answer.header("Sec-WebSocket-Protocol") == "realtime.v1.json"
    client = V1Client(socket, (await socket.text()).decode())
    assert client.welcome["type"] == "welcome"
    for channel in channels:
        reply = await client.ask("subscribe", channel=channel)
        assert reply == {"type": "subscribed", "channel": channel}
    return client


def token(user: str = "u-123", seconds: float = 3600.0) -> str:
    """A login for so long."""
    now = time.time()
    return jwt.encode({"sub": user, "exp": now + seconds, "iat": now - 7200}, SECRET, "HS256")


def channel_token(channel: str, user: str = "u-123", seconds: float = 600.0, **more: Any) -> str:
    """A token for one channel, for so long."""
    claims = {"channel": channel, "sub": user, "exp": time.time() + seconds, **more}
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, SECRET, "HS256")
