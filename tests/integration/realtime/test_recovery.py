"""Clients that come back to streams, over sockets, on memory and on Redis (docs/realtime-v1.md, V4)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from tests.support.realtime_world import World, realtime, serving, until
from tests.support.redis_server import RedisServer
from tests.support.v1_world import V1Client, open_v1
from tornado_realtime.auth import User
from tornado_realtime.realtime import Realtime

STREAMS: dict[str, Any] = {
    "log*": {"history": [1000, "1m"], "publish": "anyone"},
    "shut": {"history": [10, "1m"], "subscribe": "nobody"},
    "room": {"history": [10, "1m"], "presence": "on"},
}


@pytest.fixture(params=["memory", "redis"])
def driver(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Where streams are."""
    if request.param == "memory":
        return {}
    server: RedisServer = request.getfixturevalue("shared_redis")
    return {"driver": "redis", "redis_address": server.address}


@pytest.fixture
def log(request: pytest.FixtureRequest) -> str:
    """A stream of the test's own."""
    return f"log.{request.node.name}"


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


def instance(driver: dict[str, Any], **options: Any) -> Realtime:
    return realtime(channel=STREAMS, **driver, **options)


async def publish(world: World, channel: str, *messages: object) -> None:
    for message in messages:
        await world.realtime.publish(channel, json.dumps(message))


async def hear(client: V1Client, count: int) -> list[tuple[Any, Any]]:
    """Offsets and payloads of the next messages."""
    found = [await client.hear() for _ in range(count)]
    assert {message["type"] for message in found} <= {"message"}, found
    return [(message.get("offset"), message["payload"]) for message in found]


async def quiet(client: V1Client) -> None:
    """Nothing was said besides."""
    assert (await client.ask("ping", id="quiet"))["type"] == "pong"


def place(message: dict[str, Any]) -> dict[str, Any]:
    return {"epoch": message["epoch"], "offset": message["offset"]}


@pytest.mark.parametrize("older", ["raw", "envelope"])
def test_all_wires_meet_on_one_stream_and_each_sees_its_own(
    driver: dict[str, Any], log: str, older: str
) -> None:
    async def main() -> None:
        async with serving(instance(driver, wire=older)) as world:
            old, new = await world.open(log), await open_v1(world)
            start = await new.ask("subscribe", channel=log)
            await world.realtime.publish(log, '{"a": 1}')
            await world.realtime.publish(log, "no JSON")
            assert await hear(new, 2) == [(1, {"a": 1}), (2, "no JSON")]
            if older == "raw":
                assert [await old.text(), await old.text()] == [b'{"a": 1}', b"no JSON"]
            else:
                assert json.loads(await old.text())["payload"] == {"a": 1}
            again = await new.ask("subscribe", channel=log, since=place(start))
            assert (again["recovered"], again["replay"], again["offset"]) == (True, 2, 2)
            assert await hear(new, 2) == [(1, {"a": 1}), (2, "no JSON")]
            await quiet(new)

    run(main())


def test_more_than_the_broker_says_at_once_comes_whole(driver: dict[str, Any], log: str) -> None:
    """Redis answers in pages of a quarter MiB; a client gets as much as an empty outbox has room for."""

    async def main() -> None:
        async with serving(instance(driver)) as world:
            client = await open_v1(world)
            start = place(await client.ask("subscribe", channel=log))
            await client.ask("unsubscribe", channel=log)
            messages = [f"{n} " + "x" * 20_000 for n in range(1, 61)]
            await publish(world, log, *messages)
            expected = list(enumerate(messages, 1))
            # All but the first ten are below a MiB, and the newest ten below a page.
            for since, first in ((start | {"offset": 10}, 10), ({"last": 45}, 15), ({"last": 10}, 50)):
                back = await client.ask("subscribe", channel=log, since=since)
                assert (back["recovered"], back["offset"]) == (True, 60)
                assert await hear(client, back["replay"]) == expected[first:]
            # Of more than there is room for, the newest.
            back = await client.ask("subscribe", channel=log, since={"last": 60})
            assert 40 < back["replay"] < 60
            assert await hear(client, back["replay"]) == expected[-back["replay"] :]
            await quiet(client)

    run(main())


