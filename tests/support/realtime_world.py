"""Realtime servers on loopback, and a WebSocket client that sends exactly the bytes it is told to."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from tests.support.rawhttp import Answered, RawClient
from tests.unit.wire.client_frames import CLOSE, TEXT, client_frame
from tornado_realtime.bounds import limits_of, quotas_of
from tornado_realtime.brokers.base import Broker
from tornado_realtime.brokers.memory import MemoryBroker
from tornado_realtime.carriers import traits_of
from tornado_realtime.hub import Heart, Hub
from tornado_realtime.poller import Poller
from tornado_realtime.realtime import Realtime
from tornado_realtime.traits import TraitsTable

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
UPGRADE = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    f"Sec-WebSocket-Key: {KEY}",
)


class WebSocketClient(RawClient):
    """One connection that becomes a WebSocket."""

    async def frame(self) -> tuple[int, bytes]:
        """First byte and payload of the next frame."""
        return await asyncio.wait_for(self._frame(), 5)

    async def _frame(self) -> tuple[int, bytes]:
        first, size = await self.reader.readexactly(2)
        if size >= 126:
            size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8))
        return first, await self.reader.readexactly(size)

    async def text(self) -> bytes:
        """The payload of the next frame, which must be a text frame."""
        first, payload = await self.frame()
        assert first == 0x81, (first, payload)
        return payload

    async def say(self, text: str | bytes, opcode: int = TEXT) -> None:
        """Send one frame."""
        await self.send(client_frame(text.encode() if isinstance(text, str) else text, opcode))

    async def silence(self, seconds: float = 0.05) -> None:
        """Nothing comes for a moment."""
        try:
            data = await asyncio.wait_for(self.reader.read(1), seconds)
        except TimeoutError:
            return
        raise AssertionError(f"something came: {data!r}")

    async def closed_with(self) -> tuple[int | None, str]:
        """Code and reason of the close frame that must be next; nothing may follow it."""
        first, payload = await self.frame()
        assert first == 0x88, (first, payload)
        with suppress(ConnectionError):
            await self.send(client_frame(payload[:2], CLOSE))
        assert await self.at_end()
        self.close()
        return (int.from_bytes(payload[:2]) if payload else None), payload[2:].decode()

    def stop_reading(self) -> None:
        """Leave everything that comes in the kernel's hands."""
        cast(asyncio.Transport, self.writer.transport).pause_reading()

    def read_again(self) -> None:
        cast(asyncio.Transport, self.writer.transport).resume_reading()

    def vanish(self) -> None:
        """Go with a reset."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@dataclass(slots=True)
class World:
    """A running server with a realtime instance, and how to reach it."""

    realtime: Realtime
    port: int
    tls: ssl.SSLContext | None = None
    host: str = "127.0.0.1"
    clients: list[RawClient] = field(default_factory=list)

    @property
    def hub(self) -> Hub:
        return self.realtime.hub

    async def connect(self, rcvbuf: int = 0) -> WebSocketClient:
        """A connection on which nothing was said yet."""
        reader, writer = await asyncio.open_connection(self.host, self.port, ssl=self.tls)
        if rcvbuf:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        client = WebSocketClient(reader, writer)
        self.clients.append(client)
        return client

    async def knock(self, *fields: str, path: str = "/ws", method: str = "GET") -> Answered:
        """The answer to one handshake on a connection of its own."""
        client = await self.connect()
        try:
            return await client.request(method, path, *(fields or UPGRADE))
        finally:
            client.close()

    async def open(self, *channels: str, path: str = "/ws", fields: Sequence[str] = ()) -> WebSocketClient:
        """A client after its handshake, subscribed to ``channels``."""
        client = await self.connect()
        answer = await client.request("GET", path, *UPGRADE, *fields)
        assert answer.status == 101, answer
        for channel in channels:
            before = self.hub.subscribers(channel)
            await client.say(f'{{"action":"subscribe","channel":"{channel}"}}')
            if self.realtime.settings.wire == "envelope":
                assert await client.text() == f'{{"type":"subscribed","channel":"{channel}"}}'.encode()
            await until(partial(self._has_more_than, before, channel))
        return client

    async def post(
        self, *fields: str, body: bytes = b"channel=news&message=hello", path: str = "/internal/broadcast"
    ) -> Answered:
        """The answer to one publication."""
        client = await self.connect()
        form = "Content-Type: application/x-www-form-urlencoded"
        try:
            return await client.request("POST", path, form, *fields, body=body)
        finally:
            client.close()

    async def ask(self, path: str, *fields: str, method: str = "GET") -> Answered:
        """The answer to a question of the application."""
        return await self.knock(*(fields or ("Accept: */*",)), path=path, method=method)

    def _has_more_than(self, before: int, channel: str) -> bool:
        return self.hub.subscribers(channel) > before


async def until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    """Wait for something that the server does by itself."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        await asyncio.sleep(0.002)


@asynccontextmanager
async def serving(
    realtime: Realtime,
    *routes: Any,
    tls: tuple[ssl.SSLContext, ssl.SSLContext] | None = None,
    host: str = "127.0.0.1",
    start: bool = True,
    **settings: Any,
) -> AsyncIterator[World]:
    """Serve ``realtime`` beside ``routes`` on a free port.

    Args:
        realtime: Started here, and closed.
        routes: The application's own.
        tls: The server's context and the clients'.
        host: Where to listen.
        start: False to serve requests before the instance is started.
        settings: The application's.
    """
    application = Application([*routes, *realtime.routes], log_function=lambda handler: None, **settings)
    server = HTTPServer(application, ssl_options=tls[0] if tls else None)
    (listener,) = bind_sockets(0, host)
    server.add_sockets([listener])
    if start:
        await realtime.start()
    world = World(realtime, listener.getsockname()[1], tls[1] if tls else None, host)
    try:
        yield world
    finally:
        for client in world.clients:
            client.close()
        server.stop()
        await realtime.close(timeout=1)
        await server.close_all_connections()


class TunedRealtime(Realtime):
    """An instance whose parts a test chooses."""

    broker: Callable[[TraitsTable], Broker] = MemoryBroker
    heart: Callable[[asyncio.AbstractEventLoop], Heart] = Heart
    poller: Callable[[asyncio.AbstractEventLoop], Poller] | None = None

    def _make_hub(self) -> Hub:
        loop, kind = asyncio.get_running_loop(), type(self)
        poller = kind.poller(loop) if kind.poller is not None else None
        return Hub(
            kind.broker(traits_of(self.settings)),
            limits_of(self.settings),
            kind.heart(loop),
            poller,
            self._make_authorizer(),
            quotas_of(self.settings),
            self._renew,
            presence_delay=self.settings.presence_delay,
        )


def realtime(**options: Any) -> Realtime:
    """An instance that lets everybody in as ``u1``."""
    options.setdefault("authenticate", lambda request: "u1")
    return Realtime(**options)


@asynccontextmanager
async def nodes_on(redis_address: str, count: int = 2, **options: Any) -> AsyncIterator[list[World]]:
    """So many nodes on one Redis, each serving on a port of its own."""
    options |= {"driver": "redis", "redis_address": redis_address}
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(serving(realtime(**options))) for _ in range(count)]
