"""Redis publish/subscribe behind the broker contract."""

from __future__ import annotations

import asyncio
import logging

from tornado_realtime.brokers.base import Broker, Health, Sink
from tornado_realtime.brokers.redis import asks
from tornado_realtime.brokers.redis.address import parse_address
from tornado_realtime.brokers.redis.asks import parse_taken
from tornado_realtime.brokers.redis.cluster import Cluster
from tornado_realtime.brokers.redis.link import Timing
from tornado_realtime.brokers.redis.names import (
    NODE_PREFIX,
    NODES_TOPIC,
    PROBE_PREFIX,
    stream_topic,
    topic_of,
)
from tornado_realtime.brokers.redis.presence import RedisPresence
from tornado_realtime.brokers.redis.publisher import Ask, Parcel, answered, plainly
from tornado_realtime.brokers.redis.shard import Carrier, Ends, Shard
from tornado_realtime.brokers.redis.signed import is_text, pack, unpack
from tornado_realtime.brokers.redis.streams import Streams
from tornado_realtime.brokers.sinks import deliver, missed, told
from tornado_realtime.errors import BrokerClosedError, BrokerUnavailableError
from tornado_realtime.publication import PLAIN, Gap, History, Last, Position, Publication, Taken
from tornado_realtime.traits import NO_TRAITS, TraitsTable

logger = logging.getLogger(__name__)


