"""What an application can ask about one channel: who is present, and what is kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import pytest

from tests.integration.realtime.test_directory import NAMES, read
from tests.support.presence_world import by_name, come, come_raw, present, telling
from tests.support.realtime_world import World, nodes_on, realtime, serving, until
from tests.support.redis_server import RedisServer
from tests.support.v1_world import open_v1

CHANNELS = "/internal/channels/"
NO_PRESENCE = {"reason": "no channel block says that there is presence here"}


async def presence(world: World, query: str = "", channel: str = "chat") -> dict[str, Any]:
    found: dict[str, Any] = read(await world.ask(f"{CHANNELS}{quote(channel, safe='')}/presence{query}"))
    assert found.pop("channel") == channel
    return found


def test_who_is_present_a_page_at_a_time() -> None:
    async def main() -> None:
        async with serving(telling()) as world:
            assert await presence(world) == {"count": 0, "members": {}}
            for user in ("cleo", "ada", "bob"):
                await come(world, user, "chat")
            await come_raw(world, "ada", "chat")
            found = await presence(world)
            assert found["count"] == 3
            assert list(found["members"]) == ["ada", "bob", "cleo"]
            assert found["members"]["ada"]["conns"] == 2
            page = await presence(world, "?limit=2")
            assert (list(page["members"]), page["next"]) == (["ada", "bob"], "bob")
            page = await presence(world, "?limit=2&after=bob")
            assert page == {"count": 3, "members": present("cleo")}

    asyncio.run(main())


def test_who_is_present_on_two_nodes(redis: RedisServer) -> None:
    async def main() -> None:
        options: dict[str, Any] = {"channel": {"chat": {"presence": "on"}}, "presence_delay": "50ms"}
        async with nodes_on(redis.address, authenticate=by_name, **options) as (one, two):
            for world, user in ((one, "ada"), (two, "ada"), (one, "bob"), (two, "cleo")):
                client = await come(world, user, "chat")

            async def heard(count: int) -> None:
                for world in (one, two):
                    while (await presence(world))["count"] != count:
                        await asyncio.sleep(0.01)

            await asyncio.wait_for(heard(3), 5)
            for world in (one, two):
                found = await presence(world)
                assert {user: told["conns"] for user, told in found["members"].items()} == {
                    "ada": 2,
                    "bob": 1,
                    "cleo": 1,
                }
                page = await presence(world, "?limit=2&after=ada")
                assert (list(page["members"]), "next" in page) == (["bob", "cleo"], False)
            client.socket.vanish()
            await asyncio.wait_for(heard(2), 5)
            redis.kill()
            await until(lambda: one.realtime.trouble)
            assert "reason" in read(await one.ask(CHANNELS + "chat/presence"), 503)

    asyncio.run(main())


@pytest.mark.parametrize("name", [*NAMES, "presence", "a/presence", "/presence"])
def test_channels_of_any_name_can_be_asked_about(name: str) -> None:
    async def main() -> None:
        instance = realtime(channel={"*": {"presence": "on"}}, authenticate=by_name)
        async with serving(instance) as world:
            await come(world, "ada", name)
            assert (await presence(world, channel=name))["count"] == 1
            # A client that leaves slashes as they are means the same.
            found = read(await world.ask(f"{CHANNELS}{quote(name)}/presence"))
            assert (found["channel"], found["count"]) == (name, 1)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        ("chat/presence", 404, NO_PRESENCE["reason"]),
        ("chat/presence?limt=5", 400, "'limt' is not known here (did you mean limit?)"),
        ("chat/presence?limit=0", 400, "limit must be a whole number from 1 to 1000"),
        ("log/history?since=41", 400, "since must be EPOCH:OFFSET, such as k3f:41"),
        ("log/history?since=k3f:", 400, "since must be EPOCH:OFFSET, such as k3f:41"),
        ("log/history?since=:1", 400, "since must be EPOCH:OFFSET, such as k3f:41"),
        (
            "log/history?since=a:" + "1" * 17,
            400,
            "since must be EPOCH:OFFSET, such as k3f:41",
        ),
        ("log/history?since=a:1&last=2", 400, "give since or last, not both"),
        ("log/history?last=0", 400, "last must be a whole number from 1 to 1000"),
        ("log/history?reverse=yes", 400, "reverse must be true or false"),
        ("log/history?epoch=k3f", 400, "'epoch' is not known here"),
        ("log/history", 404, "no channel block says that anything is kept of this channel"),
        ("chat/members", 404, "what is asked of a channel comes last: /history or /presence"),
        ("chat", 404, "what is asked of a channel comes last: /history or /presence"),
        ("chat/", 404, "what is asked of a channel comes last: /history or /presence"),
        ("", 404, "what is asked of a channel comes last: /history or /presence"),
        ("chat%2Fpresence", 404, "what is asked of a channel comes last: /history or /presence"),
        ("chat/%ff", 400, "the path is not UTF-8, percent-encoded"),
        ("%ff/presence", 400, "the channel's name is not UTF-8, percent-encoded"),
        ("/presence", 400, "a channel's name has 1 to 255 bytes and no control characters"),
        ("a%00/presence", 400, "a channel's name has 1 to 255 bytes and no control characters"),
    ],
)
def test_what_makes_no_sense(path: str, status: int, reason: str) -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            assert read(await world.ask(CHANNELS + path), status)["reason"].startswith(reason)

    asyncio.run(main())


def test_it_is_under_the_rule_and_where_the_application_comes() -> None:
    async def main() -> None:
        path = CHANNELS + "chat/presence"
        async with serving(telling(broadcast_secret="s")) as world:
            assert (await world.ask(path)).status == 403
            assert (await world.ask(path, "X-Broadcast-Secret: s")).status == 200
            assert (await world.ask(path, "X-Broadcast-Secret: s", method="HEAD")).body == b""
            assert (await world.ask(path, "X-Broadcast-Secret: s", method="PUT")).status == 405
        async with serving(telling(broadcast_listen="127.0.0.1:1")) as world:
            assert (await world.ask(path)).status == 404

    asyncio.run(main())


# -- what is kept ----------------------------------------------------------------------------------------

LOG: dict[str, Any] = {"log*": {"subscribe": "anyone", "publish": "anyone", "history": [1000, "1m"]}}


@asynccontextmanager
async def asked(driver: str, redis: RedisServer) -> AsyncIterator[tuple[World, World]]:
    """Where to publish and where to ask: on Redis two nodes."""
    if driver == "redis":
        async with nodes_on(redis.address, channel=LOG) as (one, two):
            yield one, two
    else:
        async with serving(realtime(channel=LOG)) as world:
            yield world, world


async def history(world: World, query: str = "", channel: str = "log", status: int = 200) -> dict[str, Any]:
    found: dict[str, Any] = read(
        await world.ask(f"{CHANNELS}{quote(channel, safe='')}/history{query}"), status
    )
    if status == 200:
        assert found.pop("channel") == channel
    return found


def payloads(found: dict[str, Any]) -> list[Any]:
    return [item["payload"] for item in found["items"]]


@pytest.mark.parametrize("driver", ["memory", "redis"])
def test_what_is_kept_as_clients_are_told(driver: str, redis: RedisServer) -> None:
    async def main() -> None:
        async with asked(driver, redis) as (one, two):
            found = await history(two)
            assert (found["offset"], found["items"], found["more"]) == (0, [], False)
            await one.realtime.publish("log", '{"a": 1.50}')
            author = await open_v1(one)
            await author.ask("publish", id=1, channel="log", payload=[2])
            await one.realtime.publish("log", "no JSON", exclude="c9")
            found = await history(two)
            told = await author.ask("history", id=2, channel="log")
            expected = {name: told[name] for name in ("epoch", "offset", "items", "more")}
            assert found == expected
            assert [item["offset"] for item in found["items"]] == [1, 2, 3]
            assert found["items"][1]["from"] == {"user": "u1", "client": author.name}
            assert found["items"][2].keys() == {"offset", "payload", "raw", "time"}
            # Digits stay as they were published.
            answered = await two.ask(f"{CHANNELS}log/history?last=3")
            assert b'"payload":{"a":1.50}' in answered.body

    asyncio.run(main())


@pytest.mark.parametrize("driver", ["memory", "redis"])
def test_pages_of_what_is_kept(driver: str, redis: RedisServer) -> None:
    async def main() -> None:
        async with asked(driver, redis) as (one, two):
            for number in range(1, 8):
                await one.realtime.publish("log", str(number))
            seen, query = [], "?limit=3"
            while query:
                page = await history(two, query)
                seen.append(payloads(page))
                assert page["more"] == ("next" in page)
                query = f"?limit=3&since={quote(page['next'])}" if page["more"] else ""
            assert seen == [[1, 2, 3], [4, 5, 6], [7]]
            page = await history(two, "?limit=2&reverse=true")
            assert payloads(page) == [7, 6]
            page = await history(two, f"?limit=2&reverse=true&since={page['next']}")
            assert payloads(page) == [5, 4]
            assert payloads(await history(two, "?last=2")) == [6, 7]
            assert payloads(await history(two, "?last=100&limit=2")) == [6, 7]
            page = await history(two, f"?since={page['epoch']}:7")
            assert (page["items"], page["more"]) == ([], False)

    asyncio.run(main())


@pytest.mark.parametrize("driver", ["memory", "redis"])
def test_a_position_that_nothing_follows_any_more(driver: str, redis: RedisServer) -> None:
    async def main() -> None:
        async with asked(driver, redis) as (one, two):
            await one.realtime.publish("log", "1")
            epoch = (await history(two))["epoch"]
            gone = await history(two, "?since=another:1", status=410)
            assert (gone["epoch"], gone["offset"]) == (epoch, 1)
            assert gone["reason"].startswith("the epoch is over, or some of what follows")

    asyncio.run(main())


def test_a_page_is_bounded_in_bytes() -> None:
    async def main() -> None:
        async with serving(realtime(channel=LOG)) as world:
            for number in range(5):
                await world.realtime.publish("log", json.dumps([number, "x" * 400_000]))
            page = await history(world)
            assert ([item[0] for item in payloads(page)], page["more"]) == ([0, 1], True)
            page = await history(world, f"?since={page['next']}")
            assert [item[0] for item in payloads(page)] == [2, 3]

    asyncio.run(main())


@pytest.mark.parametrize("name", [*(f"log{name}" for name in NAMES), "log/history"])
def test_streams_of_any_name_can_be_read(name: str) -> None:
    async def main() -> None:
        async with serving(realtime(channel=LOG)) as world:
            await world.realtime.publish(name, "1")
            assert payloads(await history(world, channel=name)) == [1]

    asyncio.run(main())


def test_while_redis_is_away_nothing_can_be_read(redis: RedisServer) -> None:
    async def main() -> None:
        async with nodes_on(redis.address, 1, channel=LOG) as (one,):
            redis.kill()
            await until(lambda: one.realtime.trouble)
            answered = await one.ask(f"{CHANNELS}log/history")
            assert "reason" in read(answered, 503)
            assert int(answered.header("Retry-After") or 0) >= 1

    asyncio.run(main())
