"""A Redis Cluster, or a primary under Sentinels: shards, and which of them carries what."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace

from tornado_realtime.brokers.redis.address import Place, RedisAddress
from tornado_realtime.brokers.redis.cluster.detour import Detour
from tornado_realtime.brokers.redis.cluster.guide import make_guide
from tornado_realtime.brokers.redis.cluster.scout import Scout
from tornado_realtime.brokers.redis.cluster.topology import SLOTS, Share, Topology, key_slot
from tornado_realtime.brokers.redis.dialect import PLAIN, SHARDED
from tornado_realtime.brokers.redis.link import Link, Timing, cancelled
from tornado_realtime.brokers.redis.names import topic_of
from tornado_realtime.brokers.redis.publisher import Parcel
from tornado_realtime.brokers.redis.shard import Ends, Shard
from tornado_realtime.brokers.redis.subscriber import Ear, Take
from tornado_realtime.errors import BrokerError, BrokerUnavailableError
from tornado_realtime.publication import Gap

logger = logging.getLogger(__name__)

# Seconds between two questions while something is wrong: at first as news spread in a cluster, then slower.
LOOK_AGAIN_FIRST = 0.03
LOOK_AGAIN_LAST = 0.5

NO_KEYS = "history, presence, and publishing under a key, need Redis 7 in a cluster"

Key = tuple[Place, bool]  # a primary, and whether its channels are sharded


class Cluster:
    """Keeps a shard for every primary that carries channels, and every channel where it belongs.

    Until it is known who serves a slot, its channels are *nowhere*: at a shard that is never dialled, so
    they are remembered, and what is published on them is refused.

    A primary under Sentinels is a cluster with one shard, which is another one after each failover.

    Args:
        address: Some of its nodes, or the Sentinels.
        own: See Subscriber.
        ends: What all connections have in common.
        timing: How patient the connections are.
    """

    def __init__(
        self,
        address: RedisAddress,
        own: Mapping[bytes, Take],
        ends: Ends,
        timing: Timing,
    ) -> None:
        self.shown = address.shown
        self._address = address
        self._ends = ends
        self._timing = timing
        self._nowhere = Shard(address, own, ends, timing)
        self._shards: dict[Key, Shard] = {}
        self._carriers = [self._nowhere] * SLOTS
        self._detour = Detour()
        self._topology = Topology()
        self._guide = make_guide(address, timing, self._lost)
        self._scout = Scout(address, self._guide, timing.dial, self._found)
        # Somebody else is asked soon, and a connection that was open at all was a good one.
        patience = replace(
            timing,
            backoff_cap=min(timing.backoff_cap, 2.0),
            stable=0.0,
            ping_every=min(timing.ping_every, self._guide.pause),
        )
        self._link = Link(self._scout, self._scout.dial, patience, self._scout)
        self._timer: asyncio.TimerHandle | None = None
        self._asking: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()  # shards that are needed no longer
        self._pause = LOOK_AGAIN_FIRST
        self._primaries: tuple[Place, ...] = ()  # the last that there were
        self._switched = 0.0
        self._settling: asyncio.TimerHandle | None = None
        self._worried = False
        self._closed = False

    def start(self) -> None:
        """Begin to ask who serves what; once is enough."""
        self._asking = self._asking or asyncio.create_task(self._link.run())

    async def tried(self) -> None:
        """Wait until the first dials worked or failed, or the cluster was closed."""
        await self._scout.tried.wait()
        for shard in list(self._shards.values()):
            await shard.tried()

    async def close(self, error: BrokerError) -> None:
        """Break all connections; what still waits to be published fails with ``error``."""
        self._closed = True
        for timer in (self._timer, self._settling):
            if timer is not None:
                timer.cancel()
        self._scout.tried.set()
        if self._asking is not None:
            await cancelled(self._asking)
        shards, self._shards = self._shards, {}
        self._carriers = [self._nowhere] * SLOTS
        await asyncio.gather(*(shard.close(error) for shard in (self._nowhere, *shards.values())))
        self._detour.fail(error)  # last, because a shard may have sent something back until it was closed
        await asyncio.gather(*self._closing)

    def shard(self, topic: bytes) -> Shard:
        """Who carries ``topic`` now."""
        return self._carriers[key_slot(topic)]

    def hand_in(self, parcel: Parcel) -> None:
        """Send ``parcel`` as soon as this node hears its topic, or fail it at once."""
        if parcel.has_keys and not self._keeps_slots:
            parcel.fail(BrokerUnavailableError(NO_KEYS))
        elif not self._detour.takes(parcel):
            self.shard(parcel.topic).hand_in(parcel)

    def question(self, parcel: Parcel) -> None:
        """See Carrier."""
        if self._keeps_slots:
            self.shard(parcel.topic).question(parcel)
        else:
            parcel.fail(BrokerUnavailableError(NO_KEYS))

    def add(self, channel: str) -> None:
        """The first local subscriber came."""
        self.shard(topic_of(channel)).add(channel)

    def remove(self, channel: str) -> None:
        """The last local subscriber left."""
        self.shard(topic_of(channel)).remove(channel)

    def follow(self, topic: bytes, ear: Ear) -> None:
        """See Carrier."""
        self.shard(topic).follow(topic, ear)

    def unfollow(self, topic: bytes) -> None:
        """See Carrier."""
        self.shard(topic).unfollow(topic)

    @property
    def trouble(self) -> str:
        """Why publications cannot be made or heard now, for an operator; empty if they can.

        It names no address, because ``/ready`` tells it to everybody; the log does.
        """
        if not self._shards:
            return self._guide.unknown
        if unserved := self._carriers.count(self._nowhere):
            return f"nobody serves {unserved} slots of the Redis cluster"
        troubles = (shard.trouble for shard in self._shards.values())
        return next(filter(None, troubles), "" if self._topology.well else self._guide.unwell)

    @property
    def probe_seconds(self) -> float:
        """What the last probe took, of the slowest of all servers."""
        return max((shard.probe_seconds for shard in self._shards.values()), default=0.0)

    @property
    def _keeps_slots(self) -> bool:
        """Whether who carries a topic is also who has the keys of its slot."""
        return self._topology.sharded or len(self._topology.primaries) <= 1

    def _lost(self) -> bool:
        return any(shard.trouble for shard in self._shards.values())

    def _worry(self) -> None:
        """Something is wrong, or moved: ask, and ask again until it is not."""
        self._worried = True
        if self._timer is None and not self._closed:
            self._look()

    def _look(self) -> None:
        self._timer = None
        if not (self._worried or self.trouble):
            self._pause = LOOK_AGAIN_FIRST
            return
        self._worried = False
        self._scout.ask()
        self._timer = asyncio.get_running_loop().call_later(self._pause, self._look)
        self._pause = min(LOOK_AGAIN_LAST, self._pause * 2)

    def _found(self, topology: Topology) -> None:
        """Let every channel be where ``topology`` says that it is served."""
        before, self._topology = self._topology, topology
        if topology.routes != before.routes or topology.sharded != before.sharded:
            self._guide.report(before, topology, self._rebuild())
            self._watch_switch()
        for shard in self._shards.values():
            shard.subscriber.retry()
        for parcel in self._detour.release(self._is_settled):
            self.shard(parcel.topic).hand_in(parcel)
        if self.trouble:
            self._worry()

    def _watch_switch(self) -> None:
        """Not all nodes go to a new primary in one moment, and the old one may work on until then."""
        last, self._primaries = self._primaries, self._topology.primaries or self._primaries
        if not self._guide.settle or last in ((), self._primaries):
            return
        loop = asyncio.get_running_loop()
        if self._settling is None:
            self._switched = loop.time()
        else:
            self._settling.cancel()
        self._settling = loop.call_later(self._guide.settle, self._mark_switch)

    def _mark_switch(self) -> None:
        self._settling = None
        since = self._switched - self._guide.settle
        shards = (self._nowhere, *self._shards.values())
        channels = tuple(channel for shard in shards for channel in shard.subscriber.channels)
        if channels:
            self._ends.missed(Gap(channels, asyncio.get_running_loop().time() - since))

    def _sent_back(self, parcel: Parcel) -> None:
        self._detour.take_back(parcel)
        for younger in self.shard(parcel.topic).subscriber.unhold(parcel.topic):
            self._detour.takes(younger)
        self._worry()

    def _is_settled(self, slot: int) -> bool:
        """Whether no publication on a channel of ``slot`` is on its way to any node."""
        return not any(shard.publisher.owes(slot) for shard in self._shards.values())

    def _rebuild(self) -> int:
        """Have a shard for every primary that is needed, and no other.

        Returns:
            How many topics moved.
        """
        topology = self._topology
        old, self._shards = self._shards, {}
        carriers = [self._nowhere] * SLOTS
        for share in topology.routes:
            key = (share.owner, topology.sharded)
            shard = self._shards.get(key) or old.pop(key, None) or self._dial(key, share)
            self._shards[key] = shard
            carriers[share.first : share.last + 1] = [shard] * (share.last + 1 - share.first)
        self._carriers = carriers
        for share in topology.routes:
            shard = carriers[share.first]
            if self.shard(shard.canary.topic) is not shard:
                shard.watch(self._probe(share))
        moved = sum(map(self._move_from, [self._nowhere, *self._shards.values(), *old.values()]))
        for shard in old.values():
            closing = asyncio.create_task(
                shard.close(BrokerUnavailableError("another Redis server has taken over"))
            )
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        return moved

    def _dial(self, key: Key, share: Share) -> Shard:
        place, sharded = key
        address, dialect = self._address.at(place), SHARDED if sharded else PLAIN
        shard = Shard(address, {}, self._ends, self._timing, dialect, self._worry, self._sent_back)
        shard.watch(self._probe(share))
        shard.start()
        return shard

    def _probe(self, share: Share) -> bytes:
        """A topic for this node's probes that ``share`` has the slot of."""
        return b"%s:{%d}" % (self._ends.probe, share.tag)

    def _move_from(self, shard: Shard) -> int:
        probe = shard.canary.topic  # it stays, or goes with its shard
        topics = [
            topic for topic in shard.subscriber.topics() if topic != probe and self.shard(topic) is not shard
        ]
        for topic in topics:
            self.shard(topic).subscriber.admit(topic, shard.subscriber.evict(topic))
        return len(topics)