def test_who_comes_back_gets_what_it_missed_while_others_publish(driver: dict[str, Any], log: str) -> None:
    async def main() -> None:
        async with serving(instance(driver, send_queue=[1000, "1MiB"])) as world:
            first = await open_v1(world)
            start = place(await first.ask("subscribe", channel=log))
            first.socket.vanish()
            await publish(world, log, *range(1, 101))
            going = asyncio.create_task(publish(world, log, *range(101, 301)))
            clients = [await open_v1(world) for _ in range(10)]
            for client in clients:
                await client.say("subscribe", id=1, channel=log, since=start)
            await going
            for client in clients:
                ack = await client.hear()
                assert (ack["type"], ack["id"], ack["recovered"]) == ("subscribed", 1, True)
                assert ack["replay"] == ack["offset"] >= 100
                assert await hear(client, 300) == [(number, number) for number in range(1, 301)]
                await quiet(client)

    run(main())


def test_what_is_too_much_or_another_stream_is_not_recovered(driver: dict[str, Any], log: str) -> None:
    async def main() -> None:
        async with serving(instance(driver, send_queue=[8, "1MiB"])) as world:
            client = await open_v1(world)
            start = place(await client.ask("subscribe", channel=log))
            await client.ask("unsubscribe", channel=log)
            await publish(world, log, *range(1, 9))
            lost = {"recovered": False, "replay": 0, "offset": 8}
            for since in (start, {"epoch": "another", "offset": 3}, start | {"offset": 9}):
                ack = await client.ask("subscribe", id=2, channel=log, since=since)
                assert ack == ack | lost
                await client.ask("unsubscribe", channel=log)
            read = await client.ask("history", id=3, channel=log, since=start)
            assert [item["payload"] for item in read["items"]] == [*range(1, 9)]
            ack = await client.ask("subscribe", id=4, channel=log, since={"last": 100})
            assert ack == ack | {"recovered": True, "replay": 7}
            assert await hear(client, 7) == [(number, number) for number in range(2, 9)]
            await publish(world, log, 9)
            assert await hear(client, 1) == [(9, 9)]

    run(main())


def test_what_spares_a_client_is_told_to_it_in_its_place(driver: dict[str, Any], log: str) -> None:
    async def main() -> None:
        async with serving(instance(driver)) as world:
            author, other = await open_v1(world), await open_v1(world)
            for client in (author, other):
                start = place(await client.ask("subscribe", channel=log))
            await author.say("publish", channel=log, payload="mine", echo=False)
            skipped = await author.hear()
            assert skipped == {"type": "skipped", "channel": log, "offset": 1}
            await world.realtime.publish(log, "2", exclude=other.name)
            assert await hear(author, 1) == [(2, 2)]
            assert (await other.hear())["from"] == {"user": "u1", "client": author.name}
            assert (await other.hear())["type"] == "skipped"
            ack = await other.ask("subscribe", channel=log, since=start)
            assert ack["replay"] == 2
            assert [(await other.hear())["type"] for _ in range(2)] == ["message", "skipped"]

    run(main())


def test_history_is_for_those_who_may_subscribe(driver: dict[str, Any]) -> None:
    async def main() -> None:
        async with serving(instance(driver)) as world:
            client = await open_v1(world)
            assert client.welcome["features"] == ["history", "presence", "publish", "refresh"]
            assert (await client.ask("history", id=1, channel="shut"))["code"] == 103
            assert (await client.ask("history", id=2, channel="plain"))["code"] == 108
            assert (await client.ask("history", id=3, channel="a\nb"))["code"] == 107
            since = {"epoch": "x", "offset": 1}
            assert (await client.ask("history", id=4, channel="room", since=since))["code"] == 112
            read = await client.ask("history", id=5, channel="room")
            assert (read["items"], read["more"], read["offset"]) == ([], False, 0)
            assert world.hub.subscribers("room") == 0

    run(main())


def test_history_in_pages_both_ways(driver: dict[str, Any], log: str) -> None:
    async def main() -> None:
        async with serving(instance(driver)) as world:
            client = await open_v1(world)
            await publish(world, log, *range(1, 301))
            for reverse in (False, True):
                found: list[int] = []
                since, more = None, True
                while more:
                    page = await client.ask(
                        "history", id=1, channel=log, limit=70, reverse=reverse, since=since
                    )
                    found += [item["payload"] for item in page["items"]]
                    since = {"epoch": page["epoch"], "offset": page["items"][-1]["offset"]}
                    more = page["more"]
                assert found == [*range(1, 301)][:: -1 if reverse else 1]
            assert len((await client.ask("history", id=2, channel=log, limit=9999))["items"]) == 250

    run(main())


