"""How far publications got: on this node, or on every node.

Nothing is paid for it where nobody asks. A request that does sets up a tally before it publishes; the
publications are recognised when the broker hands them back, and their jobs count what they write.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from hashlib import blake2b
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeGuard

from tornado_realtime.connection import Phase
from tornado_realtime.errors import BrokerError, BrokerUnavailableError
from tornado_realtime.hub.fanout import Job, JobMaker
from tornado_realtime.wire.receipt import Receipt, Wish

if TYPE_CHECKING:
    from tornado_realtime.connection import Connection
    from tornado_realtime.connection.outbox import Outbox
    from tornado_realtime.hub.fanout import Audience, Channel, Fanout
    from tornado_realtime.hub.nodes import Body, Nodes
    from tornado_realtime.publication import Publication, Taken
    from tornado_realtime.wire.frames import Batch

# Publications that are watched at the same time; a receipt that would exceed it misses this node.
MOST_WATCHED = 100_000
# Seconds that a watch for another node is kept for: longer than any publisher waits.
HOLD = 30.0
WATCH, COLLECT = "receipt-watch", "receipt-collect"

# Digests of messages by channel, each as often as it is published.
Watched = Mapping[str, Sequence[str]]
Publishing = Callable[[], Awaitable[Watched]]
"""Publishes, and tells what the broker did not publish again."""


class Tally:
    """What becomes of one request's publications on this node.

    Attributes:
        watched: What is counted.
        awaited: How many publications have not come back from the broker yet, by channel.
        due: Frames for subscribers of those that have.
        written: Frames that the kernel took.
        queued: Frames that wait in outboxes, or part of them does.
        jobs: Jobs that are not done.
        is_final: All is published, so a channel that has no subscriber gets nothing any more.
        settled: Set when nothing more will be counted.
    """

    __slots__ = ("awaited", "due", "is_final", "jobs", "queued", "settled", "watched", "written")

    def __init__(self, watched: Watched) -> None:
        self.watched = watched
        self.awaited = {channel: len(digests) for channel, digests in watched.items()}
        self.due = self.written = self.queued = self.jobs = 0
        self.is_final = False
        self.settled = asyncio.Event()

    def arrived(self, channel: str, count: int) -> None:
        """So many publications came back and are on their way to their subscribers."""
        left = self.awaited.get(channel, count) - count
        if left:
            self.awaited[channel] = left
        else:
            self.forget(channel)

    def forget(self, channel: str) -> None:
        """Nothing more will come on ``channel``."""
        self.awaited.pop(channel, None)
        self.check()

    def check(self) -> None:
        """Notice the end."""
        if not self.jobs and not self.awaited:
            self.settled.set()

    @property
    def counts(self) -> dict[str, int]:
        """The three sums."""
        skipped = self.due - self.written - self.queued
        return {"written": self.written, "queued": self.queued, "skipped": skipped}


class WatchedJob(Job):
    """A job that counts what the kernel takes of it."""

    __slots__ = ("_tally",)

    def __init__(self, tally: Tally, batch: Batch, audience: Audience) -> None:
        super().__init__(batch, audience)
        self._tally = tally
        tally.jobs += 1

    def spare(self, connection: Connection) -> None:
        """See Job: nothing is due to it."""
        super().spare(connection)
        if connection in self.subscribers:
            self._tally.due -= len(self.batch.ends)

    def advance(self, limit: int) -> int:
        """See Job: the same, one by one."""
        offered = 0
        while offered < limit and not self.done:
            connection = self.subscribers[self.position]
            before, has_left = connection.outbox, connection in self.left
            offered += super().advance(1)
            if not has_left:
                self._count(connection, before)
        if self.done:
            self._tally.jobs -= 1
            self._tally.check()
        return offered

    def hurry(self, connection: Connection) -> None:
        """See Job: counted, too."""
        before, has_left = connection.outbox, connection in self.left
        super().hurry(connection)
        if not has_left and connection in self.left:
            self._count(connection, before)

    def _count(self, connection: Connection, before: Outbox | None) -> None:
        if connection.phase is Phase.OPEN:
            taken = connection.frames_taken(self.batch, before)
            self._tally.written += taken
            self._tally.queued += len(self.batch.ends) - taken


class Receipts:
    """Makes the receipts of one hub.

    Args:
        fanout: Whose writes are counted.
        nodes: The other nodes.
        loop: Its clock bounds what is kept for other nodes.
    """

    def __init__(self, fanout: Fanout, nodes: Nodes, loop: asyncio.AbstractEventLoop) -> None:
        self._fanout = fanout
        self._nodes = nodes
        self._loop = loop
        # Who waits for a message on a channel, by channel and digest; the first one counts it.
        self._waiting: dict[str, dict[str, deque[Tally]]] = {}
        self._size = 0
        self._held: dict[str, tuple[Tally, asyncio.TimerHandle]] = {}
        nodes.on(WATCH, self._on_watch)
        nodes.on(COLLECT, self._on_collect)

    async def of(
        self,
        publications: Sequence[Publication],
        publish: Callable[[], Awaitable[Sequence[Taken]]],
        wish: Wish,
    ) -> Receipt:
        """Have ``publish`` publish them, and tell how far they got.

        Args:
            publications: What will be published.
            publish: Does it, and tells what the broker said of each; what it raises is raised here.
            wish: On how many nodes, and how long to wait for that.

        Raises:
            BrokerUnavailableError: The other nodes cannot be asked; nothing was published.
            BrokerClosedError: The hub is closed.
        """
        taken: Sequence[Taken] = ()

        async def repeated() -> Watched:
            """Publish; what is not published again will not come back."""
            nonlocal taken
            taken = await publish()
            return _watched(one for one, said in zip(publications, taken, strict=True) if said.repeated)

        count = self._everywhere if wish.is_everywhere else self._here
        return replace(await count(_watched(publications), repeated, wish.timeout), taken=taken)

    async def _here(self, watched: Watched, publish: Publishing, timeout: float) -> Receipt:
        tally = self._begin(watched)
        try:
            repeated = await publish()
            if tally is not None:
                self._waive(tally, repeated)
            counts = await self._counts(tally, timeout) if tally is not None else None
        finally:
            if tally is not None:
                self._end(tally)
        return _sum([counts or {}], 0)

    async def _everywhere(self, watched: Watched, publish: Publishing, timeout: float) -> Receipt:
        name = secrets.token_hex(8)
        begun = self._loop.time()
        try:
            reached = await self._nodes.ask(WATCH, {"name": name, "watched": watched}, timeout / 2)
        except BrokerUnavailableError as error:
            raise BrokerUnavailableError(error.reason, error.retry_after, "rejected") from error
        rest = timeout - (self._loop.time() - begun)
        question = {"name": name, "seconds": rest, "repeated": await publish()}
        try:
            found = await self._nodes.ask(COLLECT, question, rest)
        except BrokerError:
            # It is published; that the nodes cannot be asked any more is what the receipt has to say.
            return Receipt(missing=len(reached.answers) + reached.missing)
        return _sum(found.answers, found.missing)

    def emptied(self, channel: str) -> None:
        """The last subscriber of a channel on this node left: nothing that comes is awaited there."""
        for waiting in self._waiting.get(channel, {}).values():
            for tally in waiting:
                if tally.is_final:
                    tally.forget(channel)

    def close(self) -> None:
        """Keep nothing for other nodes any more."""
        for name in list(self._held):
            self._let_go(name)

    # -- for other nodes -----------------------------------------------------------------------------

    def _on_watch(self, body: Body) -> Body:
        match body:
            case {"name": str(name), "watched": dict(watched)} if name not in self._held:
                tally = self._begin(watched) if _is_watched(watched) else None
                if tally is not None:
                    self._held[name] = tally, self._loop.call_later(HOLD, self._let_go, name)
        return {}

    async def _on_collect(self, body: Body) -> Body:
        match body:
            case {"name": str(name), "seconds": int() | float() as seconds} if name in self._held:
                try:
                    if _is_watched(repeated := body.get("repeated")):
                        self._waive(self._held[name][0], repeated)
                    # What is no number at all is not below it either.
                    return await self._counts(self._held[name][0], seconds if seconds < HOLD else 0) or {}
                finally:
                    self._let_go(name)
        return {}

    def _let_go(self, name: str) -> None:
        held = self._held.pop(name, None)
        if held is not None:
            held[1].cancel()
            self._end(held[0])

    # -- tallies -------------------------------------------------------------------------------------

    def _begin(self, watched: Watched) -> Tally | None:
        """Count these publications from now on; None if there are too many."""
        size = sum(map(len, watched.values()))
        if self._size + size > MOST_WATCHED:
            return None
        self._size += size
        tally = Tally(watched)
        for channel, digests in watched.items():
            waiting = self._waiting.setdefault(channel, {})
            for digest in digests:
                waiting.setdefault(digest, deque()).append(tally)
        self._fanout.watch = self._runs
        return tally

    def _waive(self, tally: Tally, repeated: Watched) -> None:
        """Wait for these no longer: they are not published again."""
        for channel, digests in repeated.items():
            for digest in digests:
                tallies = self._waiting.get(channel, {}).get(digest)
                if tallies is not None and tally in tallies:
                    tallies.remove(tally)
                    tally.arrived(channel, 1)

    def _end(self, tally: Tally) -> None:
        """Count no more. Once for each ``_begin``."""
        self._size -= sum(map(len, tally.watched.values()))
        for channel, digests in tally.watched.items():
            waiting = self._waiting.get(channel, {})
            for digest in waiting.keys() & digests:
                waiting[digest] = deque(other for other in waiting[digest] if other is not tally)
                if not waiting[digest]:
                    del waiting[digest]
            if not waiting:
                self._waiting.pop(channel, None)
        if not self._size:
            self._fanout.watch = None

    async def _counts(self, tally: Tally, seconds: float) -> dict[str, int] | None:
        """What was counted, when all is; None if that takes longer."""
        tally.is_final = True
        for channel in [name for name in tally.awaited if name not in self._fanout.channels]:
            tally.forget(channel)
        tally.check()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await tally.settled.wait()
        return tally.counts if tally.settled.is_set() else None

    def _runs(
        self, channel: Channel, pending: list[Publication]
    ) -> Iterator[tuple[Sequence[Publication], JobMaker]]:
        """What is pending, parted where another tally begins to count."""
        waiting = self._waiting.get(channel.name)
        if waiting is None:
            yield pending, Job
            return
        for tally, group in groupby(pending, partial(_claim, waiting)):
            run = list(group)
            if tally is None:
                yield run, Job
            else:
                tally.due += len(run) * sum(map(len, channel.audiences.values()))
                yield run, partial(WatchedJob, tally)
                tally.arrived(channel.name, len(run))


def _claim(waiting: dict[str, deque[Tally]], publication: Publication) -> Tally | None:
    """Who counts a publication."""
    tallies = waiting.get(_digest(publication))
    return tallies.popleft() if tallies else None


def _digest(publication: Publication) -> str:
    return blake2b(publication.data, digest_size=8).hexdigest()


def _watched(publications: Iterable[Publication]) -> Watched:
    watched: dict[str, list[str]] = {}
    for publication in publications:
        watched.setdefault(publication.channel, []).append(_digest(publication))
    return watched


def _is_watched(watched: Any) -> TypeGuard[Watched]:
    return (
        isinstance(watched, dict)
        and bool(watched)
        and all(
            isinstance(digests, list) and digests and all(isinstance(digest, str) for digest in digests)
            for digests in watched.values()
        )
    )


def _sum(counts: Iterable[Mapping[str, Any]], missing: int) -> Receipt:
    """One receipt of what nodes told; one that told nothing is missing."""
    written = queued = skipped = answered = 0
    for told in counts:
        match told:
            case {"written": int(w), "queued": int(q), "skipped": int(s)}:
                written, queued, skipped, answered = written + w, queued + q, skipped + s, answered + 1
            case _:
                missing += 1
    return Receipt(written, queued, skipped, answered, missing)
