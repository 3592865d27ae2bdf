"""A site front on loopback, and a client that sends exactly the bytes it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from tornado_realtime.site.front import Answer, FrontOptions, SiteFront


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer as it came over the wire."""

    status: int
    reason: str
    fields: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The field's only line, None without one."""
        values = self.all(name)
        assert len(values) <= 1, values
        return values[0] if values else None

    def all(self, name: str) -> list[str]:
        """Every line of a field."""
        return [value for field, value in self.fields if field.lower() == name.lower()]


class RawClient:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def request(self, method: str, target: str, *fields: str, body: bytes = b"") -> Answered:
        """Send one HTTP/1.1 request with Host and read its answer."""
        lines = [f"{method} {target} HTTP/1.1", *fields]
        if not any(field.lower().startswith("host:") for field in fields):
            lines.insert(1, "Host: localhost")
        if body:
            lines.append(f"Content-Length: {len(body)}")
        await self.send("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        return await self.answer(head_only=method == "HEAD")

    async def answer(self, head_only: bool = False) -> Answered:
        """Read one answer, however its length is told."""
        head = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 5)).decode("latin-1")
        first, *lines = head.rstrip("\r\n").split("\r\n")
        _, status, reason = first.split(" ", 2)
        fields = tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
        bare = Answered(int(status), reason, fields, b"")
        body = b"" if head_only else await asyncio.wait_for(self._body(bare), 5)
        return Answered(bare.status, bare.reason, bare.fields, body)

    async def _body(self, head: Answered) -> bytes:
        if head.status in (204, 304) or head.status < 200:
            return b""
        if head.header("Transfer-Encoding") == "chunked":
            return await self._chunks()
        length = head.header("Content-Length")
        return await (self.reader.read() if length is None else self.reader.readexactly(int(length)))

    async def _chunks(self) -> bytes:
        body = b""
        while size := int(await self.reader.readline(), 16):
            body += await self.reader.readexactly(size)
            await self.reader.readline()
        await self.reader.readline()
        return body

    async def at_end(self) -> bool:
        """Whether the server closes the connection without a further byte."""
        try:
            return await asyncio.wait_for(self.reader.read(1), 5) == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        self.writer.close()


@dataclass(frozen=True, slots=True)
class RunningFront:
    """A front that listens, and how to reach it."""

    front: SiteFront
    port: int
    clients: list[RawClient] = field(default_factory=list)

    async def connect(self) -> RawClient:
        client = RawClient(*await asyncio.open_connection("127.0.0.1", self.port))
        self.clients.append(client)
        return client

    async def get(self, target: str, *fields: str) -> Answered:
        return await self.once("GET", target, *fields)

    async def once(self, method: str, target: str, *fields: str, body: bytes = b"") -> Answered:
        """One request on a connection of its own."""
        client = await self.connect()
        try:
            return await client.request(method, target, *fields, body=body)
        finally:
            client.close()


@asynccontextmanager
async def serving(answer: Answer, options: FrontOptions | None = None) -> AsyncIterator[RunningFront]:
    """Serve ``answer`` on a free port; every task and socket is gone afterwards."""
    front = SiteFront(answer, options)
    server = HTTPServer(front)
    (listener,) = bind_sockets(0, "127.0.0.1")
    server.add_sockets([listener])
    running = RunningFront(front, listener.getsockname()[1])
    try:
        yield running
    finally:
        for client in running.clients:
            client.close()
        server.stop()
        await front.cancel()
        await server.close_all_connections()
