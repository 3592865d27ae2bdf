"""A server of asyncio streams that leaves no connection behind, however suddenly its test ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

# What the kernel accepted gets its task within so many turns of the loop, and a broken transport is gone.
TURNS = 10


class StreamServer:
    """Listens on a loopback port; every connection is ``talk``'s until it returns.

    A task that is cancelled before its first step never runs, so closing waits for each to begin.

    Args:
        talk: Serves one connection.
    """

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def start(self, port: int = 0) -> StreamServer:
        """Listen on ``port``, or on any that is free."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        return self

    async def close(self) -> None:
        """Listen no more, and break every connection. Idempotent."""
        if self._server is None:
            return
        for listening in self._server.sockets:
            asyncio.get_running_loop().remove_reader(listening.fileno())
        # For what a server accepted that is closed by then, asyncio makes no transport, and forgets it.
        await turns()
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await turns()

    async def __aenter__(self) -> StreamServer:
        return self if self._server is not None else await self.start()

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._talk(reader, writer)
            writer.close()
            await writer.wait_closed()
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()
            self._tasks.discard(task)


async def turns() -> None:
    """Let the loop do what is due."""
    for _ in range(TURNS):
        await asyncio.sleep(0)
