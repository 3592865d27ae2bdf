"""A node that lost its subscription to streams: what it does by itself, and what it tells where it cannot."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.chaos.proxy import Proxy
from tests.integration.brokers.conftest import MakeServer
from tests.integration.brokers.test_redis_streams import BRISK, publish, settled, table, texts
from tests.support.broker_world import Collector, eventually, run
from tests.support.redis_server import RedisServer
from tornado_realtime.brokers.redis import RedisBroker
from tornado_realtime.brokers.redis.streams import PAGE
from tornado_realtime.errors import BrokerUnavailableError
from tornado_realtime.publication import History, Position, Publication
from tornado_realtime.traits import Retention


@dataclass
class World:
    """One node that can be cut off, one that publishes, and a client of Redis' own."""

    node: RedisBroker
    sink: Collector
    other: RedisBroker
    proxy: Proxy
    redis: Redis

    async def cut_off(self) -> None:
        """Let the node lose Redis until ``mend``."""
        self.proxy.refuses = True
        self.proxy.swallow()
        await self.proxy.mend()  # what was open ends
        await eventually(lambda: not self.node.health.ready)

    async def mend(self) -> None:
        self.proxy.refuses = False
        await eventually(lambda: self.node.health.ready)


@asynccontextmanager
async def world(
    server: RedisServer, kept: Retention, *, plain: str = "plain.*", replicas: int | None = None
) -> AsyncIterator[World]:
    proxy = Proxy(server.port)
    await proxy.start()
    address = f"redis://127.0.0.1:{proxy.port}"
    made = World(
        RedisBroker(address, traits=table(kept, plain), timing=BRISK, replicas=replicas),
        Collector(),
        RedisBroker(server.address, traits=table(kept, plain), timing=BRISK, replicas=replicas),
        proxy,
        Redis.from_url(server.address),
    )
    try:
        await made.node.start(made.sink)
        await made.other.start(Collector())
        await eventually(lambda: made.node.health.ready and made.other.health.ready)
        yield made
    finally:
        await made.node.close()
        await made.other.close()
        await made.redis.aclose()
        await proxy.close()


KEPT = Retention(entries=1000, seconds=60.0, size_bytes=10_000_000)


def test_subscriptions_that_break_again_and_again_cost_nothing(shared_redis: RedisServer) -> None:
    async def scenario() -> None:
        async with world(shared_redis, KEPT) as it:
            channel = f"cut.{it.node.node_id}"
            it.node.subscribe(channel)
            await settled(it.node, channel)
            messages = [f"{number}" for number in range(300)]

            async def cut() -> None:
                while True:
                    await it.redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")  # type: ignore[no-untyped-call]
                    await asyncio.sleep(0.03)

            cutting = asyncio.create_task(cut())
            await publish(it.other, channel, *messages)
            cutting.cancel()
            await asyncio.gather(cutting, return_exceptions=True)
            got = await it.sink.wait_for(len(messages))
            assert [item.data.decode() for item in got] == messages
            assert [item.position.offset for item in got if item.position] == list(range(1, 301))
            assert it.sink.gaps == []

    run(scenario())


def test_what_was_published_meanwhile_is_delivered_page_by_page(shared_redis: RedisServer) -> None:
    async def scenario() -> None:
        async with world(shared_redis, KEPT) as it:
            stream, plain = f"away.{it.node.node_id}", f"plain.{it.node.node_id}"
            it.node.subscribe(stream)
            it.node.subscribe(plain)
            await settled(it.node, stream)
            await publish(it.other, stream, "before")
            await it.sink.wait_for(1)
            await it.cut_off()
            messages = [f"{number}" for number in range(PAGE * 2 + 50)]
            await publish(it.other, stream, *messages)
            await publish(it.other, plain, "lost")
            assert len(it.sink.got) == 1
            await it.mend()
            await it.sink.wait_for(1 + len(messages))
            assert it.node.counters.publications_repaired == len(messages)
            await publish(it.other, stream, "after")
            await it.sink.wait_for(2 + len(messages))
            assert it.sink.data == [text.encode() for text in ("before", *messages, "after")]
            (gap,) = it.sink.gaps
            assert gap.channels == (plain,)

    run(scenario())


def test_thousands_of_streams_are_repaired(shared_redis: RedisServer) -> None:
    async def scenario() -> None:
        async with world(shared_redis, KEPT) as it:
            channels = [f"many.{number}.{it.node.node_id}" for number in range(2000)]
            for channel in channels:
                it.node.subscribe(channel)
            await settled(it.node, *channels)
            await it.cut_off()
            for channel in channels[::2]:
                await publish(it.other, channel, "1")
            await it.mend()
            await it.sink.wait_for(1000)
            assert {item.channel for item in it.sink.got} == set(channels[::2])
            assert it.sink.gaps == []

    run(scenario())


