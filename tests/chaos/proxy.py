"""A TCP proxy on the way to Redis that can be slow, or swallow what it gets."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field

from tests.support.streams import StreamServer

CHUNK = 65536
_INTERNAL = (b"sentinel", b"REPLCONF", b"PSYNC")


@dataclass(slots=True, eq=False)
class _Pipe:
    """One connection through the proxy."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    subscribes: bool = False
    swallows: bool = False
    internal: bool = False  # of a Sentinel or a replica
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


class Proxy:
    """Listens on a loopback port of its own.

    Args:
        target: The port of 127.0.0.1 where everything goes.
        port: Its own; any that is free when left out.
    """

    def __init__(self, target: int, port: int = 0) -> None:
        self.delay = 0.0  #: seconds that every byte from Redis is late
        self.refuses = False  #: whether new connections are closed at once
        self._target = target
        self._wanted_port = port
        self._cut = False
        self._pipes: set[_Pipe] = set()
        self._server = StreamServer(self._serve)

    @property
    def port(self) -> int:
        return self._server.port

    async def start(self) -> None:
        """Listen."""
        await self._server.start(self._wanted_port)

    async def close(self) -> None:
        """Break everything."""
        for pipe in list(self._pipes):
            await self._end(pipe)
        await self._server.close()

    def swallow(self, only_subscribing: bool = False) -> int:
        """Let what is open now go half-open: it stays open, and nothing comes through any more.

        Args:
            only_subscribing: Do so to connections over which something was subscribed, and to no others.

        Returns:
            How many there were.
        """
        chosen = [pipe for pipe in self._pipes if pipe.subscribes or not only_subscribing]
        for pipe in chosen:
            pipe.swallows = True
        return len(chosen)

    def cut_off(self) -> None:
        """Let everything of Sentinels and replicas, now and later, come to nothing; others go on."""
        self._cut = True
        for pipe in self._pipes:
            pipe.swallows = pipe.swallows or pipe.internal

    async def mend(self) -> None:
        """Everybody gets through again, over a new connection."""
        self._cut = False
        for pipe in [pipe for pipe in self._pipes if pipe.swallows]:
            await self._end(pipe)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refuses:
            return
        try:
            from_server, server = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            return
        pipe = _Pipe(writer, server)
        self._pipes.add(pipe)
        pipe.tasks = [
            asyncio.create_task(self._up(pipe, reader)),
            asyncio.create_task(self._down(pipe, from_server)),
        ]
        try:
            await asyncio.wait(pipe.tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self._end(pipe)

    async def _up(self, pipe: _Pipe, reader: asyncio.StreamReader) -> None:
        with suppress(OSError):
            while chunk := await reader.read(CHUNK):
                pipe.subscribes = pipe.subscribes or b"SUBSCRIBE" in chunk
                pipe.internal = pipe.internal or any(word in chunk for word in _INTERNAL)
                pipe.swallows = pipe.swallows or (self._cut and pipe.internal)
                if not pipe.swallows:
                    pipe.server.write(chunk)
                    await pipe.server.drain()

    async def _down(self, pipe: _Pipe, reader: asyncio.StreamReader) -> None:
        late: deque[tuple[float, bytes]] = deque()
        more = asyncio.Event()
        relay = asyncio.create_task(self._relay(pipe, late, more))
        try:
            with suppress(OSError):
                while chunk := await reader.read(CHUNK):
                    late.append((asyncio.get_running_loop().time() + self.delay, chunk))
                    more.set()
            while pipe.swallows:  # that the server closed it is not told either
                await asyncio.sleep(0.1)
        finally:
            relay.cancel()
            await asyncio.gather(relay, return_exceptions=True)

    async def _relay(self, pipe: _Pipe, late: deque[tuple[float, bytes]], more: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        with suppress(OSError):
            while True:
                await more.wait()
                more.clear()
                while late:
                    due, chunk = late.popleft()
                    if due > loop.time():
                        await asyncio.sleep(due - loop.time())
                    if not pipe.swallows:
                        pipe.client.write(chunk)
                        await pipe.client.drain()

    async def _end(self, pipe: _Pipe) -> None:
        self._pipes.discard(pipe)
        tasks = [task for task in pipe.tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        for writer in (pipe.client, pipe.server):
            writer.transport.abort()
        await asyncio.gather(*tasks, return_exceptions=True)
