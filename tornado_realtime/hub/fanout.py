"""From one publication to every subscriber: encode once, join what came meanwhile, write in slices.

Delivering appends to the channel's pending list and schedules one flush of the loop. The flush
seals what is pending (one encoding a wire, one run of bytes for everybody) and writes it to a
snapshot of the subscribers, a few hundred writes a turn, so that reads, accepts and pings never
wait for fifty thousand writes. What is published meanwhile becomes the next run: the batch grows
with the load, without a timer.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from tornado_realtime.metrics import Counters
from tornado_realtime.publication import Position
from tornado_realtime.traits import NO_TRAITS, Slow, TraitsTable
from tornado_realtime.wire.frames import Batch, Source

if TYPE_CHECKING:
    from tornado_realtime.connection import Connection, Limits
    from tornado_realtime.publication import Publication
    from tornado_realtime.wire.base import Wire

logger = logging.getLogger(__name__)

# Writes a turn of the loop. 256 writes take about 2 ms; see docs/design.md for what was measured.
SLICE_SIZE = 256

Audience = dict["Connection", None]
Audiences = dict["Wire", Audience]
JobMaker = Callable[["Batch", Audience], "Job"]


class Job:
    """One batch on its way to the subscribers that one wire had when it was sealed.

    Attributes:
        left: Who unsubscribed since; a new subscription does not bring this batch back.
    """

    __slots__ = ("batch", "left", "position", "subscribers")

    def __init__(self, batch: Batch, audience: Audience) -> None:
        self.batch = batch
        self.subscribers = list(audience)
        self.left: set[Connection] = set()
        self.position = 0

    def spare(self, connection: Connection) -> None:
        """Leave one out from the beginning."""
        self.left.add(connection)

    def advance(self, limit: int) -> int:
        """Offer the batch to at most ``limit`` more subscribers; how many it was.

        Who left meanwhile gets nothing; who came meanwhile is not in the snapshot.
        """
        part = self.subscribers[self.position : self.position + limit]
        self.position += len(part)
        batch, left, rest = self.batch, self.left, iter(part)
        while True:
            connection = None
            try:
                for connection in rest:
                    if connection not in left:
                        connection.offer(batch)
                return len(part)
            except Exception:
                # A bug of ours in one connection must not silence the others.
                logger.exception("a delivery failed unexpectedly; the connection is dropped")
                if connection is not None:
                    connection.abort()

    def hurry(self, connection: Connection) -> None:
        """Offer the batch to one subscriber at once, if it would be offered to it later."""
        if connection not in self.left and connection in islice(self.subscribers, self.position, None):
            self.left.add(connection)
            connection.offer(self.batch)

    @property
    def done(self) -> bool:
        """Whether everybody has been offered the batch."""
        return self.position >= len(self.subscribers)


class Channel:
    """Who listens to one name, and what is on its way to them.

    Args:
        name: Of the channel.
        slow: What becomes of a subscriber that is too slow.
    """

    __slots__ = ("audiences", "epoch", "holds", "jobs", "name", "pending", "queued", "slow")

    def __init__(self, name: str, slow: Slow = Slow.DISCONNECT) -> None:
        self.name = name
        self.slow = slow
        self.audiences: Audiences = {}
        self.pending: list[Publication] = []
        self.jobs: deque[Job] = deque()
        self.queued = False
        self.holds = 0
        self.epoch = ""

    def add(self, connection: Connection) -> None:
        """Subscribe ``connection``; twice is once."""
        audience = self.audiences.get(connection.wire)
        if audience is None:
            audience = self.audiences[connection.wire] = {}
        audience[connection] = None

    def discard(self, connection: Connection) -> None:
        """Unsubscribe ``connection``, subscribed or not; it may have been told of who comes before it was."""
        audience = self.audiences.get(connection.wire)
        if audience is not None and connection in audience:
            del audience[connection]
            if not audience:
                del self.audiences[connection.wire]
        for job in self.jobs:
            job.left.add(connection)


Watch = Callable[[Channel, "list[Publication]"], Iterable[tuple["Sequence[Publication]", JobMaker]]]


def batches(frames: Iterable[bytes], limits: Limits) -> Iterable[Batch]:
    """Join frames in order into batches that an empty outbox has room for.

    A frame longer than ``limits.outbox_bytes`` makes a batch of its own: an empty outbox takes it.
    """
    run: list[bytes] = []
    size_bytes = 0
    for frame in frames:
        if run and (len(run) >= limits.outbox_frames or size_bytes + len(frame) > limits.outbox_bytes):
            yield Batch.of(run)
            run, size_bytes = [], 0
        run.append(frame)
        size_bytes += len(frame)
    if run:
        yield Batch.of(run)


class Fanout:
    """The channels of one hub and the flush that serves them in turn.

    Args:
        limits: Bounds of one client; a batch never exceeds them.
        call_soon: Schedules a callback for the loop's next turn.
        slice_size: Writes a turn.
        counters: Where to count; its own when left out.
        traits: What kind of channels there are.

    Attributes:
        channels: Those with a subscriber, by name.
        idle: Set while nothing is on its way.
        watch: Parts what is pending into runs, each with its kind of job, while receipts are wanted.
    """

    def __init__(
        self,
        limits: Limits,
        call_soon: Callable[[Callable[[], None]], object],
        slice_size: int = SLICE_SIZE,
        counters: Counters | None = None,
        traits: TraitsTable = NO_TRAITS,
    ) -> None:
        self.channels: dict[str, Channel] = {}
        self.idle = asyncio.Event()
        self.idle.set()
        self.watch: Watch | None = None
        self._limits = limits
        self._traits = traits
        self._call_soon = call_soon
        self._slice_size = slice_size
        self._counters = counters if counters is not None else Counters()
        self._work: deque[Channel] = deque()
        self._scheduled = False

    def subscribe(self, connection: Connection, name: str) -> bool:
        """Add a subscriber.

        It gets what is delivered from now on: what was delivered before, and not flushed yet, is
        sealed for those who were there.

        Returns:
            True if it is the channel's first.
        """
        channel = self.channels.get(name)
        first = channel is None
        if channel is None:
            channel = self.channels[name] = Channel(name, self._traits.of(name).slow)
        elif channel.pending:
            self._seal(channel)
        channel.add(connection)
        return first

    def unsubscribe(self, connection: Connection, name: str) -> bool:
        """Take a subscriber out; True if the channel is empty and forgotten now."""
        channel = self.channels.get(name)
        if channel is None:
            return False
        channel.discard(connection)
        if channel.audiences or channel.holds:
            return False
        del self.channels[name]
        return True

    # -- subscribers that come in step with a stream (hub.joining) -----------------------------------

    def hold(self, name: str) -> bool:
        """Have a channel followed for somebody who is not subscribed yet; True if nobody else is here."""
        channel = self.channels.get(name)
        if channel is not None:
            channel.holds += 1
            return False
        channel = self.channels[name] = Channel(name, self._traits.of(name).slow)
        channel.holds = 1
        return True

    def release(self, name: str) -> None:
        """End one hold; ``unsubscribe`` is what forgets a channel that nobody needs any more."""
        self.channels[name].holds -= 1

    def in_epoch(self, name: str, epoch: str) -> None:
        """Somebody was told that this is the epoch of a channel that is followed."""
        channel = self.channels[name]
        if not channel.epoch:
            channel.epoch = epoch

    def has(self, connection: Connection, name: str) -> bool:
        """Whether it gets what is delivered."""
        channel = self.channels.get(name)
        return channel is not None and connection in channel.audiences.get(connection.wire, ())

    def suspend(self, connection: Connection, name: str) -> None:
        """Let a subscriber get nothing more, not even what is on its way; the channel is held."""
        self.channels[name].discard(connection)

    def hurry(self, connection: Connection, name: str) -> None:
        """Offer a subscriber at once what is on its way to it."""
        channel = self.channels[name]
        if channel.pending:
            self._seal(channel)
        for job in tuple(channel.jobs):
            job.hurry(connection)

    def encoded(
        self, name: str, wire: Wire, publications: Iterable[Publication], sparing: str = ""
    ) -> list[Batch]:
        """Publications of a channel as subscribers of one wire get them.

        Args:
            name: Of a channel that is followed.
            wire: What they speak.
            publications: In order.
            sparing: The public name of the one that gets them; empty for anybody.
        """
        channel = self.channels[name]
        # Who asks for the past wants all of it: it is not replaced by the newest, wherever live ones are.
        return list(self._batches(channel, wire, publications, sparing, latest=False))

    def deliver(self, publication: Publication) -> None:
        """Take a publication for those who are subscribed to its channel on this node."""
        channel = self.channels.get(publication.channel)
        if channel is None:
            return
        if publication.position is not None and publication.position.epoch != channel.epoch:
            self._turn(channel, publication.position)
        channel.pending.append(publication)
        if not channel.queued:
            self._queue(channel)

    def deliver_except(self, publication: Publication, connection: Connection | None) -> None:
        """The same, for all but one subscriber; None for one that is not on this node."""
        channel = self.channels.get(publication.channel)
        if connection is None or channel is None:
            self.deliver(publication)
            return
        if channel.pending:
            self._seal(channel)
        if publication.position is not None and publication.position.epoch != channel.epoch:
            self._turn(channel, publication.position)
        before = len(channel.jobs)
        channel.pending.append(publication)
        self._seal(channel)
        for job in islice(channel.jobs, before, None):
            job.spare(connection)
        self._tell_skipped(channel, publication, connection)
        if channel.jobs and not channel.queued:
            self._queue(channel)

    def _tell_skipped(self, channel: Channel, publication: Publication, connection: Connection) -> None:
        """Let a subscriber know, in its place, that there was something on a stream that it does not get."""
        if publication.position is not None and self.has(connection, channel.name):
            only = {connection.wire: {connection: None}}
            self.tell(channel.name, only, lambda wire: wire.skipped(publication))

    def _turn(self, channel: Channel, position: Position) -> None:
        """Tell subscribers in which epoch what comes now stands, if they know another one."""
        known, channel.epoch = channel.epoch, position.epoch
        if known:
            before = Position(position.epoch, position.offset - 1)
            self.tell(channel.name, channel.audiences, lambda wire: wire.turned(channel.name, before))

    def mark(self, name: str) -> None:
        """Tell the subscribers of ``name`` whose wire can that they may have missed publications.

        What was delivered before goes out before it, what is delivered from now on after it.
        """
        channel = self.channels.get(name)
        if channel is not None:
            self.tell(name, channel.audiences, lambda wire: wire.missed(name))

    def tell(
        self,
        name: str,
        audiences: Audiences,
        frame_for: Callable[[Wire], bytes | None],
        but: Iterable[Connection] = (),
    ) -> None:
        """Tell some subscribers of ``name`` something in its place among the publications.

        Args:
            name: The channel.
            audiences: Whom.
            frame_for: What, as a finished frame of a wire; None where it has no words for it.
            but: Those of them that do not get it.
        """
        channel = self.channels.get(name)
        if channel is None or not audiences:
            return
        self._seal(channel)
        for wire, audience in audiences.items():
            frame = frame_for(wire)
            if frame is not None:
                job = Job(Batch.of([frame], kept=True), audience)
                job.left.update(but)
                channel.jobs.append(job)
        if channel.jobs and not channel.queued:
            self._queue(channel)

    def _queue(self, channel: Channel) -> None:
        channel.queued = True
        self._work.append(channel)
        self.idle.clear()
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._call_soon(self._flush)

    def _flush(self) -> None:
        """One slice: the channels take turns, so that a crowded one does not delay the others."""
        self._scheduled = False
        left = self._slice_size
        while left > 0 and self._work:
            channel = self._work.popleft()
            left -= self._advance(channel, left)
            if channel.jobs or channel.pending:
                self._work.append(channel)
            else:
                channel.queued = False
        if self._work:
            self._schedule()
        else:
            self.idle.set()

    def _advance(self, channel: Channel, limit: int) -> int:
        if not channel.jobs:
            self._seal(channel)
        # An empty audience costs something too: never a turn without end.
        spent = 1
        if channel.jobs:
            job = channel.jobs[0]
            offered = job.advance(limit)
            self._counters.deliveries += offered * len(job.batch.ends)
            self._counters.delivered_bytes += offered * len(job.batch.data)
            spent = max(1, offered)
            if job.done:
                channel.jobs.popleft()
        return spent

    def _seal(self, channel: Channel) -> None:
        """Turn what is pending into jobs for those who are subscribed now."""
        pending, channel.pending = channel.pending, []
        if self.watch is None:
            self._seal_run(channel, pending, Job)
            return
        for run, make_job in self.watch(channel, pending):
            self._seal_run(channel, run, make_job)

    def _seal_run(self, channel: Channel, run: Sequence[Publication], make_job: JobMaker) -> None:
        for wire, audience in channel.audiences.items():
            made = self._batches(channel, wire, run, latest=channel.slow is Slow.LATEST)
            channel.jobs.extend(make_job(batch, audience) for batch in made)

    def _batches(
        self, channel: Channel, wire: Wire, run: Iterable[Publication], sparing: str = "", *, latest: bool
    ) -> Iterable[Batch]:
        if channel.slow is Slow.DISCONNECT:
            return batches(self._encode(wire, run, sparing), self._limits)
        return self._expendable(channel, wire, run, sparing, latest)

    def _expendable(
        self, channel: Channel, wire: Wire, run: Iterable[Publication], sparing: str, latest: bool
    ) -> Iterator[Batch]:
        """Batches of which slow clients lose some, and which know where each of their frames stands."""
        found = [(frame, each.position) for each in run for frame in self._encode(wire, (each,), sparing)]
        positions = (position for _, position in found)
        for batch in batches((frame for frame, _ in found), self._limits):
            places = tuple(islice(positions, len(batch.ends)))
            yield replace(batch, source=Source(channel.name, wire.lost, latest, places))

    def _encode(self, wire: Wire, publications: Iterable[Publication], sparing: str = "") -> Iterator[bytes]:
        """Frames, for everybody, or for the one client by its name that some do not go to."""
        for publication in publications:
            if sparing and publication.exclude == sparing:
                skipped = wire.skipped(publication)
                if skipped is not None:
                    yield skipped
                continue
            try:
                frame = wire.encode(publication)
            except Exception:
                # A bug of ours in one publication must not silence the channel.
                logger.exception("a publication on %r cannot be encoded", publication.channel)
                frame = None
            if frame is not None:
                yield frame
            else:
                self._count_dropped(wire, publication)

    def _count_dropped(self, wire: Wire, publication: Publication) -> None:
        """Say so at the first, the second, the fourth and so on: one bad publisher must not fill the log."""
        self._counters.publications_uncarried += 1
        dropped = self._counters.publications_uncarried
        if dropped & (dropped - 1) == 0:
            logger.warning(
                "a publication on %r was dropped: the wire %s cannot carry it (%d so far)",
                publication.channel,
                wire.name,
                dropped,
            )