def test_what_was_trimmed_meanwhile_is_told(shared_redis: RedisServer) -> None:
    async def scenario() -> None:
        async with world(shared_redis, Retention(entries=3, seconds=60.0, size_bytes=1000)) as it:
            channel = f"trimmed.{it.node.node_id}"
            it.node.subscribe(channel)
            await settled(it.node, channel)
            await it.cut_off()
            await publish(it.other, channel, *"abcde")
            await it.mend()
            await it.sink.wait_for(3)
            await publish(it.other, channel, "f")
            await it.sink.wait_for(4)
            assert it.sink.data == [b"c", b"d", b"e", b"f"]
            (gap,) = it.sink.gaps
            assert gap.channels == (channel,)
            assert gap.seconds > 0

    run(scenario())


def test_a_redis_that_comes_back_empty_begins_new_streams(make_redis: MakeServer) -> None:
    server = make_redis()
    server.start()

    async def scenario() -> None:
        async with world(server, KEPT) as it:
            channels = [f"room-{number}" for number in range(50)]
            for channel in channels:
                it.node.subscribe(channel)
            await settled(it.node, *channels)
            (taken,) = await publish(it.other, "room-1", "before")
            await it.sink.wait_for(1)
            server.kill()
            await eventually(lambda: not it.node.health.ready and not it.other.health.ready)
            assert it.node.history_now("room-1", taken.position, 10) is not None
            server.start()
            await eventually(lambda: it.node.health.ready and it.other.health.ready)
            await publish(it.other, "room-1", "after")
            await it.sink.wait_for(2)
            await eventually(lambda: sum(len(gap.channels or ()) for gap in it.sink.gaps) == 50)
            assert len(it.sink.gaps) <= 3  # told together
            new = it.node.position("room-1")
            assert taken.position is not None
            assert new is not None
            assert new.epoch != taken.position.epoch
            assert not (await it.node.history("room-1", taken.position, 10)).recovered
            assert texts(await it.node.history("room-1", None, 10)) == ["after"]

    run(scenario())


def test_a_redis_that_comes_back_without_its_last_entries_does_not_repeat_positions(
    make_redis: MakeServer,
) -> None:
    """So does a replica that was promoted, and lacks what the primary had not sent yet."""
    server = make_redis()
    server.start()

    async def scenario() -> None:
        async with world(server, KEPT) as it:
            it.node.subscribe("news")
            await settled(it.node, "news")
            saved = (await publish(it.other, "news", "1", "2"))[-1].position
            await it.redis.save()
            lost = (await publish(it.other, "news", "3", "4", "5"))[-1].position
            await it.sink.wait_for(5)
            server.kill()
            await eventually(lambda: not it.node.health.ready and not it.other.health.ready)
            server.start()
            await eventually(lambda: it.node.health.ready and it.other.health.ready)
            await publish(it.other, "news", "three", "four", "five", "six")
            await it.sink.wait_for(9)
            assert it.sink.data[5:] == [b"three", b"four", b"five", b"six"]
            (gap,) = it.sink.gaps
            assert gap.channels == ("news",)
            assert saved is not None
            assert lost is not None
            new = it.node.position("news")
            assert new is not None
            assert (new.offset, new.epoch != lost.epoch) == (6, True)
            for old in (saved, lost, Position(lost.epoch, 6)):
                assert not (await it.node.history("news", old, 10)).recovered
            everything = await it.node.history("news", None, 10)
            assert texts(everything) == ["1", "2", "three", "four", "five", "six"]
            assert {item.position.epoch for item in everything.items if item.position} == {new.epoch}

    run(scenario())


def test_a_node_that_comes_late_or_leaves_early_is_no_trouble(shared_redis: RedisServer) -> None:
    async def scenario() -> None:
        async with world(shared_redis, KEPT) as it:
            channel = f"short.{it.node.node_id}"
            for _ in range(5):
                it.node.subscribe(channel)
                it.node.unsubscribe(channel)
            assert it.node.position(channel) is None
            await publish(it.other, channel, "1")
            it.node.subscribe(channel)
            await settled(it.node, channel)
            it.node.unsubscribe(channel)  # Redis is told later
            await publish(it.other, channel, "2")
            it.node.subscribe(channel)
            assert (await it.node.history(channel, None, 10)).position.offset == 2
            await publish(it.other, channel, "3")
            await eventually(lambda: b"3" in it.sink.data)
            # What Redis sent just before may come as well, and nothing else.
            assert [data for data in it.sink.data if data != b"2"] == [b"3"]
            assert it.sink.data[-1] == b"3"

    run(scenario())


