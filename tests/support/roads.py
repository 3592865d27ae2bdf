"""One Caddyfile served twice in this process: with the fast lane, and with everything going to Tornado."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain

from tornado_realtime.brokers.memory import MemoryBroker
from tornado_realtime.caddyfile import parse
from tornado_realtime.fastlane import LanePlan
from tornado_realtime.publication import Publication, Taken
from tornado_realtime.server.generation import Generation
from tornado_realtime.server.ports import Ports, Wanted, wanted_by
from tornado_realtime.site.adapter import adapt
from tornado_realtime.site.exchange import Exchange
from tornado_realtime.site.front import Answer, SiteFront
from tornado_realtime.wire.base import Farewell

# Turns of the loop without a byte after which nothing more comes: both ends live on one loop.
TURNS = 4
LAST_TURNS = 25
# The same, in turns and in seconds, while a request is in the works; then it waits for more of its body.
BUSY_TURNS = 300
PATIENCE = 0.1
NAME = re.compile(rb'"client":"[A-Za-z0-9_-]{12}"')
DATE = re.compile(rb"\r\nDate: [^\r]*")


class NotingBroker(MemoryBroker):
    """Notes what was published."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[tuple[str, bytes]] = []

    def publish_now(self, publication: Publication, key: str = "") -> Taken | None:
        self.noted.append((publication.channel, publication.data))
        return super().publish_now(publication, key)


@dataclass
class Road:
    """A running server.

    Attributes:
        at_site: Requests that the site has seen, so that were not served by the lane.
    """

    generation: Generation
    ports: Ports
    at_site: int = 0
    fronts: list[SiteFront] = field(default_factory=list)
    brokers: list[NotingBroker] = field(default_factory=list)

    def port(self, index: int = 0) -> int:
        """The port of one of its listeners."""
        found: int = self.ports.addresses[index][1]
        return found

    @property
    def published(self) -> list[list[tuple[str, bytes]]]:
        """What was published, by instance."""
        return [list(broker.noted) for broker in self.brokers]

    @property
    def users(self) -> list[list[str]]:
        """Who is connected, by instance."""
        return [
            sorted(connection.user.id for connection in realtime.hub.connections)
            for realtime in self.generation.realtimes
        ]

    def forget(self) -> None:
        """Begin to count anew."""
        self.at_site = 0
        for broker in self.brokers:
            broker.noted.clear()

    @property
    def is_busy(self) -> bool:
        """Whether a request is being answered."""
        return any(front.active for front in self.fronts)

    async def say(self, *packets: bytes, listener: int = 0) -> bytes:
        """Everything that comes back for these packets on one connection, without the date.

        The end is part of it: ``|closed``, or ``|open`` if the server fell silent.
        """
        loop = asyncio.get_running_loop()
        with socket.socket() as sock:
            sock.setblocking(False)
            await loop.sock_connect(sock, ("127.0.0.1", self.port(listener)))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            received, end = b"", b""
            for index, packet in enumerate(packets):
                with suppress(ConnectionError):
                    await loop.sock_sendall(sock, packet)
                is_last = index == len(packets) - 1
                more, end = await self._listen(sock, LAST_TURNS if is_last else TURNS, is_last)
                received += more
                if end:
                    break
            received = NAME.sub(b'"client":"-"', received)
            return DATE.sub(b"\r\nDate: -", received) + (end or b"|open")

    async def _listen(self, sock: socket.socket, turns: int, is_last: bool) -> tuple[bytes, bytes]:
        """What comes before so many quiet turns, and how the connection ended; nothing if it did not."""
        received = b""
        quiet = 0
        patience = time.monotonic() + PATIENCE
        while quiet < turns or (
            is_last and self.is_busy and (quiet < BUSY_TURNS or time.monotonic() < patience)
        ):
            # Unacknowledged bytes would keep the server's next ones back (Nagle), and closing destroys those.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            try:
                data = sock.recv(65536)
            except BlockingIOError:
                quiet += 1
                await asyncio.sleep(0)
                continue
            except ConnectionError:
                # Closing a socket that holds unread bytes resets it; whether there are any is chance.
                return received, b"|closed"
            if not data:
                return received, b"|closed"
            received += data
            quiet, patience = 0, time.monotonic() + PATIENCE
        return received, b""

    def count(self, answer: Answer) -> Answer:
        """``answer``, counted."""

        async def counted(exchange: Exchange) -> None:
            self.at_site += 1
            await answer(exchange)

        return counted


def free_port() -> int:
    """A port that nobody listens on, for Caddyfiles that are loaded again."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


def server_of(caddyfile: str, previous: Generation | None = None) -> Generation:
    """The generation of a Caddyfile."""
    return Generation(adapt(parse(caddyfile, "Caddyfile", {})), previous)


@asynccontextmanager
async def road(
    caddyfile: str, *, lane: bool, host: str = "127.0.0.1", socket_bytes: int = 0
) -> AsyncIterator[Road]:
    """Serve a Caddyfile on a host, with or without the fast lane, and with socket buffers of this size."""
    running = Road(server_of(caddyfile), Ports([host]))
    wanted = wanted_by(running.generation)
    await running.generation.start()
    try:
        running.brokers = [await _noting_broker(running.generation, i) for i in range(_instances(running))]
        switch(running, wanted, lane=lane, socket_bytes=socket_bytes)
        yield running
    finally:
        await asyncio.gather(
            running.ports.close(0.1), running.generation.close_realtimes(Farewell.SHUTDOWN, 0.1)
        )
        await running.generation.stop_resources()


def switch(running: Road, wanted: Sequence[Wanted], *, lane: bool, socket_bytes: int = 0) -> None:
    """Serve ``wanted`` from now on."""
    for want in wanted:
        if not lane:
            want.lane = LanePlan()
        if want.front is not None:
            want.front.answer = running.count(want.front.answer)
            running.fronts.append(want.front)
    bound = running.ports.bind(wanted)
    for sock in chain.from_iterable(bound.values()) if socket_bytes else ():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, socket_bytes)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, socket_bytes)
    running.ports.switch(wanted, bound)


def _instances(running: Road) -> int:
    return len(running.generation.realtimes)


async def _noting_broker(generation: Generation, index: int) -> NotingBroker:
    hub = generation.realtimes[index].hub
    broker = NotingBroker()
    await broker.start(hub)
    hub.broker = broker
    return broker


@asynccontextmanager
async def both_roads(caddyfile: str) -> AsyncIterator[tuple[Road, Road]]:
    """A Caddyfile served by the lane, and without it."""
    async with road(caddyfile, lane=True) as fast, road(caddyfile, lane=False) as slow:
        yield fast, slow


async def compare(fast: Road, slow: Road, *packets: bytes, listener: int = 0) -> bytes:
    """What both roads answer to the packets; they must agree in every byte and in what it does."""
    fast.forget()
    slow.forget()
    answers: list[Awaitable[bytes]] = [one.say(*packets, listener=listener) for one in (fast, slow)]
    first, second = await asyncio.gather(*answers)
    assert first == second, (packets, first, second)
    assert fast.published == slow.published, (packets, fast.published, slow.published)
    return first
