"""What the Redis broker does with a cluster: slots that move, primaries that die, servers of long ago."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count, islice
from pathlib import Path

import pytest
from redis.crc import key_slot

from tests.support.broker_world import Collector, eventually, run
from tests.support.redis_cluster import Node, RedisCluster
from tests.support.redis_server import RedisServer, free_port
from tornado_realtime.brokers.redis import RedisBroker
from tornado_realtime.brokers.redis.cluster import Cluster
from tornado_realtime.brokers.redis.link import Timing
from tornado_realtime.brokers.redis.names import topic_of
from tornado_realtime.errors import BrokerUnavailableError
from tornado_realtime.publication import Publication

BRISK = Timing(dial=0.5, ping_every=0.2, ping_patience=0.3, backoff_base=0.05, backoff_cap=0.2, stable=1.0)

MakeCluster = Callable[..., RedisCluster]


@pytest.fixture
def make_cluster(tmp_path: Path) -> Iterator[MakeCluster]:
    """Makes clusters of the test's own, started; they are stopped after it."""
    clusters: list[RedisCluster] = []

    def make(
        *, replicas: int = 0, idle: int = 0, sharded: bool = True, password: str = "", start: bool = True
    ) -> RedisCluster:
        cluster = RedisCluster(tmp_path, replicas=replicas, idle=idle, sharded=sharded, password=password)
        clusters.append(cluster)
        if start:
            cluster.start()
        return cluster

    yield make
    for cluster in clusters:
        cluster.stop()


def slot_of(channel: str) -> int:
    return key_slot(topic_of(channel))


def channel_at(cluster: RedisCluster, node: Node, number: int = 0) -> str:
    """A channel that ``node`` was born with; another number, another slot."""
    names = (f"room-{number}" for number in count())
    return next(islice((name for name in names if cluster.owner(slot_of(name)) is node), number, None))


@contextmanager
def moved(cluster: RedisCluster, channel: str, source: Node, target: Node) -> Iterator[None]:
    """Within, the slot of ``channel`` is at ``target``."""
    cluster.move([slot_of(channel)], source, target)
    try:
        yield
    finally:
        cluster.move([slot_of(channel)], target, source)


def hears_at(broker: RedisBroker, channel: str, node: Node) -> bool:
    """Whether ``broker`` is subscribed to ``channel`` at ``node``."""
    shard = broker._carrier.shard(topic_of(channel))
    return broker.health.ready and shard.shown == node.place and shard.subscriber.hears(topic_of(channel))


async def accepted(broker: RedisBroker, channel: str, data: bytes = b"probe") -> bool:
    try:
        await broker.publish(Publication(channel, data))
    except BrokerUnavailableError:
        return False
    return True


def test_spublish_of_others_arrives(shared_cluster: RedisCluster) -> None:
    """As with: redis-cli -c SPUBLISH realtime:news hi."""
    broker = RedisBroker(shared_cluster.address)
    node = shared_cluster.owner(slot_of("news"))

    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        broker.subscribe("news")
        await eventually(lambda: shared_cluster.ask(node, "SPUBLISH", "realtime:news", "hi") == b":1\r\n")
        assert await sink.wait_for(1) == [Publication("news", b"hi")]

    run(scenario(), broker)


def test_nodes_hear_and_count_one_another(shared_cluster: RedisCluster) -> None:
    nodes = [RedisBroker(shared_cluster.address) for _ in range(3)]
    sinks = [Collector() for _ in nodes]

    async def scenario() -> None:
        for node, sink in zip(nodes, sinks, strict=True):
            await node.start(sink)
            await eventually(lambda node=node: node.health.ready)
        assert await nodes[0].tell(b"all") == 3
        assert await nodes[0].tell(b"one", nodes[1].node_id) == 1
        await eventually(
            lambda: [sorted(sink.notes) for sink in sinks] == [[b"all"], [b"all", b"one"], [b"all"]]
        )

    run(scenario(), *nodes)


