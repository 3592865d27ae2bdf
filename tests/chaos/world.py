"""One run: everything is started, a fault happens, everybody recovers, and it is all written down."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from tests.chaos.authors import Author, Pace
from tests.chaos.clients import Client, RecoveringClient
from tests.chaos.history import History, Probe, Sending, Span
from tests.chaos.nodes import STREAMS, Login, Node
from tests.chaos.probes import watch
from tests.chaos.redis import Topology

WARM_SECONDS = 60.0
DRAIN_SECONDS = 10.0
CALM = Pace(0.02)
AFTERMATH = 1.5  # seconds


@dataclass(frozen=True, slots=True)
class Size:
    """How much there is of everything.

    Attributes:
        nodes: Servers.
        channels: Plain ones; each client listens to all of them.
        streams: Channels with a history, likewise.
        authors: For each channel.
        clients: For each node, besides one that recovers.
        pace: Of each author.
    """

    nodes: int = 2
    channels: int = 4
    streams: int = 2
    authors: int = 2
    clients: int = 2
    pace: Pace = CALM


@dataclass(frozen=True, slots=True)
class Tempo:
    """How long things last, in seconds.

    Attributes:
        hold: A fault.
        canary: Between two of a node's probes.
        recovery: Until everybody must hear everybody again.
        aftermath: Undisturbed publishing at the end, at least.
        publish_timeout: As a node's option.
    """

    hold: float
    canary: float
    recovery: float
    aftermath: float = AFTERMATH
    publish_timeout: float = 2.0


class World:
    """Everything of one run.

    Args:
        folder: Of its own; logs stay there.
        topology: Redis.
        size: How much of everything.
        tempo: How long everything lasts.
        seed: Where all choices come from.
        say: Told what is going on.
    """

    def __init__(
        self,
        folder: Path,
        topology: Topology,
        size: Size,
        tempo: Tempo,
        seed: str,
        say: Callable[[str], None],
    ) -> None:
        self.history = History()
        self.topology = topology
        self.tempo = tempo
        self.random = Random(seed)
        login = Login.make()
        keeps = topology.replicas is not None
        replicas = f"replicas {topology.replicas if keeps else 'off'}"
        options = (
            f"canary {tempo.canary:g}s\n\t\t\tpublish_timeout {tempo.publish_timeout:g}s\n\t\t\t{replicas}"
        )
        self.nodes = [
            Node(f"node-{number}", folder / f"node-{number}", topology.address(number), login, options)
            for number in range(size.nodes)
        ]
        self._say = say
        ports = {node.name: node.port for node in self.nodes}
        self.channels = [f"room-{number}" for number in range(size.channels)]
        streams = [f"{STREAMS}{number}" for number in range(size.streams)]
        self.history.streams = frozenset(streams if keeps else ())
        channels = [*self.channels, *streams]
        self._authors = [
            Author(
                channel,
                number,
                ports,
                Random(f"{seed}/{channel}/{number}"),
                size.pace,
                self._sent,
            )
            for channel in channels
            for number in range(size.authors)
        ]
        self._clients: list[Client] = [
            Client(
                f"client-{number}{letter}",
                _rotated(ports, number),
                channels,
                login.cookie,
                self.history.hearings.append,
            )
            for number in range(size.nodes)
            for letter in "abcdefgh"[: size.clients]
        ]
        self._clients += [
            RecoveringClient(
                f"client-{number}-v1",
                _rotated(ports, number),
                streams,
                login.cookie,
                self.history.hearings.append,
                random=Random(f"{seed}/{number}"),
                complain=self.history.complaints.append,
                keeps=keeps,
                recovered=self._recovered,
            )
            for number in range(size.nodes)
        ]
        self._tasks: list[asyncio.Task[None]] = []
        self._writing: list[asyncio.Task[None]] = []
        self._stop = asyncio.Event()
        self._taken: dict[str, float] = {}  # when each node was last asked for what it then took
        self._ready: dict[str, float] = {}  # when each node last said that it is

    # -- what a fault uses -------------------------------------------------------------------------

    @contextmanager
    def away(self, why: str, node: Node | None = None) -> Iterator[None]:
        """Redis cannot be reached in this block, so nothing may be acknowledged."""
        start = time.time()
        yield
        span = Span(start, time.time(), node.name if node else "", why)
        self.history.away.append(span)
        self.history.deaf.append(span)

    async def away_until(
        self, works: Callable[[], bool], why: str, channels: Iterable[str] = frozenset()
    ) -> None:
        """Redis cannot be reached, or not for ``channels``, until ``works``, which may take its time."""
        start = end = asked = time.time()
        async with asyncio.timeout(WARM_SECONDS):
            while not await asyncio.to_thread(works):
                end = asked
                await asyncio.sleep(0.05)
                asked = time.time()
        span = Span(start, end, why=why, channels=frozenset(channels))
        self.history.away.append(span)
        if not span.channels:
            self.history.deaf.append(span)

    @contextmanager
    def deaf(self, why: str, node: Node) -> Iterator[None]:
        """A node hears nothing from Redis in this block."""
        start = time.time()
        yield
        self.history.deaf.append(Span(start, time.time(), node.name, why))

    @contextmanager
    def stopped(self, node: Node, why: str) -> Iterator[None]:
        """A node does nothing in this block."""
        start = time.time()
        yield
        self.history.stopped.append(Span(start, time.time(), node.name, why))

    async def hold(self, share: float = 1.0) -> None:
        """Let a fault last."""
        await asyncio.sleep(self.tempo.hold * share)

    # -- one run -----------------------------------------------------------------------------------

    async def run(self, act: Callable[[World], Awaitable[None]]) -> History:
        """Everything from the start to the end of the processes."""
        try:
            self._say("starting")
            await self._populate()
            if not await self._all_heard(WARM_SECONDS):
                raise RuntimeError("not everybody heard everybody before the fault")
            await asyncio.sleep(AFTERMATH + self.random.random())
            self._say("broken")
            self.history.began = time.time()
            await act(self)
            self.history.restored = time.time()
            self._say("recovering")
            await self._all_heard(self.tempo.recovery)
            for client in self._clients:
                client.stay()
            await asyncio.sleep(self.tempo.aftermath)
            self._say("draining")
            await self._drain()
        finally:
            await self._close()
        return self.history

    async def _populate(self) -> None:
        await asyncio.gather(*(node.start() for node in self.nodes))
        self._spawn(client.listen() for client in self._clients)
        self._writing = self._spawn(author.write(self._stop) for author in self._authors)
        self._spawn(watch(node.name, node.port, self._asked) for node in self.nodes)

    def _sent(self, sending: Sending) -> None:
        self.history.sendings.append(sending)
        if sending.outcome == "acknowledged":
            self._taken[sending.node] = sending.at

    def _recovered(self, count: int) -> None:
        self.history.recovered += count

    def _asked(self, probe: Probe) -> None:
        self.history.probes.append(probe)
        if probe.path == "/ready" and probe.status == 200:
            self._ready[probe.node] = probe.at

    def _spawn(self, jobs: Iterable[Coroutine[Any, Any, None]]) -> list[asyncio.Task[None]]:
        tasks = [asyncio.create_task(job) for job in jobs]
        self._tasks += tasks
        return tasks

    async def _all_heard(self, seconds: float) -> bool:
        """Wait until every client heard every author, every node took something and is ready; not for ever.

        What was sent before does not count.

        Returns:
            Whether it came to that.
        """
        since = time.time()
        marks = {(author.channel, author.number): author.next for author in self._authors}

        def done() -> bool:
            heard = all(
                client.newest.get(key, -1) >= number
                for client in self._clients
                for key, number in marks.items()
                if key[0] in client.channels
            )
            works = (self._taken, self._ready)
            return heard and all(last.get(node.name, 0.0) > since for node in self.nodes for last in works)

        return await self._until(done, seconds)

    async def _drain(self) -> None:
        """Stop the authors; wait until every client got the newest that was acknowledged."""
        self._stop.set()
        await asyncio.wait(self._writing)

        def done() -> bool:
            return all(
                client.newest.get((author.channel, author.number), -1) >= author.acknowledged
                for client in self._clients
                for author in self._authors
                if author.channel in client.channels
            )

        await self._until(done, DRAIN_SECONDS)
        await asyncio.sleep(0.3)  # what should not come may come now

    async def _until(self, done: Callable[[], bool], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not done() and time.monotonic() < deadline:
            for task in self._tasks:
                if task.done() and not task.cancelled() and task.exception():
                    task.result()
            await asyncio.sleep(0.05)
        return done()

    async def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for complaints in await asyncio.gather(*(node.stop() for node in self.nodes)):
            self.history.complaints += complaints
        for node in self.nodes:
            self.history.marks += node.marks()
            self.history.complaints += node.complaints()


def _rotated(ports: dict[str, int], by: int) -> dict[str, int]:
    names: Sequence[str] = list(ports)
    return {name: ports[name] for name in (*names[by:], *names[:by])}
