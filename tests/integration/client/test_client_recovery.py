"""A client whose connection is lost again and again gets every message of a stream once, in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.client_world import cut, make, run
from tests.support.realtime_world import World, serving, until
from tests.support.redis_server import RedisServer
from tornado_realtime.client import Client, Missed, Position, Publisher, State, Subscribed, Subscription
from tornado_realtime.errors import RequestError
from tornado_realtime.publication import Gap
from tornado_realtime.realtime import Realtime

CADDYFILE = """\
go_handler {{
	{more}
	channel log {{
		history 100 1h
		publish authenticated
	}}
	channel short {{
		history 3 1h
	}}
}}
"""


@asynccontextmanager
async def connected(more: str = "") -> AsyncIterator[tuple[World, Client]]:
    instance = Realtime.from_caddyfile(CADDYFILE.format(more=more), authenticate=lambda request: "u1")
    async with serving(instance) as world, make(world) as client:
        yield world, client


async def payloads(subscription: Subscription, count: int) -> list[Any]:
    messages = aiter(subscription)
    return [(await anext(messages)).payload for _ in range(count)]


def test_nothing_is_lost_and_nothing_comes_twice() -> None:
    async def main() -> None:
        async with connected() as (world, client), client.subscribe("log") as log:

            async def publish() -> None:
                for n in range(300):
                    await world.realtime.publish("log", str(n))
                    if n % 25 == 7:
                        cut(world)
                        await until(lambda: client.state is State.WAITING)
                    elif n % 25 == 20:
                        await until(lambda: client.state is State.CONNECTED)
                    await asyncio.sleep(0)

            publishing = asyncio.create_task(publish())
            assert await payloads(log, 300) == list(range(300))
            await publishing
            (channel,) = log.channels
            assert channel.position is not None
            assert channel.position.offset == 300

    run(main())


def test_over_redis_with_two_channels(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    server.start()

    async def main() -> None:
        redis = f"driver redis\nredis_address {server.address}"
        async with connected(redis) as (world, client), client.subscribe("log", "short") as both:
            found: dict[str, list[Any]] = {"log": [], "short": []}
            messages = aiter(both)
            for n in range(60):
                await world.realtime.publish("log", str(n))
                if n % 20 == 5:
                    cut(world)
                if n % 20 == 6:
                    await world.realtime.publish("short", str(n))
            while len(found["log"]) < 60 or len(found["short"]) < 3:
                message = await anext(messages)
                found[message.channel].append(message.payload)
            assert found == {"log": list(range(60)), "short": [6, 26, 46]}

    try:
        run(main())
    finally:
        server.stop()


def test_the_newest_first_and_then_what_comes() -> None:
    async def main() -> None:
        async with connected() as (world, client):
            for n in range(5):
                await world.realtime.publish("log", str(n))
            async with client.subscribe("log", last=2) as log:
                assert await payloads(log, 2) == [3, 4]
                cut(world)
                await world.realtime.publish("log", "5")
                assert await payloads(log, 1) == [5]
            history = await client.history("log", limit=2)
            assert [message.payload for message in history.messages] == [0, 1]
            assert (history.more, history.position.offset) == (True, 6)
            assert history.messages[0].time is not None
            at = history.messages[-1].position
            rest = await client.history("log", since=at)
            assert [message.payload for message in rest.messages] == [2, 3, 4, 5]
            newest = await client.history("log", last=2, reverse=True)
            assert [message.payload for message in newest.messages] == [5, 4]
            async with client.subscribe("log", since={"log": at or history.position}) as again:
                assert await payloads(again, 4) == [2, 3, 4, 5]

    run(main())


def test_what_is_not_kept_any_more_is_said() -> None:
    async def main() -> None:
        async with connected() as (world, client), client.subscribe("short") as short:
            events = aiter(short.events())
            assert isinstance(await anext(events), Subscribed)
            cut(world)
            for n in range(9):
                await world.realtime.publish("short", str(n))
            assert await anext(events) == Missed("short")
            assert isinstance(await anext(events), Subscribed)
            await world.realtime.publish("short", "9")
            message = await anext(events)
            assert getattr(message, "payload", None) == 9
            with pytest.raises(RequestError) as caught:
                await client.history("short", since=Position("another", 1))
            assert caught.value.code == 112

    run(main())


def test_what_is_too_much_to_be_sent_at_once_is_read() -> None:
    async def main() -> None:
        async with connected("send_queue 8") as (world, client), client.subscribe("log") as log:
            await world.realtime.publish("log", "0")
            assert await payloads(log, 1) == [0]
            cut(world)
            for n in range(1, 60):
                await world.realtime.publish("log", str(n))
            found = await payloads(log, 30)
            # It breaks while it reads, too.
            cut(world)
            await world.realtime.publish("log", "60")
            assert found + await payloads(log, 30) == list(range(1, 61))
            await world.realtime.publish("log", "61")
            assert await payloads(log, 1) == [61]

    run(main())


def test_a_gap_that_the_history_fills_is_none() -> None:
    async def main() -> None:
        async with connected() as (world, client), client.subscribe("log") as log:
            for n in range(3):
                await world.realtime.publish("log", str(n))
                world.hub.missed(Gap(("log",), 1.0))
            assert await payloads(log, 3) == [0, 1, 2]
            assert all(not isinstance(event, Missed) for event in log._events)

    run(main())


def test_what_is_published_without_an_answer_is_published_once() -> None:
    async def main() -> None:
        async with connected() as (world, client), client.subscribe("log") as log:
            answered = [await client.publish("log", "a", key="k"), await client.publish("log", "b", key="k")]
            assert answered[0] == answered[1]
            cut(world)
            publishing = [asyncio.create_task(client.publish("log", n)) for n in range(3)]
            cut(world)
            await asyncio.gather(*publishing)
            assert await payloads(log, 4) == ["a", 0, 1, 2]
            async with Publisher(f"http://localhost:{world.port}") as publisher:
                first = await publisher.publish("log", "c", key="k")
                assert (first.position, first.repeated) == (Position(_epoch(log), 5), False)
                assert (await publisher.publish("log", "d", key="k")).repeated
            assert await payloads(log, 1) == ["c"]

    run(main())


def _epoch(subscription: Subscription) -> str:
    position = subscription.channels[0].position
    assert position is not None
    return position.epoch


def test_a_publication_that_this_client_does_not_want_leaves_no_hole() -> None:
    async def main() -> None:
        async with connected() as (_, client), client.subscribe("log") as log:
            await client.publish("log", "mine", echo=False)
            await client.publish("log", "ours")
            assert await payloads(log, 1) == ["ours"]
            await client.publish("log", "last")
            assert await payloads(log, 1) == ["last"]

    run(main())