def test_a_slot_moves_and_its_channels_follow(shared_cluster: RedisCluster) -> None:
    """Its channels alone may have missed something; the others of the same node heard everything."""
    broker = RedisBroker(shared_cluster.address)
    source, target, _ = shared_cluster.nodes
    moving, staying = (channel_at(shared_cluster, source, number) for number in range(2))

    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        broker.subscribe(moving)
        broker.subscribe(staying)
        assert await accepted(broker, moving)
        assert await accepted(broker, staying)
        await sink.wait_for(2)
        with moved(shared_cluster, moving, source, target):
            await eventually(lambda: hears_at(broker, moving, target))
            await broker.publish(Publication(moving, b"after"))
            await sink.wait_for(3)
            assert [gap.channels for gap in sink.gaps] == [(moving,)]
        await eventually(lambda: hears_at(broker, moving, source))
        await broker.publish(Publication(moving, b"back"))
        await sink.wait_for(4)
        assert [gap.channels for gap in sink.gaps] == [(moving,)] * 2

    run(scenario(), broker)


def test_a_probe_proves_every_primary(shared_cluster: RedisCluster) -> None:
    """One shard that hears nothing is enough to make the node unready; the others keep their connections."""
    broker = RedisBroker(shared_cluster.address, timing=replace(BRISK, canary=0.2))

    async def scenario() -> None:
        await broker.start(Collector())
        await eventually(lambda: broker.health.ready)
        for number, node in enumerate(shared_cluster.nodes, 1):
            shard = broker._carrier.shard(topic_of(channel_at(shared_cluster, node)))
            take = shard.canary.take
            shard.subscriber._own[shard.canary.topic] = lambda data: None
            await eventually(lambda: "a probe did not come back" in broker.health.reason)
            assert broker.counters.probes_late >= number
            shard.subscriber._own[shard.canary.topic] = take
            await eventually(lambda: broker.health.ready)

    run(scenario(), broker)


def test_a_probe_leaves_a_slot_that_moves(shared_cluster: RedisCluster) -> None:
    broker = RedisBroker(shared_cluster.address, timing=replace(BRISK, canary=0.2))
    source, target, _ = shared_cluster.nodes

    async def scenario() -> None:
        await broker.start(Collector())
        await eventually(lambda: broker.health.ready)
        shard = broker._carrier.shard(topic_of(channel_at(shared_cluster, source)))
        probe = shard.canary.topic
        shared_cluster.move([key_slot(probe)], source, target)
        try:
            await eventually(lambda: shard.canary.topic != probe)
            await eventually(lambda: broker.health.ready)
        finally:
            shared_cluster.move([key_slot(probe)], target, source)
        assert broker.counters.probes_late == 0

    run(scenario(), broker)


def test_a_slot_moves_that_nobody_listens_to(shared_cluster: RedisCluster) -> None:
    """What its old node refused is sent on to the new one: the publisher does not notice."""
    broker = RedisBroker(shared_cluster.address)
    source, target, _ = shared_cluster.nodes
    channel = channel_at(shared_cluster, source)

    async def scenario() -> None:
        await broker.start(Collector())
        await broker.publish(Publication(channel, b"before"))
        with moved(shared_cluster, channel, source, target):
            await broker.publish(Publication(channel, b"after"))

    run(scenario(), broker)


