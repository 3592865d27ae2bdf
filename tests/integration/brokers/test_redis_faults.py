"""What the Redis broker does while Redis is killed, hung, restarted, or never there."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis

from tests.integration.brokers.conftest import MakeServer
from tests.support.broker_world import Collector, eventually, run
from tests.support.redis_server import RedisServer, free_port
from tests.support.streams import StreamServer
from tornado_realtime.brokers.redis import RedisBroker
from tornado_realtime.brokers.redis.link import Timing
from tornado_realtime.brokers.redis.names import topic_of
from tornado_realtime.errors import BrokerClosedError, BrokerUnavailableError
from tornado_realtime.publication import Publication

BRISK = Timing(dial=0.5, ping_every=0.2, ping_patience=0.3, backoff_base=0.05, backoff_cap=0.2, stable=1.0)


async def accepted(broker: RedisBroker, channel: str = "news", data: bytes = b"probe") -> bool:
    try:
        await broker.publish(Publication(channel, data))
    except BrokerUnavailableError:
        return False
    return True


async def refused_within(broker: RedisBroker, seconds: float) -> BrokerUnavailableError:
    began = time.monotonic()
    with pytest.raises(BrokerUnavailableError) as caught:
        await broker.publish(Publication("news", b"x"))
    assert time.monotonic() - began < seconds
    return caught.value


async def command(server: RedisServer, *words: str) -> None:
    client = Redis.from_url(server.address)
    try:
        await client.execute_command(*words)  # type: ignore[no-untyped-call]
    finally:
        await client.aclose()


def test_kill_and_restart(make_redis: MakeServer, caplog: pytest.LogCaptureFixture) -> None:
    server = make_redis()
    server.start()
    broker = RedisBroker(server.address, timing=BRISK)
    channels = [f"room-{number}" for number in range(700)]
    sink = Collector()

    async def scenario() -> None:
        await broker.start(sink)
        for channel in channels:
            broker.subscribe(channel)
        assert await accepted(broker, "room-699", b"before")
        await sink.wait_for(1)
        server.kill()
        await eventually(lambda: gone(broker))
        for _ in range(20):
            await refused_within(broker, 0.1)
        server.start()
        await eventually(lambda: accepted(broker, "elsewhere"))
        sink.got.clear()
        for channel in channels:
            await eventually(lambda channel=channel: accepted(broker, channel, b"after"))
        await sink.wait_for(700)
        assert [publication.channel for publication in sink.got] == channels

    with caplog.at_level(logging.INFO):
        run(scenario(), broker)
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2, messages
    (gap,) = sink.gaps
    assert gap.channels is not None
    assert sorted(gap.channels) == sorted(channels)
    assert gap.seconds > 0
    assert f"Redis at 127.0.0.1:{server.port} is away" in messages[0]
    assert "700 channels hear nothing" in messages[0]
    assert "is back after" in messages[1]
    assert "700 channels are subscribed again" in messages[1]


async def gone(broker: RedisBroker) -> bool:
    return not await accepted(broker, "elsewhere")


def test_publications_in_flight_fail_when_redis_dies(make_redis: MakeServer) -> None:
    server = make_redis()
    server.start()
    broker = RedisBroker(server.address, publish_timeout=5.0, timing=BRISK)

    async def scenario() -> None:
        await broker.start(Collector())
        server.pause()
        publishing = [asyncio.create_task(broker.publish(Publication("news", b"x"))) for _ in range(10)]
        await asyncio.sleep(0.05)
        server.kill()
        began = time.monotonic()
        for error in await asyncio.gather(*publishing, return_exceptions=True):
            assert isinstance(error, BrokerUnavailableError)
            assert error.outcome == "unknown"
        assert time.monotonic() - began < 1.0

    run(scenario(), broker)


def test_a_hung_redis_bounds_the_first_and_refuses_the_rest(make_redis: MakeServer) -> None:
    server = make_redis()
    server.start()
    # The health check is slow here, so that it is the publications that notice.
    broker = RedisBroker(server.address, publish_timeout=0.5)

    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        broker.subscribe("news")
        assert await accepted(broker)
        server.pause()
        began = time.monotonic()
        assert await asyncio.gather(*(accepted(broker) for _ in range(5))) == [False] * 5
        assert 0.4 < time.monotonic() - began < 1.5
        error = await refused_within(broker, 0.1)
        assert error.retry_after >= 1.0
        server.resume()
        await eventually(lambda: accepted(broker, data=b"after"))
        await eventually(lambda: b"after" in sink.data)

    run(scenario(), broker)


def test_a_timed_out_publication_may_still_arrive_once(make_redis: MakeServer) -> None:
    server = make_redis()
    server.start()
    broker = RedisBroker(server.address, publish_timeout=0.2)

    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        broker.subscribe("news")
        assert await accepted(broker)
        server.pause()
        error = await refused_within(broker, 1.0)
        assert ("may still be delivered" in error.reason, error.outcome) == (True, "unknown")
        await eventually(lambda: gone(broker))
        assert (await refused_within(broker, 0.1)).outcome == "rejected"
        server.resume()
        await eventually(lambda: accepted(broker, data=b"after"))
        await eventually(lambda: b"after" in sink.data)
        assert sink.data.count(b"x") <= 1

    run(scenario(), broker)


def test_what_waits_for_a_subscription_and_times_out_is_never_sent(make_redis: MakeServer) -> None:
    server = make_redis()
    server.start()
    broker = RedisBroker(server.address, publish_timeout=0.2)

    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        server.pause()
        broker.subscribe("news")
        error = await refused_within(broker, 1.0)
        assert ("nothing was sent" in error.reason, error.outcome) == (True, "rejected")
        server.resume()
        await eventually(lambda: accepted(broker, data=b"after"))
        await eventually(lambda: bool(sink.got))
        assert sink.data[0] == b"after"

    run(scenario(), broker)


def test_a_short_pause_loses_nothing(make_redis: MakeServer) -> None:
    server = make_redis()
    server.start()
    broker = RedisBroker(server.address)

    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        broker.subscribe("news")
        server.pause()
        publishing = asyncio.gather(*(accepted(broker, data=b"%d" % number) for number in range(20)))
        await asyncio.sleep(0.5)
        server.resume()
        assert await publishing == [True] * 20
        await sink.wait_for(20)

    run(scenario(), broker)


def test_the_health_check_notices_a_half_open_connection(make_redis: MakeServer) -> None:
    server = make_redis()
    server.start()
    broker = RedisBroker(server.address, publish_timeout=30.0, timing=BRISK)

    async def scenario() -> None:
        await broker.start(Collector())
        server.pause()
        began = time.monotonic()
        assert not await accepted(broker)
        assert time.monotonic() - began < 3.0
        await refused_within(broker, 0.1)
        server.resume()
        await eventually(lambda: accepted(broker))

    run(scenario(), broker)


@pytest.mark.parametrize("kind", ["pubsub", "normal"])
def test_killed_connections_come_back(
    make_redis: MakeServer, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    server = make_redis()
    server.start()
    broker = RedisBroker(server.address, timing=BRISK)

    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        broker.subscribe("news")
        assert await accepted(broker)
        await command(server, "CLIENT", "KILL", "TYPE", kind)
        await eventually(lambda: accepted(broker, data=b"after"))
        # What was taken after the loss comes through: a false success would hang here.
        await eventually(lambda: b"after" in sink.data)

    with caplog.at_level(logging.INFO):
        run(scenario(), broker)
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]


def test_a_lost_subscription_refuses_what_would_not_come_back(make_redis: MakeServer) -> None:
    server = make_redis()
    server.start()
    slow = Timing(backoff_base=60.0, backoff_cap=60.0)
    broker = RedisBroker(server.address, timing=slow)

    async def scenario() -> None:
        await broker.start(Collector())
        broker.subscribe("news")
        assert await accepted(broker)
        await command(server, "CLIENT", "KILL", "TYPE", "pubsub")
        await eventually(lambda: gone_from(broker, "news"))
        error = await refused_within(broker, 0.1)
        until_dial = broker._carrier.shard(topic_of("news")).retry_after()
        assert error.retry_after == pytest.approx(max(1.0, until_dial), abs=0.2)
        assert await accepted(broker, "nobody listens here")

    run(scenario(), broker)


async def gone_from(broker: RedisBroker, channel: str) -> bool:
    return not await accepted(broker, channel)


def test_a_wrong_password_is_reported_once_without_it(
    make_redis: MakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    server = make_redis(password="right-word")
    server.start()
    broker = RedisBroker(f"redis://:wrong-word@127.0.0.1:{server.port}", timing=BRISK)

    async def scenario() -> None:
        await broker.start(Collector())
        broker.subscribe("news")
        error = await refused_within(broker, 0.1)
        assert "word" not in error.reason
        await asyncio.sleep(0.3)
        await command(server, "CONFIG", "SET", "requirepass", "wrong-word")
        await eventually(lambda: accepted(broker))

    with caplog.at_level(logging.INFO):
        run(scenario(), broker)
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert "wrong-word" not in caplog.text


def test_a_missing_password_is_an_error_that_names_the_place(
    make_redis: MakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    server = make_redis(password="right-word")
    server.start()
    broker = RedisBroker(f"127.0.0.1:{server.port}", timing=BRISK)

    async def scenario() -> None:
        await broker.start(Collector())
        await refused_within(broker, 0.1)

    run(scenario(), broker)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert f"127.0.0.1:{server.port}" in caplog.text


def test_started_before_redis(make_redis: MakeServer) -> None:
    server = make_redis()
    broker = RedisBroker(server.address, timing=BRISK)

    async def scenario() -> None:
        sink = Collector()
        began = time.monotonic()
        await broker.start(sink)
        assert time.monotonic() - began < 1.0
        broker.subscribe("news")
        await refused_within(broker, 0.1)
        server.start()
        await eventually(lambda: accepted(broker, data=b"hello"))
        await sink.wait_for(1)

    run(scenario(), broker)


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def web_server(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    await writer.drain()
    writer.close()


@pytest.mark.parametrize("talk", [silent, web_server])
def test_something_else_listens_there(talk: Talk) -> None:
    port = free_port()
    broker = RedisBroker(f"127.0.0.1:{port}", publish_timeout=0.3, timing=BRISK)

    async def scenario() -> None:
        writers: list[asyncio.StreamWriter] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writers.append(writer)
            await talk(reader, writer)

        async with await StreamServer(serve).start(port):
            began = time.monotonic()
            await broker.start(Collector())
            assert time.monotonic() - began < 1.0
            await refused_within(broker, 0.1)
            await broker.close()
            await eventually(lambda: all(writer.transport.is_closing() for writer in writers))
            await asyncio.sleep(0.01)

    run(scenario(), broker)


def test_close_does_not_wait_for_a_hung_redis(make_redis: MakeServer) -> None:
    server = make_redis()
    server.start()
    broker = RedisBroker(server.address, publish_timeout=30.0)

    async def scenario() -> None:
        await broker.start(Collector())
        broker.subscribe("news")
        server.pause()
        message = Publication("news", b"x" * 1_000_000)
        publishing = [asyncio.create_task(broker.publish(message)) for _ in range(30)]
        await asyncio.sleep(0.1)
        began = time.monotonic()
        await broker.close()
        assert time.monotonic() - began < 0.5
        outcomes = await asyncio.gather(*publishing, return_exceptions=True)
        assert all(isinstance(outcome, BrokerClosedError) for outcome in outcomes)

    run(scenario(), broker)


def test_more_than_the_queue_holds_is_refused_at_once(make_redis: MakeServer) -> None:
    server = make_redis()
    server.start()
    broker = RedisBroker(server.address, publish_timeout=30.0)

    async def scenario() -> None:
        await broker.start(Collector())
        server.pause()
        message = Publication("elsewhere", b"x" * (16 * 1024 * 1024 - 1024))  # a probe may wait, too
        publishing = [asyncio.create_task(broker.publish(message)) for _ in range(5)]
        await asyncio.wait(publishing, timeout=0.2)
        refused = [task.exception() for task in publishing if task.done()]
        assert len(refused) == 1
        assert isinstance(refused[0], BrokerUnavailableError)
        assert "too many" in refused[0].reason
        server.resume()
        await asyncio.gather(*publishing, return_exceptions=True)
        assert await accepted(broker)

    run(scenario(), broker)


def test_close_while_starting_leaves_nothing() -> None:
    broker = RedisBroker(f"127.0.0.1:{free_port()}")

    async def scenario() -> None:
        starting = asyncio.create_task(broker.start(Collector()))
        await asyncio.sleep(0)
        began = time.monotonic()
        await broker.close()
        await starting
        assert time.monotonic() - began < 0.5
        with pytest.raises(BrokerClosedError):
            await broker.publish(Publication("news", b"x"))

    run(scenario(), broker)


def test_both_connections_are_back_as_soon_as_one_found_redis(
    make_redis: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = make_redis()
    server.start()
    broker = RedisBroker(server.address)
    listening, publishing = broker._carrier.shard(b"")._links
    monkeypatch.setattr(listening._backoff, "next", lambda: 0.05)
    monkeypatch.setattr(publishing._backoff, "next", lambda: 1000.0)

    async def scenario() -> None:
        await broker.start(Collector())
        server.kill()
        await eventually(lambda: publishing.wait_until_dial(asyncio.get_running_loop().time()) > 0.0)
        server.start()
        await eventually(lambda: accepted(broker))

    run(scenario(), broker)
