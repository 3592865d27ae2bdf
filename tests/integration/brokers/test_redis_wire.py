"""What the Redis broker says to Redis, seen by another client of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.integration.brokers.conftest import MakeServer
from tests.support.broker_world import Collector, eventually, run
from tests.support.redis_server import RedisServer
from tornado_realtime.brokers.redis import RedisBroker
from tornado_realtime.brokers.redis.link import Timing
from tornado_realtime.errors import BrokerUnavailableError
from tornado_realtime.publication import Publication


@asynccontextmanager
async def observer(address: str) -> AsyncIterator[Any]:
    client = Redis.from_url(address)
    try:
        yield client
    finally:
        await client.aclose()


def test_the_message_is_the_payload_and_the_channel_has_a_prefix(shared_redis: RedisServer) -> None:
    broker = RedisBroker(shared_redis.address)

    async def scenario() -> None:
        await broker.start(Collector())
        async with observer(shared_redis.address) as client:
            listener = client.pubsub()
            await listener.psubscribe("realtime:*")
            await listener.get_message(timeout=5)
            await broker.publish(Publication("ünï", b'{"a":1}'))
            message = await listener.get_message(timeout=5)
            assert message["channel"] == "realtime:ünï".encode()
            assert message["data"] == b'{"a":1}'
            await listener.aclose()

    run(scenario(), broker)


def test_what_nodes_say_does_not_reach_those_who_listen_to_all_channels(shared_redis: RedisServer) -> None:
    """As nodes of the seed do."""
    broker = RedisBroker(shared_redis.address, timing=Timing(canary=0.1))

    async def scenario() -> None:
        sink = Collector()
        async with observer(shared_redis.address) as client:
            listener = client.pubsub()
            await listener.psubscribe("realtime:*")
            await listener.get_message(timeout=5)
            await broker.start(sink)
            await eventually(lambda: broker.health.ready)  # so a probe went there and back
            await broker.tell(b"to all")
            await broker.tell(b"to one", broker.node_id)
            await sink.wait_for_notes(2)
            await broker.publish(Publication("news", b"a publication"))
            message = await listener.get_message(timeout=5)
            assert message["data"] == b"a publication"
            await listener.aclose()

    run(scenario(), broker)


def test_publications_of_others_arrive(shared_redis: RedisServer) -> None:
    broker = RedisBroker(shared_redis.address)

    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        broker.subscribe("news")
        async with observer(shared_redis.address) as client:
            await eventually(lambda: subscribed(client, "realtime:news"))
            await client.publish("realtime:news", "hello")
        assert await sink.wait_for(1) == [Publication("news", b"hello")]

    run(scenario(), broker)


async def subscribed(client: Any, topic: str) -> bool:
    return dict(await client.pubsub_numsub(topic)) == {topic.encode(): 1}


def test_two_nodes_hear_each_other_in_the_same_order(shared_redis: RedisServer) -> None:
    nodes = [RedisBroker(shared_redis.address) for _ in range(2)]
    sinks = [Collector() for _ in nodes]

    async def scenario() -> None:
        for node, sink in zip(nodes, sinks, strict=True):
            await node.start(sink)
            node.subscribe("news")
            await node.publish(Publication("news", b"warm up"))
        await asyncio.gather(sinks[0].wait_for(2), sinks[1].wait_for(1))
        publishing = (nodes[number % 2].publish(Publication("news", b"%d" % number)) for number in range(200))
        await asyncio.gather(*publishing)
        await asyncio.gather(sinks[0].wait_for(202), sinks[1].wait_for(201))
        assert sinks[0].data[2:] == sinks[1].data[1:]

    run(scenario(), *nodes)


def test_text_that_is_none_is_dropped_counted_and_reported_once(
    shared_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    broker = RedisBroker(shared_redis.address)

    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        broker.subscribe("news")
        async with observer(shared_redis.address) as client:
            await eventually(lambda: subscribed(client, "realtime:news"))
            for payload in (b"\xff\xfe", b"", b"\xed\xa0\x80", b"fine"):
                await client.publish("realtime:news", payload)
        assert await sink.wait_for(1) == [Publication("news", b"fine")]
        assert broker.counters.publications_unreadable == 3

    with caplog.at_level(logging.WARNING):
        run(scenario(), broker)
    assert len(caplog.records) == 1


def test_only_channels_with_local_subscribers_are_subscribed(shared_redis: RedisServer) -> None:
    broker = RedisBroker(shared_redis.address, timing=Timing(linger=0.1))

    async def scenario() -> None:
        await broker.start(Collector())
        broker.subscribe("a")
        broker.subscribe("b")
        async with observer(shared_redis.address) as client:
            await eventually(lambda: channels_are(client, {b"realtime:a", b"realtime:b"}))
            broker.unsubscribe("a")
            await eventually(lambda: channels_are(client, {b"realtime:b"}))
            broker.subscribe("a")
            await eventually(lambda: channels_are(client, {b"realtime:a", b"realtime:b"}))

    run(scenario(), broker)


async def channels_are(client: Any, expected: set[bytes]) -> bool:
    return set(await client.pubsub_channels("realtime:*")) == expected


def test_a_reload_costs_redis_nothing(shared_redis: RedisServer) -> None:
    broker = RedisBroker(shared_redis.address)

    async def scenario() -> None:
        await broker.start(Collector())
        broker.subscribe("news")
        await broker.publish(Publication("news", b"confirmed"))
        async with observer(shared_redis.address) as client:
            before = await calls(client)
            for _ in range(10):
                broker.unsubscribe("news")
                await asyncio.sleep(0.005)
                broker.subscribe("news")
            await broker.publish(Publication("news", b"still there"))
            assert await calls(client) == before

    run(scenario(), broker)


async def calls(client: Any) -> tuple[int, int]:
    stats = await client.info("commandstats")
    return tuple(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("subscribe", "unsubscribe"))


def test_subscriptions_of_one_moment_share_a_command(shared_redis: RedisServer) -> None:
    broker = RedisBroker(shared_redis.address)

    async def scenario() -> None:
        await broker.start(Collector())
        async with observer(shared_redis.address) as client:
            before, _ = await calls(client)
            for number in range(400):
                broker.subscribe(f"room-{number}")
            await broker.publish(Publication("room-399", b"x"))
            after, _ = await calls(client)
            assert after == before + 1

    run(scenario(), broker)


def test_unix_socket_with_password_and_database(make_redis: MakeServer) -> None:
    server = make_redis(password="s3cr:t/?#", unix=True)
    server.password = "s3cr:t/?#"
    server.start()
    login = "s3cr%3At%2F%3F%23"
    broker = RedisBroker(f"unix://:{login}@{server.socket_path}?db=1")

    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        broker.subscribe("news")
        await broker.publish(Publication("news", b"x"))
        await sink.wait_for(1)

    run(scenario(), broker)


def test_a_refused_publication_says_why_without_its_message(make_redis: MakeServer) -> None:
    server = make_redis()
    server.start()
    broker = RedisBroker(server.address)

    async def scenario() -> None:
        await broker.start(Collector())
        async with observer(server.address) as client:
            await client.acl_setuser("default", enabled=True, commands=["-publish"])
            with pytest.raises(BrokerUnavailableError) as caught:
                await broker.publish(Publication("news", b"private words"))
            assert "publish" in caught.value.reason
            assert "private" not in caught.value.reason
            assert caught.value.retry_after >= 1.0
            await client.acl_setuser("default", enabled=True, commands=["+publish"])
            await broker.publish(Publication("news", b"again"))

    run(scenario(), broker)
