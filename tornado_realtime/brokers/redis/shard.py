"""One Redis server: connections to publish over, to listen, and to read streams where there are any."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from tornado_realtime.brokers.redis.address import RedisAddress
from tornado_realtime.brokers.redis.canary import Canary
from tornado_realtime.brokers.redis.dialect import PLAIN, Dialect
from tornado_realtime.brokers.redis.line import Command, Line
from tornado_realtime.brokers.redis.link import Link, Session, Timing, cancelled
from tornado_realtime.brokers.redis.outage import Outage
from tornado_realtime.brokers.redis.publisher import Parcel, Publisher, Reader
from tornado_realtime.brokers.redis.scripts import APPEND, ONCE, READ, WHO
from tornado_realtime.brokers.redis.subscriber import Ear, Lodger, Subscriber, Take
from tornado_realtime.errors import BrokerError, BrokerUnavailableError
from tornado_realtime.metrics import BrokerCounters
from tornado_realtime.publication import Gap


@dataclass(frozen=True, slots=True)
class Ends:
    """What a node has at its end of all its connections.

    Attributes:
        receive: Takes every message on a channel: channel, data.
        missed: Is told on which channels publications may have been missed.
        probe: Where this node's probes travel, or how the names of such topics begin.
        counters: Where to count.
        readable: Called when streams can be read again; None where there are none.
        relinked: Called when there is a new connection to publish over.
    """

    receive: Callable[[str, bytes], None]
    missed: Callable[[Gap], None]
    probe: bytes
    counters: BrokerCounters
    readable: Callable[[], None] | None = None
    relinked: Callable[[], None] = lambda: None


class Carrier(Protocol):
    """What the broker needs to know of Redis: one server, or a cluster of them."""

    shown: str

    def start(self) -> None:
        """Begin to dial; once is enough."""

    async def tried(self) -> None:
        """Wait until the first dials worked or failed."""

    async def close(self, error: BrokerError) -> None:
        """Break all connections; what still waits to be published fails with ``error``."""

    def shard(self, topic: bytes) -> Shard:
        """The server that carries ``topic`` now."""

    def hand_in(self, parcel: Parcel) -> None:
        """Send ``parcel`` as soon as this node hears its topic, or fail it at once."""

    def question(self, parcel: Parcel) -> None:
        """Ask what ``parcel`` asks, or fail it at once."""

    def add(self, channel: str) -> None:
        """The first local subscriber of ``channel`` came."""

    def remove(self, channel: str) -> None:
        """The last local subscriber of ``channel`` left."""

    def follow(self, topic: bytes, ear: Ear) -> None:
        """Listen to a stream."""

    def unfollow(self, topic: bytes) -> None:
        """Nobody listens to a stream any longer."""

    @property
    def trouble(self) -> str:
        """Why publications cannot be made or heard now, for an operator; empty if they can."""

    @property
    def probe_seconds(self) -> float:
        """What the last probe took; of several the slowest."""


class Shard:
    """Carries parcels to one server and messages from it; its connections come back by themselves.

    A parcel is refused while its way back to this node's own subscribers is broken, and waits while
    that way is being made. One for a stream only waits until it is known where the stream stands: from
    there on the node reads what it does not hear.

    Args:
        address: Where the server is.
        own: See Subscriber.
        ends: What all connections have in common.
        timing: How patient the connections are.
        dialect: How it carries messages.
        worry: Called when the server is lost, or does not serve a channel any longer.
        sent_back: See Publisher.
    """

    def __init__(
        self,
        address: RedisAddress,
        own: Mapping[bytes, Take],
        ends: Ends,
        timing: Timing,
        dialect: Dialect = PLAIN,
        worry: Callable[[], None] = lambda: None,
        sent_back: Callable[[Parcel], None] | None = None,
    ) -> None:
        self.shown = address.shown
        self._ends = ends
        self._timing = timing
        self._worry = worry
        self.publisher = Publisher(
            self._can_publish,
            lambda parcel: self.subscriber.examine(parcel),
            dialect,
            self._lost,
            sent_back,
        )
        self.subscriber = Subscriber(
            own,
            ends.receive,
            self.publisher.hand_in,
            lambda: self._ready(Subscriber.name),
            timing.linger,
            dialect,
            self._lost,
            ends.missed,
        )
        self.canary = Canary(
            self.shown,
            timing.canary,
            ends.counters,
            usable=lambda: not self._away,
            send=self.hand_in,
            proved=self.subscriber.proved,
            late=self._deaf,
        )
        self.reader = Reader(self._can_read, lambda parcel: None, dialect, self._lost, self._read_elsewhere)
        self._outage = Outage(address.shown, self.subscriber.__len__, ends.counters)
        self._links = [self._link(address, *job) for job in self._sessions()]
        self._tasks: list[asyncio.Task[None]] = []

    def _sessions(self) -> Iterator[tuple[Session, tuple[Command, ...]]]:
        """What is done over connections of its own, and what each of those begins with."""
        yield self.subscriber, ()
        if self._ends.readable is None:
            yield self.publisher, (ONCE.load,)
        else:
            yield self.publisher, (WHO, ONCE.load, APPEND.load)
            yield self.reader, (WHO, READ.load)

    def start(self) -> None:
        """Begin to dial; once is enough."""
        if self._tasks:
            return
        if not self.canary.topic:
            self.watch(self._ends.probe)
        jobs = [link.run() for link in self._links]
        self._tasks = [asyncio.create_task(job) for job in (*jobs, self.canary.run())]

    def watch(self, topic: bytes) -> None:
        """Let probes travel on ``topic`` from now on."""
        if self.canary.topic:
            self.subscriber.evict(self.canary.topic)
        self.canary.topic = topic
        self.canary.lost()
        self.subscriber.admit(topic, Lodger(self.canary.take, []))

    async def tried(self) -> None:
        """Wait until the first dials worked or failed, or the shard was closed."""
        for link in self._links:
            await link.tried.wait()

    async def close(self, error: BrokerError) -> None:
        """Break all connections; what still waits to be published or asked fails with ``error``."""
        tasks, self._tasks = self._tasks, []
        self.publisher.end(error)
        self.reader.end(error)
        self.subscriber.end(error)
        for link in self._links:
            link.tried.set()
        await cancelled(*tasks)

    def shard(self, topic: bytes) -> Shard:
        """Who carries ``topic``: this one, where there is no other."""
        return self

    def add(self, channel: str) -> None:
        """The first local subscriber came."""
        self.subscriber.add(channel)

    def remove(self, channel: str) -> None:
        """The last local subscriber left."""
        self.subscriber.remove(channel)

    def follow(self, topic: bytes, ear: Ear) -> None:
        """See Carrier."""
        self.subscriber.follow(topic, ear)

    def unfollow(self, topic: bytes) -> None:
        """See Carrier."""
        self.subscriber.unfollow(topic)

    def question(self, parcel: Parcel) -> None:
        """See Carrier: what is read is what this server has, whether this node hears it or not."""
        self.reader.hand_in(parcel)

    def hand_in(self, parcel: Parcel) -> None:
        """Send ``parcel``, now or when this node hears its topic; or fail it at once."""
        if not self.publisher.online:
            parcel.fail(BrokerUnavailableError("Redis is away"))
        elif self.subscriber.hears(parcel.topic):
            self.publisher.hand_in(parcel)
        else:
            self.subscriber.hold(parcel)

    @property
    def trouble(self) -> str:
        """Why publications cannot be made or heard now, for an operator; empty if they can.

        It names no address, because ``/ready`` tells it to everybody; the log does.
        """
        return self._away or self.canary.trouble

    @property
    def probe_seconds(self) -> float:
        """What the last probe took."""
        return self.canary.seconds

    @property
    def _away(self) -> str:
        if not self.publisher.online or not (self.reader.online or self._ends.readable is None):
            return "Redis is away"
        if not self.subscriber.caught_up:
            return "not every channel is subscribed at Redis"
        return ""

    def _link(self, address: RedisAddress, session: Session, prelude: tuple[Command, ...]) -> Link:
        def dial() -> Line:
            return Line(address, self._timing.dial, prelude)

        return Link(session, dial, self._timing, self._outage, self._found)

    def _can_publish(self) -> None:
        self._ready(Publisher.name)
        self._ends.relinked()

    def _can_read(self) -> None:
        self._ready(Reader.name)
        if self._ends.readable is not None:
            self._ends.readable()

    def _read_elsewhere(self, parcel: Parcel) -> None:
        parcel.refuse(BrokerUnavailableError("another node of the cluster serves it now"))
        self._worry()

    def _ready(self, link: str) -> None:
        self._outage.ended(link)
        self.canary.wake()

    def _lost(self) -> None:
        self.canary.lost()
        self._worry()

    def _deaf(self, published: bool) -> None:
        """A probe did not come back: listen over a new connection, and publish, if Redis did not take it."""
        self.subscriber.give_up(BrokerUnavailableError("a probe did not come back"))
        if not published:
            self.publisher.doubt(self._timing.canary)

    def retry_after(self) -> float:
        """Seconds until all connections will have been dialled again; 0 if they are there."""
        now = asyncio.get_running_loop().time()
        return max(link.wait_until_dial(now) for link in self._links)

    def _found(self) -> None:
        for link in self._links:
            link.hurry()