def test_a_slot_moves_under_full_publishing(shared_cluster: RedisCluster) -> None:
    """Everything is taken, nothing comes twice or out of order, however often the slot moves."""
    nodes = [RedisBroker(shared_cluster.address) for _ in range(2)]
    sinks = [Collector() for _ in nodes]
    source, target, _ = shared_cluster.nodes
    channel = channel_at(shared_cluster, source)

    async def publish(number: int) -> None:
        for first in range(0, 3000, 30):
            messages = [b"%d:%d" % (number, n) for n in range(first, first + 30)]
            await asyncio.gather(*(nodes[number].publish(Publication(channel, data)) for data in messages))

    async def scenario() -> None:
        for node, sink in zip(nodes, sinks, strict=True):
            await node.start(sink)
            node.subscribe(channel)
        publishing = [asyncio.create_task(publish(number)) for number in range(2)]
        for _ in range(3):
            with moved(shared_cluster, channel, source, target):
                await eventually(lambda: all(hears_at(node, channel, target) for node in nodes))
            await eventually(lambda: all(hears_at(node, channel, source) for node in nodes))
        await asyncio.gather(*publishing)
        for node in nodes:
            await node.publish(Publication(channel, b"0:9999"))
        for sink in sinks:
            await eventually(lambda sink=sink: sink.data.count(b"0:9999") == 2)

    run(scenario(), *nodes)
    for sink in sinks:
        for number in range(2):
            own = [int(data.split(b":")[1]) for data in sink.data if data.startswith(b"%d:" % number)]
            own = [each for each in own if each != 9999]
            assert own == sorted(set(own))


def test_a_replica_takes_over_on_purpose_from_the_dead_and_from_the_frozen(make_cluster: MakeCluster) -> None:
    cluster = make_cluster(replicas=1)
    broker = RedisBroker(cluster.address, timing=BRISK)
    first, other, second = cluster.nodes[0], cluster.nodes[1], cluster.nodes[3]
    channels = [channel_at(cluster, first), channel_at(cluster, other)]

    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        for channel in channels:
            broker.subscribe(channel)
            assert await accepted(broker, channel)
        await eventually(lambda: cluster.in_step(second))
        cluster.ask(second, "CLUSTER", "FAILOVER")
        await eventually(lambda: hears_at(broker, channels[0], second))
        assert await accepted(broker, channels[0], b"on purpose")
        await eventually(lambda: b"on purpose" in sink.data)
        await eventually(lambda: cluster.in_step(first))
        second.server.kill()
        await eventually(lambda: refused(broker, channels[0]))
        assert not broker.health.ready
        assert await accepted(broker, channels[1])
        await eventually(lambda: hears_at(broker, channels[0], first))
        assert [gap.channels for gap in sink.gaps] == [(channels[0],)] * 2
        assert await accepted(broker, channels[0], b"after death")
        await eventually(lambda: b"after death" in sink.data)
        second.server.start()
        await eventually(lambda: cluster.in_step(second))
        first.server.pause()
        await eventually(lambda: hears_at(broker, channels[0], second))
        first.server.resume()
        assert await accepted(broker, channels[0], b"after frost")
        await eventually(lambda: b"after frost" in sink.data)
        await eventually(lambda: cluster.in_step(first))
        assert hears_at(broker, channels[0], second)

    run(scenario(), broker)


def test_a_primary_without_a_replica_dies_and_comes_back(make_cluster: MakeCluster) -> None:
    """The others go on; what belongs to it is refused at once, and heard again when it is back."""
    cluster = make_cluster()
    broker = RedisBroker(cluster.address, timing=BRISK)
    dying, other = cluster.nodes[0], cluster.nodes[1]
    lost, kept = channel_at(cluster, dying), channel_at(cluster, other)

    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        for channel in (lost, kept):
            broker.subscribe(channel)
            assert await accepted(broker, channel)
        dying.server.kill()
        await eventually(lambda: refused(broker, lost))
        await eventually(lambda: cluster.is_down(other))
        for number in range(20):
            began = time.monotonic()
            assert await refused(broker, lost)
            assert time.monotonic() - began < 0.2
            await broker.publish(Publication(kept, b"meanwhile %d" % number))
        await eventually(lambda: b"meanwhile 19" in sink.data)
        assert not broker.health.ready
        # With this, what is left of a cluster takes nothing. It is no reason to wait for anything.
        cluster.ask(other, "CONFIG", "SET", "cluster-allow-pubsubshard-when-down", "no")
        with pytest.raises(BrokerUnavailableError, match="The cluster is down") as caught:
            await broker.publish(Publication(kept, b"x"))
        assert caught.value.outcome == "rejected"
        cluster.ask(other, "CONFIG", "SET", "cluster-allow-pubsubshard-when-down", "yes")
        await broker.publish(Publication(kept, b"taken again"))
        dying.server.start()
        await eventually(lambda: hears_at(broker, lost, dying))
        await broker.publish(Publication(lost, b"after"))
        await eventually(lambda: b"after" in sink.data)

    run(scenario(), broker)


