"""What the Redis broker does with a cluster: slots that move, primaries that die, servers of long ago."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis.crc import key_slot

from tests.support.broker_world import Collector, eventually, run
from tests.support.redis_cluster import Node, RedisCluster
from tornado_realtime.brokers.redis import RedisBroker
from tornado_realtime.brokers.redis.link import Timing
from tornado_realtime.errors import BrokerUnavailableError
from tornado_realtime.publication import Publication

BRISK = Timing(dial=0.5, ping_every=0.2, ping_patience=0.3, backoff_base=0.05, backoff_cap=0.2, stable=1.0)

MakeCluster = Callable[..., RedisCluster]


@pytest.fixture
def make_cluster(tmp_path: Path) -> Iterator[MakeCluster]:
    """Makes clusters of the test's own, started; they are stopped after it."""
    clusters: list[RedisCluster] = []

    def make(*, primaries: int = 3, replicas: int = 0, idle: int = 0, sharded: bool = True) -> RedisCluster:
        clusters.append(
            RedisCluster(tmp_path, primaries=primaries, replicas=replicas, idle=idle, sharded=sharded)
        )
        clusters[-1].start()
        return clusters[-1]

    yield make
    for cluster in clusters:
        cluster.stop()


def slot_of(channel: str) -> int:
    return int(key_slot(f"realtime:{channel}".encode()))


def channel_at(cluster: RedisCluster, node: Node) -> str:
    """A channel that ``node`` was born with."""
    names = (f"room-{number}" for number in range(1000))
    return next(name for name in names if cluster.owner(slot_of(name)) is node)


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


def test_a_slot_moves_and_its_channels_follow(make_cluster: MakeCluster) -> None:
    cluster = make_cluster()
    broker = RedisBroker(cluster.address, timing=BRISK)
    source, target, other = cluster.nodes
    moving, staying = channel_at(cluster, source), channel_at(cluster, other)

    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        broker.subscribe(moving)
        broker.subscribe(staying)
        assert await accepted(broker, moving)
        assert await accepted(broker, staying)
        await sink.wait_for(2)
        cluster.move([slot_of(moving)], source, target)
        await eventually(lambda: accepted(broker, moving, b"after"))
        await eventually(lambda: b"after" in sink.data)
        await eventually(lambda: broker.health.ready)

    run(scenario(), broker)


def test_a_slot_moves_that_nobody_listens_to(make_cluster: MakeCluster) -> None:
    cluster = make_cluster()
    broker = RedisBroker(cluster.address, timing=BRISK)
    source, target, _ = cluster.nodes
    channel = channel_at(cluster, source)

    async def scenario() -> None:
        await broker.start(Collector())
        assert await accepted(broker, channel)
        cluster.move([slot_of(channel)], source, target)
        await eventually(lambda: accepted(broker, channel))

    run(scenario(), broker)


def test_a_primary_dies_and_its_replica_takes_over(make_cluster: MakeCluster) -> None:
    cluster = make_cluster(replicas=1)
    broker = RedisBroker(cluster.address, timing=BRISK)
    dying, other = cluster.nodes[0], cluster.nodes[1]
    channels = [channel_at(cluster, dying), channel_at(cluster, other)]

    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        for channel in channels:
            broker.subscribe(channel)
            assert await accepted(broker, channel)
        dying.server.kill()
        await eventually(lambda: refused(broker, channels[0]))
        assert not broker.health.ready
        assert await accepted(broker, channels[1])
        await eventually(lambda: accepted(broker, channels[0], b"after"))
        await eventually(lambda: b"after" in sink.data)
        await eventually(lambda: broker.health.ready)

    run(scenario(), broker)


async def refused(broker: RedisBroker, channel: str) -> bool:
    return not await accepted(broker, channel)


def test_servers_without_sharded_channels(
    make_cluster: MakeCluster, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = make_cluster(sharded=False)
    broker = RedisBroker(cluster.address)
    messages = [b"%d" % number for number in range(100)]

    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        broker.subscribe("news")
        await asyncio.gather(*(broker.publish(Publication("news", message)) for message in messages))
        await sink.wait_for(100)
        assert sink.data == messages
        # As with: redis-cli PUBLISH realtime:news hi, on any node.
        for node in cluster.nodes:
            cluster.ask(node, "PUBLISH", "realtime:news", "hi")
        await sink.wait_for(103)
        assert await broker.tell(b"all") == 1

    with caplog.at_level(logging.WARNING):
        run(scenario(), broker)
    assert [record.getMessage() for record in caplog.records] == [
        f"the Redis cluster at {cluster.nodes[0].place},{cluster.nodes[1].place} knows no sharded channels, "
        f"as Redis 7 does; {cluster.nodes[0].place} carries them all"
    ]