def test_where_redis_loses_nothing_a_restart_costs_nothing(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, options=["--appendonly", "yes", "--appendfsync", "always"])

    async def scenario() -> None:
        async with world(server, KEPT, replicas=0) as it:
            it.node.subscribe("news")
            await settled(it.node, "news")
            taken = await publish(it.other, "news", "1", "2")
            await it.sink.wait_for(2)
            server.kill()
            await eventually(lambda: not it.node.health.ready and not it.other.health.ready)
            server.start()
            await eventually(lambda: it.node.health.ready and it.other.health.ready)
            await publish(it.other, "news", "3")
            await it.sink.wait_for(3)
            new, old = it.node.position("news"), taken[0].position
            assert it.sink.gaps == []
            assert new is not None
            assert old is not None
            assert new.epoch != old.epoch
            history = await it.node.history("news", old, 10)
            assert (texts(history), history.recovered, history.position) == (["2", "3"], True, new)
            assert not (await it.node.history("news", Position("other", 1), 10)).recovered

    server.start()
    try:
        run(scenario())
    finally:
        server.stop()


def test_what_too_few_replicas_have_is_not_acknowledged(tmp_path: Path) -> None:
    primary = RedisServer(_folder(tmp_path, "primary"), options=["--repl-diskless-sync-delay", "0"])
    follow = ["--replicaof", "127.0.0.1", str(primary.port)]
    replica = RedisServer(_folder(tmp_path, "replica"), options=follow)

    async def scenario() -> None:
        async with world(primary, KEPT, replicas=1) as it:
            it.node.subscribe("news")
            await settled(it.node, "news")
            with pytest.raises(BrokerUnavailableError, match="replicas") as caught:
                await it.other.publish(Publication("news", b"1"), "a:1")
            assert caught.value.outcome == "unknown"
            await it.other.publish(Publication("plain.news", b"plain"))
            replica.start()

            async def acknowledged() -> bool:
                with suppress(BrokerUnavailableError):
                    return (await it.other.publish(Publication("news", b"1"), "a:1")).repeated
                return False

            await eventually(acknowledged)
            await publish(it.other, "news", "2")
            await it.sink.wait_for(2)
            assert it.sink.data == [b"1", b"2"]

    primary.start()
    try:
        run(scenario())
    finally:
        replica.stop()
        primary.stop()


def _folder(parent: Path, name: str) -> Path:
    (parent / name).mkdir()
    return parent / name


def test_streams_that_may_not_be_read_are_told_once_and_wait(
    make_redis: MakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    server = make_redis()
    server.start()

    async def scenario() -> None:
        async with world(server, KEPT) as it:
            it.node.subscribe("news")
            await settled(it.node, "news")
            await it.redis.execute_command("ACL", "SETUSER", "default", "-xlen")  # type: ignore[no-untyped-call]
            await it.redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")  # type: ignore[no-untyped-call]
            await eventually(lambda: "streams cannot be read" in caplog.text)
            await it.redis.execute_command("ACL", "SETUSER", "default", "+xlen")  # type: ignore[no-untyped-call]
            await publish(it.other, "news", "1", "2")
            await it.sink.wait_for(2)
            assert it.sink.data == [b"1", b"2"]

    with caplog.at_level(logging.WARNING):
        run(scenario())
    assert caplog.text.count("streams cannot be read") == 1


def test_a_history_is_not_waited_for_in_vain(make_redis: MakeServer) -> None:
    server = make_redis()
    server.start()

    async def scenario() -> None:
        async with world(server, KEPT) as it:
            it.node.subscribe("news")
            await settled(it.node, "news")
            (taken,) = await publish(it.other, "news", "1")
            await it.sink.wait_for(1)
            server.pause()
            with pytest.raises(BrokerUnavailableError):
                await it.node.history("news", None, 10)
            it.node.subscribe("later")
            with pytest.raises(BrokerUnavailableError, match=r"not subscribed|away"):
                await it.node.history("later", None, 10)
            assert taken.position is not None
            assert it.node.history_now("news", taken.position, 10) == History(taken.position)
            server.resume()
            await eventually(lambda: it.node.health.ready)
            await settled(it.node, "later")
            assert texts(await it.node.history("news", None, 10)) == ["1"]
            assert not (await it.node.history("later", None, 10)).items

    run(scenario())
