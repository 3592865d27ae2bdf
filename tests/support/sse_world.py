"""A client of event streams that shows every line of them, and reads events as browsers do."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from typing import Any

from tests.support.rawhttp import Answered
from tests.support.realtime_world import WebSocketClient, World
from tests.support.v1_world import SECRET, token
from tornado_realtime.realtime import Realtime

SESSION = "X-Realtime-Session"


@dataclass(frozen=True, slots=True)
class Event:
    """One event.

    Attributes:
        text: Its lines.
        name: Empty for none.
        id: None for none.
        retry: None for none.
    """

    text: str
    name: str
    data: str
    id: str | None
    retry: int | None

    @property
    def json(self) -> dict[str, Any]:
        found = json.loads(self.data)
        assert isinstance(found, dict)
        return found


def read_event(text: str) -> Event:
    """One event as the standard reads it (WHATWG HTML section 9.2.6); anything unusual is a mistake."""
    fields: dict[str, str] = {}
    for line in text.rstrip("\n").split("\n"):
        found = re.fullmatch(r"(event|data|id|retry): ([^\r\0]*)", line)
        assert found, repr(text)
        assert found[1] not in fields, repr(text)
        fields[found[1]] = found[2]
    retry = int(fields["retry"]) if "retry" in fields else None
    return Event(text, fields.get("event", ""), fields["data"], fields.get("id"), retry)


class EventStream:
    """A stream that was opened.

    Attributes:
        head: The answer's.
        welcome: What the first event says.
        welcome_text: Its lines.
    """

    def __init__(self, socket: WebSocketClient, head: Answered, target: str) -> None:
        self.socket = socket
        self.head = head
        self.target = target
        self.welcome: dict[str, Any] = {}
        self.welcome_text = ""
        self._unread = bytearray()

    @property
    def session(self) -> str:
        return str(self.welcome["session"])

    async def event(self) -> Event:
        """The next one."""
        async with asyncio.timeout(5):
            while b"\n\n" not in self._unread:
                data = await self.socket.reader.read(65536)
                assert data, f"the stream ended: {bytes(self._unread)!r}"
                self._unread += data
        text, _, self._unread = self._unread.partition(b"\n\n")
        return read_event(text.decode() + "\n\n")

    async def ended(self) -> None:
        """Nothing more comes; and the client closes its side, too."""
        assert not self._unread
        assert await self.socket.at_end()
        self.socket.close()

    async def hear(self) -> dict[str, Any]:
        """What the next ``control`` event says."""
        event = await self.event()
        assert event.name == "control", event
        return event.json

    async def message(self) -> Any:
        """The payload of the next publication."""
        event = await self.event()
        assert event.name == "", event
        return event.json["payload"]


def by_token(**options: Any) -> Realtime:
    """An instance whose clients show tokens."""
    return Realtime(jwt={"secret": SECRET}, **options)


def bearer(user: str = "u-123", seconds: float = 3600.0) -> str:
    """The field that shows one."""
    return f"Authorization: Bearer {token(user, seconds)}"


async def open_stream(world: World, target: str, *fields: str, version: str = "1.1") -> EventStream:
    """A stream after its welcome."""
    socket = await world.connect()
    lines = [f"GET {target} HTTP/{version}", "Host: localhost", *fields, "", ""]
    await socket.send("\r\n".join(lines).encode("latin-1"))
    head = await socket.answer(head_only=True)
    assert head.status == 200, head
    stream = EventStream(socket, head, target)
    welcome = await stream.event()
    assert welcome.name == "control"
    stream.welcome, stream.welcome_text = welcome.json, welcome.text
    assert stream.welcome["type"] == "welcome"
    return stream


async def subscribed(stream: EventStream, *channels: str) -> None:
    """The stream says of each channel that it carries it now."""
    for channel in channels:
        assert await stream.hear() == {"type": "subscribed", "channel": channel}


async def post(world: World, session: str, *messages: str, fields: tuple[str, ...] = ()) -> Answered:
    """The answer to messages for a stream."""
    socket = await world.connect()
    try:
        body = "\n".join(messages).encode()
        return await socket.request("POST", "/sse", f"{SESSION}: {session}", *fields, body=body)
    finally:
        socket.close()