def test_a_node_is_added_and_removed(make_cluster: MakeCluster) -> None:
    cluster = make_cluster(idle=1)
    broker = RedisBroker(cluster.address, timing=BRISK)
    old, new = cluster.nodes[0], cluster.nodes[3]
    channel = channel_at(cluster, old)

    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        broker.subscribe(channel)
        with moved(cluster, channel, old, new):
            await eventually(lambda: hears_at(broker, channel, new))
            await broker.publish(Publication(channel, b"at the new one"))
            await sink.wait_for(1)
            assert clients_of(cluster, new) == 2
        await eventually(lambda: hears_at(broker, channel, old))
        await broker.publish(Publication(channel, b"at the old one"))
        await sink.wait_for(2)
        await eventually(lambda: clients_of(cluster, new) == 0)

    run(scenario(), broker)


def clients_of(cluster: RedisCluster, node: Node) -> int:
    """How many connections there are to ``node``, but for the one that asks."""
    return cluster.ask(node, "CLIENT", "LIST", "TYPE", "NORMAL").count(b"cmd=spublish") + cluster.ask(
        node, "CLIENT", "LIST", "TYPE", "PUBSUB"
    ).count(b"id=")


def test_started_before_the_cluster(make_cluster: MakeCluster, caplog: pytest.LogCaptureFixture) -> None:
    cluster = make_cluster(start=False, password="right-word")
    broker = RedisBroker(cluster.address.replace("right-word", "wrong-word"), timing=BRISK)

    async def scenario() -> None:
        sink = Collector()
        broker.subscribe("news")
        await broker.start(sink)
        assert not broker.health.ready
        assert await refused(broker, "news")
        await asyncio.to_thread(cluster.start)
        assert await refused(broker, "news")
        for node in cluster.nodes:
            cluster.ask(node, "CONFIG", "SET", "requirepass", "wrong-word")
        await eventually(lambda: accepted(broker, "news", b"hello"))
        await sink.wait_for(1)

    with caplog.at_level(logging.WARNING):
        run(scenario(), broker)
    assert len(caplog.records) == 1
    assert "says who serves what" in caplog.text
    assert "-word" not in caplog.text


def test_a_seed_that_is_gone_is_passed_over(shared_cluster: RedisCluster) -> None:
    broker = RedisBroker(f"redis-cluster://127.0.0.1:{free_port()},{shared_cluster.nodes[2].place}")

    async def scenario() -> None:
        await broker.start(Collector())
        await eventually(lambda: accepted(broker, "news"))

    run(scenario(), broker)


def test_a_part_that_is_cut_off_is_not_ready_though_it_answers(shared_cluster: RedisCluster) -> None:
    broker = RedisBroker(shared_cluster.address, timing=BRISK)

    async def scenario() -> None:
        await broker.start(Collector())
        await eventually(lambda: broker.health.ready)
        cluster = broker._carrier
        assert isinstance(cluster, Cluster)
        cluster._found(replace(cluster._topology, well=False))
        assert broker.health.reason == "the Redis cluster says that it is down"
        await eventually(lambda: broker.health.ready)

    run(scenario(), broker)