def test_a_history_is_bounded_in_bytes(driver: dict[str, Any], log: str) -> None:
    async def main() -> None:
        async with serving(instance(driver, send_queue=[256, "64KiB"])) as world:
            client = await open_v1(world)
            await publish(world, log, *("x" * 10_000 for _ in range(20)))
            page = await client.ask("history", id=1, channel=log)
            assert (len(page["items"]), page["more"]) == (6, True)

    run(main())


def test_who_is_there_and_what_was_missed_come_in_one_answer(driver: dict[str, Any]) -> None:
    async def main() -> None:
        names = iter(["ada", "bob"])
        made = realtime(channel=STREAMS, authenticate=lambda request: User(next(names)), **driver)
        async with serving(made) as world:
            ada, bob = await open_v1(world), await open_v1(world)
            begun = await ada.ask("subscribe", channel="room", presence=True)
            assert begun["members"] == {"ada": {"info": None, "conns": 1}}
            start = place(begun)
            await publish(world, "room", 1)
            assert await hear(ada, 1) == [(start["offset"] + 1, 1)]
            ack = await bob.ask("subscribe", channel="room", presence=True, since=start)
            assert (ack["replay"], sorted(ack["members"])) == (1, ["ada", "bob"])
            assert await hear(bob, 1) == [(start["offset"] + 1, 1)]
            assert (await ada.hear())["type"] == "join"
            await bob.say("unsubscribe", channel="room")
            assert (await bob.hear())["type"] == "unsubscribed"
            assert world.hub.subscribers("room") == 1

    run(main())


def test_a_page_with_many_channels_and_a_slow_network_gets_all_of_them(
    driver: dict[str, Any], log: str
) -> None:
    async def main() -> None:
        async with serving(instance(driver)) as world:
            names = [f"{log}.{number}" for number in range(20)]
            message = "x" * 400
            for name in names:
                await publish(world, name, *(message for _ in range(100)))
            socket = await world.connect(rcvbuf=32768)
            client = await open_v1(world, on=socket)
            socket.stop_reading()
            for name in names:
                await client.say("subscribe", channel=name, since={"last": 100})
            await until(
                lambda: len(world.hub.connections) == 1 and world.hub.metrics.values()["outbox_bytes"]
            )
            socket.read_again()
            counts = dict.fromkeys(names, 0)
            for _ in range(20 * 101):
                counts[(await client.hear())["channel"]] += 1
            assert set(counts.values()) == {101}
            assert world.hub.metrics.values()["slow_consumers"] == 0

    run(main())


def test_one_user_on_two_nodes_of_one_redis(shared_redis: RedisServer, log: str) -> None:
    async def main() -> None:
        driver = {"driver": "redis", "redis_address": shared_redis.address}
        async with serving(instance(driver)) as one, serving(instance(driver)) as two:
            client = await open_v1(one)
            start = place(await client.ask("subscribe", channel=log))
            await publish(two, log, 1)
            assert await hear(client, 1) == [(1, 1)]
            client.socket.vanish()
            await publish(one, log, 2)
            client = await open_v1(two)
            ack = await client.ask("subscribe", channel=log, since=start)
            assert ack["replay"] == 2
            await publish(one, log, 3)
            assert await hear(client, 3) == [(1, 1), (2, 2), (3, 3)]

    run(main())


def test_while_redis_is_away_a_subscription_can_be_tried_again(tmp_path: Path) -> None:
    async def main() -> None:
        server = RedisServer(tmp_path)
        server.start()
        try:
            driver = {"driver": "redis", "redis_address": server.address, "publish_timeout": "200ms"}
            async with serving(instance(driver)) as world:
                client = await open_v1(world)
                server.kill()
                answer = await client.ask("subscribe", id=1, channel="log")
                expected = {"error": "history not available", "code": 100, "retry": True}
                assert answer == answer | expected
                assert answer["after"] >= 1000
                assert world.hub.subscribers("log") == 0
                read = await client.ask("history", id=2, channel="log")
                assert read == read | expected
        finally:
            server.stop()

    run(main())
