"""A server that can be told to misbehave: what a measurement must notice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import parse_qs

from tests.support.streams import StreamServer
from tornado_realtime.wire.decoder import Decoder, Message, Ping
from tornado_realtime.wire.frames import close_frame, pong_frame, text_frame
from tornado_realtime.wire.handshake import accept_value, response_101

ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
Deliver = Callable[[int, bytes], list[bytes]]
"""The frames that each subscriber gets for the message of this number (from 1)."""


def faithful(_number: int, message: bytes) -> list[bytes]:
    return [text_frame(message)]


class FakeServer:
    """One channel; every subscriber is on it."""

    def __init__(self, deliver: Deliver = faithful, answer: bytes = ACCEPTED, upgrade: bytes = b"") -> None:
        self._deliver, self._answer, self._upgrade = deliver, answer, upgrade
        self._subscribers: list[asyncio.StreamWriter] = []
        self.published = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
                if head.startswith("GET"):
                    await self._socket(reader, writer, fields["Sec-WebSocket-Key"])
                    return
                self._publish(await reader.readexactly(int(fields["Content-Length"])))
                writer.write(self._answer)
        except asyncio.IncompleteReadError:
            pass

    async def _socket(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str) -> None:
        writer.write(self._upgrade or response_101(accept_value(key)))
        decoder = Decoder(1000)
        while data := await reader.read(1000):
            for event in decoder.feed(data):
                if isinstance(event, Message):
                    self._subscribers.append(writer)
                elif isinstance(event, Ping):
                    writer.write(pong_frame(event.payload))

    def _publish(self, form: bytes) -> None:
        self.published += 1
        message = parse_qs(form.decode())["message"][0].encode()
        for frame in self._deliver(self.published, message):
            for subscriber in self._subscribers:
                subscriber.write(frame)


@asynccontextmanager
async def fake_server(
    deliver: Deliver = faithful, answer: bytes = ACCEPTED, upgrade: bytes = b""
) -> AsyncIterator[str]:
    """Run one; its URL."""
    fake = FakeServer(deliver, answer, upgrade)
    async with StreamServer(fake.serve) as server:
        yield f"http://127.0.0.1:{server.port}"


def closing(number: int, message: bytes) -> list[bytes]:
    """Closes everybody at the fifth message."""
    return [close_frame(1011, "out of luck")] if number == 5 else [text_frame(message)]