class RedisBroker(Broker):
    """Carries publications between all nodes on one Redis.

    The wire of plain channels is that of the older server: ``PUBLISH realtime:CHANNEL MESSAGE``, the message
    as it is. What is published on a stream is appended to it and published on ``realtime2:{=CHANNEL}`` by a
    script, in one step; what others publish on ``realtime:CHANNEL`` comes live, without a position.
    What nodes tell one another travels on ``realtime2:nodes`` and ``realtime2:node:NODE_ID``, and what a
    node sends to find out whether it is deaf on ``realtime2:probe:NODE_ID``.
    There is a connection to publish, one to listen, and one to read where there are streams; each comes back
    by itself.

    A publication is refused while its way back to this node's own subscribers is broken, and waits
    while that way is being made: so one that was made after ``subscribe`` reaches them. On a stream it is
    read where it was not heard, so there it waits for the first subscription only.

    Args:
        address: As ``redis_address``; see ``parse_address``.
        publish_timeout: Seconds that ``publish`` waits at most.
        timing: How patient the connections are.
        traits: What is kept of which channel.
        interop: Whether publications on streams are published on ``realtime:CHANNEL``, too.
        replicas: How many replicas must have a publication on a stream before it is taken, so that what was
            taken outlives the primary; 0 says that the server itself loses nothing in a restart. None: what
            was taken may be lost in a restart or a failover, and a new epoch begins that leads nowhere back.
        presence_lease: Seconds after which a node that does not say that it lives is dead.
        answer_bytes: Of messages, after which ``history`` reads no more of them.

    Raises:
        ConfigError: ``address`` cannot be read, or names a file that is not there; without a place,
            which the caller knows.
    """

    def __init__(
        self,
        address: str = "",
        *,
        publish_timeout: float = 2.0,
        timing: Timing | None = None,
        traits: TraitsTable = NO_TRAITS,
        interop: bool = False,
        replicas: int | None = None,
        answer_bytes: int = 1024 * 1024,
        presence_lease: float = 10.0,
    ) -> None:
        super().__init__(traits)
        self._publish_timeout = publish_timeout
        self._interop = interop
        self._replicas = replicas or 0
        self._sink: Sink | None = None
        self._closed = False
        name = self.node_id.encode()
        own = {NODE_PREFIX + name: self._told, NODES_TOPIC: self._told}
        readable = self._readable if traits.keeps_history else None
        ends = Ends(
            self._receive,
            self._missed,
            PROBE_PREFIX + name,
            self.counters,
            readable,
            self._relinked,
        )
        found = parse_address(address)
        found.check_files()
        make = Shard if found.scheme.form == "server" else Cluster
        self._carrier: Carrier = make(found, own, ends, timing or Timing())
        self._streams = Streams(
            self._carrier,
            self._deliver,
            self._lost,
            self._unreadable,
            self.counters,
            patience=publish_timeout,
            answer_bytes=answer_bytes,
            lasting=replicas is not None,
        )
        self._roll = RedisPresence(self.node_id, presence_lease, self._ask, self._carrier, self.counters)
        self.presence = self._roll

    async def start(self, sink: Sink) -> None:
        """Begin to deliver to ``sink``; wait for the first dial, ``publish_timeout`` at most.

        Returns also when Redis is away; then it is dialled until it comes.

        Raises:
            BrokerClosedError: The broker was closed; a broker lives once.
        """
        if self._closed:
            raise BrokerClosedError("the Redis broker is closed")
        self._sink = sink
        self._carrier.start()
        try:
            async with asyncio.timeout(self._publish_timeout):
                await self._carrier.tried()
        except TimeoutError:
            logger.warning("Redis at %s does not answer; starting without it", self._carrier.shown)

    async def close(self) -> None:
        """Break all connections; what still waits to be published fails with BrokerClosedError."""
        self._closed = True
        self._sink = None
        await self._streams.close()
        await self._carrier.close(BrokerClosedError("the Redis broker was closed"))

    async def publish(self, publication: Publication, key: str = "") -> Taken:
        """Hand one publication to Redis and wait until it took it.

        Raises:
            BrokerUnavailableError: Redis is away (known at once), refused it, or did not answer within
                ``publish_timeout``. Where it was sent and no answer came, its outcome is unknown.
            BrokerClosedError: Before ``start``, or after ``close``.
        """
        channel = publication.channel
        retention = self.traits.of(channel).retention if self.traits.keeps_history else None
        try:
            if retention is not None:
                ask = asks.append(publication, retention, key, copied=self._interop)
                reply = await self._send(stream_topic(channel), pack(publication), ask, self._replicas)
                return parse_taken(reply)
            if key:
                ask = asks.once(channel, key)
                return parse_taken(await self._send(topic_of(channel), pack(publication), ask))
            await self._send(topic_of(channel), pack(publication))
        except BrokerUnavailableError as error:
            if error.outcome == "unknown":
                self.counters.publications_unknown += 1
            else:
                self.counters.publications_rejected += 1
            raise
        return PLAIN

    def position(self, channel: str) -> Position | None:
        """See Broker."""
        return self._streams.position(channel)

    def history_now(
        self, channel: str, since: Position | Last | None, limit: int, *, reverse: bool = False
    ) -> History | None:
        """See Broker: known is only that somebody missed nothing."""
        self._check_open()
        return self._streams.history_now(channel, since, reverse=reverse)

    async def history(
        self, channel: str, since: Position | Last | None, limit: int, *, reverse: bool = False
    ) -> History:
        """See Broker. An answer is bounded in bytes, too: ``more`` says that there is more.

        Raises:
            BrokerUnavailableError: Redis is away, or did not answer within ``publish_timeout``.
            BrokerClosedError: Before ``start``, or after ``close``.
        """
        self._check_open()
        retention = self.traits.of(channel).retention
        if retention is None:
            return await super().history(channel, since, limit, reverse=reverse)
        return await self._streams.history(channel, retention, since, limit, reverse=reverse)

    async def tell(self, message: bytes, to: str = "") -> int:
        """Hand one node message to Redis, and wait until it took it; see ``publish`` for what it raises."""
        receivers = await self._send(NODE_PREFIX + to.encode() if to else NODES_TOPIC, message)
        return receivers if isinstance(receivers, int) else 0

    @property
    def health(self) -> Health:
        """Ready while all connections are there, every channel is subscribed, and probes come back."""
        if self._sink is None:
            return Health(False, "not started, or closed")
        trouble = self._carrier.trouble
        return Health(not trouble, trouble)

    @property
    def probe_seconds(self) -> float:
        """See Broker."""
        return self._carrier.probe_seconds

    def subscribe(self, channel: str) -> None:
        """Listen to ``channel``; Redis is told with the next turn of the loop."""
        if self._closed:
            return
        self._carrier.add(channel)
        if (retention := self.traits.of(channel).retention) is not None:
            self._streams.follow(channel, retention)

    def unsubscribe(self, channel: str) -> None:
        """Deliver ``channel`` no longer; Redis is told a little later, if nobody came back."""
        if not self._closed:
            self._streams.unfollow(channel)  # first: see heads
            self._carrier.remove(channel)

    async def _ask(self, topic: bytes, ask: Ask) -> object:
        return await self._send(topic, b"", ask)

    def _relinked(self) -> None:
        self._roll.relinked()

    async def _send(self, topic: bytes, data: bytes, ask: Ask = plainly, replicas: int = 0) -> object:
        self._check_open()
        taken: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        # A stream is repaired, and what has a key must not be published again: only the rest is doubted.
        awaited = ask is plainly and self._carrier.shard(topic).subscriber.wants(topic)
        parcel = Parcel(topic, data, taken, awaited, ask=ask, replicas=replicas)
        self._carrier.hand_in(parcel)
        try:
            if not await answered(parcel, self._publish_timeout):
                raise self._silence(parcel)
            return taken.result()
        except BrokerUnavailableError as error:
            error.retry_after = max(1.0, self._carrier.shard(topic).retry_after())
            raise
        finally:
            parcel.withdraw()

    def _silence(self, parcel: Parcel) -> BrokerUnavailableError:
        wait = f"no answer from Redis within {self._publish_timeout:g} s"
        if not parcel.sent:  # and it never will be: it is withdrawn
            return BrokerUnavailableError(f"{wait}; nothing was sent")
        self._carrier.shard(parcel.topic).publisher.doubt(self._publish_timeout)
        return BrokerUnavailableError(f"{wait}; it may still be delivered", outcome="unknown")

    def _check_open(self) -> None:
        if self._sink is None:
            raise BrokerClosedError("the Redis broker is closed or not started")

    def _readable(self) -> None:
        self._streams.readable()

    def _told(self, message: bytes) -> None:
        if self._sink is not None:
            told(self._sink, message)

    def _missed(self, gap: Gap) -> None:
        """A subscription was interrupted: that matters to plain channels alone."""
        if self.traits.keeps_history and gap.channels is not None:
            plain = tuple(name for name in gap.channels if self.traits.of(name).retention is None)
            gap = Gap(plain, gap.seconds)
        if gap.channels != ():
            self._lost(gap)

    def _lost(self, gap: Gap) -> None:
        if self._sink is not None:
            missed(self._sink, gap)

    def _receive(self, channel: str, data: bytes) -> None:
        """Something without a position came."""
        if self._sink is None or (self.traits.keeps_history and not self._streams.hears(channel)):
            return
        if is_text(data):
            deliver(self._sink, unpack(channel, data))
        else:
            self._unreadable(channel)

    def _deliver(self, publication: Publication) -> None:
        if self._sink is not None:
            deliver(self._sink, publication)

    def _unreadable(self, channel: str) -> None:
        self.counters.publications_unreadable += 1
        level = logging.WARNING if self.counters.publications_unreadable == 1 else logging.DEBUG
        logger.log(level, "dropped a message that is empty or not UTF-8, from Redis on channel %r", channel)
