"""Who is where, asked by HTTP: of one node, of two on one Redis, and through a site."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.rawhttp import Answered
from tests.support.realtime_world import World, nodes_on, realtime, serving, until
from tests.support.redis_server import RedisServer
from tests.support.roads import road
from tests.support.v1_world import open_v1
from tornado_realtime import Realtime

CHANNELS, USERS = "/internal/channels", "/internal/users/"
ONE = {"answered": 1, "missing": 0}
NAMES = [
    "a/b",
    "a%2Fb",
    "..",
    ".",
    "a/../b",
    "//",
    "ž\N{PARTY POPPER}",
    "a b+c",
    "?x=1&y#z",
    "%",
    "users/",
    '"',
]


def read(answered: Answered, status: int = 200) -> Any:
    assert answered.status == status, answered
    assert answered.header("Content-Type") == "application/json"
    assert answered.header("Cache-Control") == "no-store"
    assert answered.header("X-Content-Type-Options") == "nosniff"
    return json.loads(answered.body)


async def channels(world: World, query: str = "") -> Any:
    return read(await world.ask(CHANNELS + query))


def entries(**subscribers: int) -> list[dict[str, Any]]:
    return [{"name": name, "subscribers": count} for name, count in subscribers.items()]


def test_channels_with_their_subscribers_a_page_at_a_time() -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            assert await channels(world) == {"channels": [], "nodes": ONE}
            await world.open("b1", "b2", "a")
            client = await world.open("b1")
            assert await channels(world) == {"channels": entries(a=1, b1=2, b2=1), "nodes": ONE}
            page = await channels(world, "?limit=2")
            assert page == {"channels": entries(a=1, b1=2), "next": "b1", "nodes": ONE}
            page = await channels(world, f"?limit=2&after={page['next']}")
            assert page == {"channels": entries(b2=1), "nodes": ONE}
            assert (await channels(world, "?prefix=b&limit=1"))["next"] == "b1"
            assert (await channels(world, "?prefix=c"))["channels"] == []
            client.vanish()
            await until(lambda: world.hub.subscribers("b1") == 1)
            assert (await channels(world))["channels"] == entries(a=1, b1=1, b2=1)

    asyncio.run(main())


def test_names_of_any_kind_are_found() -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            client = await open_v1(world, *NAMES)
            names = [entry["name"] for entry in (await channels(world))["channels"]]
            assert names == sorted(NAMES)
            for name in NAMES:
                query = f"?prefix={quote(name, safe='')}&limit=1"
                assert (await channels(world, query))["channels"][0]["name"].startswith(name)
            assert client.name

    asyncio.run(main())


def test_the_connections_of_a_user_and_of_one_who_is_not_there() -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            await world.open("news", "chat")
            client = await open_v1(world, "chat")
            found = read(await world.ask(USERS + "u1"))
            node = world.hub.broker.node_id
            assert found == {
                "user": "u1",
                "count": 2,
                "connections": [
                    {"node": node, "wire": "raw", "channels": ["chat", "news"]},
                    {"node": node, "client": client.name, "wire": "realtime.v1.json", "channels": ["chat"]},
                ],
                "nodes": ONE,
            }
            found = read(await world.ask(USERS + "u1?limit=1"))
            assert (found["count"], len(found["connections"])) == (2, 1)
            nobody = {"user": "eve", "count": 0, "connections": [], "nodes": ONE}
            assert read(await world.ask(USERS + "eve")) == nobody

    asyncio.run(main())


@pytest.mark.parametrize("user", NAMES)
@pytest.mark.parametrize("prefix", ["", "/rt/ž"])
def test_users_of_any_kind_are_found(user: str, prefix: str) -> None:
    async def main() -> None:
        instance = realtime(prefix=prefix, authenticate=lambda request: user)
        async with serving(instance) as world:
            await world.open(path=quote(prefix) + "/ws")
            for encoded in (quote(user, safe=""), quote(user).replace(".", "%2e")):
                found = read(await world.ask(quote(prefix) + "/%69nternal/users%2F" + encoded))
                assert (found["user"], found["count"]) == (user, 1)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        (CHANNELS + "?limt=5", 400, "'limt' is not known here (did you mean limit?)"),
        (CHANNELS + "?page=5", 400, "'page' is not known here (there are after, limit, prefix)"),
        (CHANNELS + "?limit=", 400, "limit must be a whole number from 1 to 1000"),
        (CHANNELS + "?limit=0", 400, "limit must be a whole number from 1 to 1000"),
        (CHANNELS + "?limit=1001", 400, "limit must be a whole number from 1 to 1000"),
        (CHANNELS + "?limit=1" + "0" * 5000, 400, "limit must be a whole number from 1 to 1000"),
        (CHANNELS + "?limit=-1", 400, "limit must be a whole number from 1 to 1000"),
        (CHANNELS + "?prefix=%zz", 400, "the query cannot be read: percent-encode it, in UTF-8"),
        (CHANNELS + "?prefix=%ff", 400, "the query cannot be read: percent-encode it, in UTF-8"),
        (USERS + "%ff", 400, "the user's id is not UTF-8, percent-encoded"),
        (USERS + "ada?after=x", 400, "'after' is not known here (there are limit)"),
        (USERS, 404, "a user's id belongs at the end of the path"),
    ],
)
def test_what_makes_no_sense(path: str, status: int, reason: str) -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            assert read(await world.ask(path), status) == {"reason": reason}

    asyncio.run(main())


def test_the_rule_the_method_and_a_listener_of_their_own() -> None:
    async def main() -> None:
        async with serving(realtime(broadcast_secret="s")) as world:
            for path in (CHANNELS, USERS + "u1"):
                assert (await world.ask(path)).body == b"Forbidden\n"
                assert (await world.ask(path, "X-Broadcast-Secret: s")).status == 200
                assert (await world.ask(path, "X-Broadcast-Secret: s", method="HEAD")).body == b""
                refused = await world.ask(path, "X-Broadcast-Secret: s", method="POST")
                assert (refused.status, refused.header("Allow")) == (405, "GET, HEAD")
            assert not world.realtime.serves(CHANNELS + "x")
        async with serving(realtime()) as world:
            assert (await world.ask(CHANNELS, "Cookie: a=b")).status == 403
        async with serving(realtime(broadcast_listen="127.0.0.1:1", broadcast_secret="s")) as world:
            assert (await world.ask(CHANNELS, "X-Broadcast-Secret: s")).status == 404
        async with serving(realtime(), start=False) as world:
            assert (await world.ask(CHANNELS)).status == 503

    asyncio.run(main())


@pytest.mark.parametrize("user", ["a/b", "a%2Fb", "a/../b", "ž"])
def test_through_a_site_that_lets_internal_paths_through(user: str) -> None:
    text = """:0 {
        @realtime path /ws /internal/*
        go_handler @realtime {
            jwt {
                secret "a secret of at least thirty-two bytes"
            }
        }
    }"""

    async def main() -> None:
        async with road(text, lane=True) as running:
            head = (
                f"GET {USERS}{quote(user, safe='')} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            )
            answer = await running.say(head.encode())
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            body = json.loads(answer.partition(b"\r\n\r\n")[2].partition(b"|")[0])
            assert (body["user"], body["count"]) == (user, 0)

    asyncio.run(main())


def test_of_two_nodes(redis: RedisServer) -> None:
    async def main() -> None:
        async with nodes_on(redis.address) as (one, two):
            await one.open("a", "c")
            await two.open("a", "b")
            await two.open("a")
            both = {"answered": 2, "missing": 0}
            for world in (one, two):
                found = await channels(world, "?limit=2")
                assert found == {"channels": entries(a=3, b=1), "next": "b", "nodes": both}
                found = read(await world.ask(USERS + "u1"))
                assert (found["count"], found["nodes"]) == (3, both)
                assert {place["node"] for place in found["connections"]} == {
                    one.hub.broker.node_id,
                    two.hub.broker.node_id,
                }
            redis.kill()
            await until(lambda: one.realtime.trouble)
            answered = await one.ask(CHANNELS)
            assert read(answered, 503)["reason"].startswith("it cannot be found out now: ")
            assert int(answered.header("Retry-After") or 0) >= 1

    asyncio.run(main())


def test_a_node_that_does_not_tell_is_missing(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tornado_realtime.hub.directory.PATIENCE", 0.2)

    async def main() -> None:
        async with nodes_on(redis.address) as (one, two):
            await two.open("news")
            for kind in ("channels", "user"):
                two.hub.nodes._handlers.pop(kind)
            assert await channels(one) == {"channels": [], "nodes": {"answered": 1, "missing": 1}}
            assert read(await one.ask(USERS + "u1"))["nodes"] == {"answered": 1, "missing": 1}

    asyncio.run(main())


def test_nobody_in_particular_is_counted_on_channels_alone() -> None:
    async def main() -> None:
        options: dict[str, Any] = {"anonymous": "on", "channel": {"news": {"subscribe": "anyone"}}}
        async with serving(Realtime(authenticate=lambda request: None, **options)) as world:
            await world.open("news")
            assert read(await world.ask(USERS + "None"))["count"] == 0
            assert (await channels(world))["channels"] == entries(news=1)

    asyncio.run(main())