def test_closing_at_any_moment_of_the_start_leaves_nothing(shared_cluster: RedisCluster) -> None:
    async def scenario() -> None:
        for turns in range(1, 120, 6):
            broker = RedisBroker(shared_cluster.address)
            broker.subscribe("news")
            starting = asyncio.create_task(broker.start(Collector()))
            for _ in range(turns):
                await asyncio.sleep(0)
            began = time.monotonic()
            await broker.close()
            await starting
            assert time.monotonic() - began < 1.0
            assert asyncio.all_tasks() == {asyncio.current_task()}

    run(scenario())


def test_a_server_that_is_in_no_cluster(shared_redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    broker = RedisBroker(f"redis-cluster://127.0.0.1:{shared_redis.port}")

    async def scenario() -> None:
        await broker.start(Collector())
        assert await refused(broker, "news")
        assert "not known who serves what" in broker.health.reason

    run(scenario(), broker)
    assert "cluster support disabled" in caplog.text


async def refused(broker: RedisBroker, channel: str) -> bool:
    return not await accepted(broker, channel)


def test_servers_without_sharded_channels(
    make_cluster: MakeCluster, caplog: pytest.LogCaptureFixture
) -> None:
    """All nodes of ours go to the same primary, so that there is one order, until Redis is updated."""
    cluster = make_cluster(sharded=False)
    brokers = [RedisBroker(cluster.address, timing=BRISK) for _ in range(2)]
    sinks = [Collector() for _ in brokers]
    messages = [b"%d" % number for number in range(100)]

    async def scenario() -> None:
        for broker, sink in zip(brokers, sinks, strict=True):
            await broker.start(sink)
            broker.subscribe("news")
            await broker.publish(Publication("warm", b"up"))
            await eventually(lambda broker=broker: broker.health.ready and hears(broker, "news"))
        await asyncio.gather(
            *(brokers[n % 2].publish(Publication("news", message)) for n, message in enumerate(messages))
        )
        await asyncio.gather(*(sink.wait_for(100) for sink in sinks))
        assert sinks[0].data == sinks[1].data
        # As with: redis-cli PUBLISH realtime:news hi, on any node.
        for node in cluster.nodes:
            cluster.ask(node, "PUBLISH", "realtime:news", "hi")
        await asyncio.gather(*(sink.wait_for(103) for sink in sinks))
        assert await brokers[0].tell(b"all") == 2
        with pytest.raises(BrokerUnavailableError, match="Redis 7") as refused:  # another node has its key
            await brokers[0].publish(Publication("news", b"once"), "a:k")
        assert refused.value.outcome == "rejected"

        await asyncio.to_thread(cluster.update)
        await eventually(lambda: all(broker.health.ready for broker in brokers))
        node = cluster.owner(slot_of("news"))
        await eventually(lambda: cluster.ask(node, "SPUBLISH", "realtime:news", "updated") == b":2\r\n")
        await asyncio.gather(*(sink.wait_for(104) for sink in sinks))
        assert not (await brokers[0].publish(Publication("news", b"once"), "a:k")).repeated
        assert (await brokers[1].publish(Publication("news", b"once"), "a:k")).repeated
        await asyncio.gather(*(sink.wait_for(105) for sink in sinks))

    with caplog.at_level(logging.INFO):
        run(scenario(), *brokers)
    seeds = f"{cluster.nodes[0].place},{cluster.nodes[1].place}"
    told = [text for text in caplog.messages if text.startswith("the Redis cluster at")]
    old = f"knows no sharded channels, as Redis 7 does; {cluster.nodes[0].place} carries them all"
    new = "shares the channels among " + ", ".join(node.place for node in cluster.nodes)
    assert told == [f"the Redis cluster at {seeds} {words}" for words in (old, old, new, new)]


def hears(broker: RedisBroker, channel: str) -> bool:
    """Whether ``broker`` is subscribed to ``channel``."""
    return broker._carrier.shard(topic_of(channel)).subscriber.hears(topic_of(channel))
