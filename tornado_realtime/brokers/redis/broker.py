"""Redis publish/subscribe behind the broker contract."""

from __future__ import annotations

import asyncio
import logging

from tornado_realtime.brokers.base import Broker, Health, Sink
from tornado_realtime.brokers.redis.address import parse_address
from tornado_realtime.brokers.redis.cluster import Cluster
from tornado_realtime.brokers.redis.link import Timing
from tornado_realtime.brokers.redis.publisher import Parcel
from tornado_realtime.brokers.redis.shard import Carrier, Ends, Shard
from tornado_realtime.brokers.redis.signed import pack, unpack
from tornado_realtime.brokers.redis.subscriber import topic_of
from tornado_realtime.brokers.sinks import deliver, missed, told
from tornado_realtime.errors import BrokerClosedError, BrokerUnavailableError
from tornado_realtime.publication import PLAIN, Gap, Publication, Taken
from tornado_realtime.traits import NO_TRAITS, TraitsTable

logger = logging.getLogger(__name__)

# Where nodes talk to one another: outside realtime:*, which older servers subscribe to as a whole.
NODES_TOPIC = b"realtime2:nodes"
NODE_PREFIX = b"realtime2:node:"
PROBE_PREFIX = b"realtime2:probe:"


class RedisBroker(Broker):
    """Carries publications between all nodes on one Redis, at most once, without history.

    The wire is that of the older server: ``PUBLISH realtime:CHANNEL MESSAGE``, the message as it is.
    What nodes tell one another travels on ``realtime2:nodes`` and ``realtime2:node:NODE_ID``, and what a
    node sends to find out whether it is deaf on ``realtime2:probe:NODE_ID``.
    There are two connections, one to publish and one to listen; each comes back by itself.

    A publication is refused while its way back to this node's own subscribers is broken, and waits
    while that way is being made: so one that was made after ``subscribe`` reaches them.

    Args:
        address: As ``redis_address``; see ``parse_address``.
        publish_timeout: Seconds that ``publish`` waits at most.
        timing: How patient the connections are.
        traits: What is kept of which channel.

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
    ) -> None:
        super().__init__(traits)
        self._publish_timeout = publish_timeout
        self._sink: Sink | None = None
        self._closed = False
        name = self.node_id.encode()
        own = {NODE_PREFIX + name: self._told, NODES_TOPIC: self._told}
        ends = Ends(self._receive, self._missed, PROBE_PREFIX + name, self.counters)
        found = parse_address(address)
        found.check_files()
        make = Shard if found.scheme.form == "server" else Cluster
        self._carrier: Carrier = make(found, own, ends, timing or Timing())

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
        """Break both connections; what still waits to be published fails with BrokerClosedError."""
        self._closed = True
        self._sink = None
        await self._carrier.close(BrokerClosedError("the Redis broker was closed"))

    async def publish(self, publication: Publication, key: str = "") -> Taken:
        """Hand one publication to Redis and wait until it took it.

        Raises:
            BrokerUnavailableError: Redis is away (known at once), refused it, or did not answer within
                ``publish_timeout``. Where it was sent and no answer came, its outcome is unknown.
            BrokerClosedError: Before ``start``, or after ``close``.
        """
        try:
            await self._send(topic_of(publication.channel), pack(publication))
        except BrokerUnavailableError as error:
            if error.outcome == "unknown":
                self.counters.publications_unknown += 1
            else:
                self.counters.publications_rejected += 1
            raise
        return PLAIN

    async def tell(self, message: bytes, to: str = "") -> int:
        """Hand one node message to Redis, and wait until it took it; see ``publish`` for what it raises."""
        return await self._send(NODE_PREFIX + to.encode() if to else NODES_TOPIC, message)

    @property
    def health(self) -> Health:
        """Ready while both connections are there, every channel is subscribed, and probes come back."""
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
        if not self._closed:
            self._carrier.add(channel)

    def unsubscribe(self, channel: str) -> None:
        """Deliver ``channel`` no longer; Redis is told a little later, if nobody came back."""
        if not self._closed:
            self._carrier.remove(channel)

    async def _send(self, topic: bytes, data: bytes) -> int:
        if self._sink is None:
            raise BrokerClosedError("the Redis broker is closed or not started")
        taken: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        parcel = Parcel(topic, data, taken, self._carrier.shard(topic).subscriber.wants(topic))
        self._carrier.hand_in(parcel)
        try:
            return await self._outcome(parcel)
        except BrokerUnavailableError as error:
            error.retry_after = max(1.0, self._carrier.shard(topic).retry_after())
            raise
        finally:
            parcel.withdraw()

    async def _outcome(self, parcel: Parcel) -> int:
        # Two waits: after this process was itself stopped for a while, the first is over at once,
        # before the answer that lies in the socket could be read.
        for _ in range(2):
            await asyncio.wait([parcel.taken], timeout=self._publish_timeout / 2)
            if parcel.taken.done():
                return parcel.taken.result()
        wait = f"no answer from Redis within {self._publish_timeout:g} s"
        if not parcel.sent:  # and it never will be: it is withdrawn
            raise BrokerUnavailableError(f"{wait}; nothing was sent")
        self._carrier.shard(parcel.topic).publisher.doubt(self._publish_timeout)
        raise BrokerUnavailableError(f"{wait}; it may still be delivered", outcome="unknown")

    def _told(self, message: bytes) -> None:
        if self._sink is not None:
            told(self._sink, message)

    def _missed(self, gap: Gap) -> None:
        if self._sink is not None:
            missed(self._sink, gap)

    def _receive(self, channel: str, data: bytes) -> None:
        if self._sink is None:
            return
        if _is_text(data):
            deliver(self._sink, unpack(channel, data))
            return
        self.counters.publications_unreadable += 1
        level = logging.WARNING if self.counters.publications_unreadable == 1 else logging.DEBUG
        logger.log(level, "dropped a message that is empty or not UTF-8, from Redis on channel %r", channel)


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return bool(data)
