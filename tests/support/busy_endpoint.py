"""An auth endpoint that keeps connections, and counts how much is asked of it at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from tests.support.auth_endpoint import answer

Says = Callable[[str], bytes | Awaitable[bytes]]


def yes(head: str) -> bytes:
    """Whoever comes with a cookie ``id=NAME`` is NAME."""
    _, _, name = head.partition("Cookie: id=")
    return answer(200, b'{"id":"%b"}' % (name.partition("\r\n")[0].encode() or b"u1"))


@dataclass(slots=True)
class BusyEndpoint:
    """A listening endpoint; ``says`` makes an answer from a request's head."""

    says: Says = yes
    port: int = 0
    connections: int = 0
    asked: int = 0
    running: int = 0
    most: int = 0
    writers: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/auth"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                self.asked += 1
                self.running += 1
                self.most = max(self.most, self.running)
                try:
                    said = self.says(head)
                    writer.write(said if isinstance(said, bytes) else await said)
                finally:
                    self.running -= 1
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.writers.discard(writer)
            writer.close()

    async def hang_up(self) -> None:
        """Close every connection, as a server does with those that are idle."""
        for writer in list(self.writers):
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


@asynccontextmanager
async def busy_endpoint(says: Says = yes) -> AsyncIterator[BusyEndpoint]:
    found = BusyEndpoint(says)
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0, backlog=1024)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
        await found.hang_up()
