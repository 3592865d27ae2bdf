"""An auth endpoint that answers byte by byte what a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tornado.httputil import HTTPHeaders


@dataclass(slots=True)
class Asked:
    """One question as it came."""

    line: str
    headers: HTTPHeaders


Behaviour = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass(slots=True)
class Endpoint:
    """A listening endpoint; change ``behaviour`` or ``answers`` at any time."""

    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)
    behaviour: Behaviour | None = None
    greeting: bytes = b""
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/auth.php"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self.greeting:
                writer.write(self.greeting)
                return
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            line, _, rest = head.partition("\r\n")
            self.asked.append(Asked(line, HTTPHeaders.parse(rest)))
            if self.behaviour is not None:
                await self.behaviour(writer)
            else:
                writer.write(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            self.gone.set()
        finally:
            writer.close()


def answer(status: int, body: bytes = b"", *fields: str) -> bytes:
    """One whole answer."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


@asynccontextmanager
async def endpoint(*answers: bytes) -> AsyncIterator[Endpoint]:
    """An endpoint that gives ``answers`` in turn, the last one for ever."""
    found = Endpoint(answers=list(answers) or [answer(200, b'{"id":"u1"}')])
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
