"""Ending a user's connections, and refusing their older logins: by HTTP and in Python, on every node."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import jwt
import pytest

from tests.support.busy_endpoint import busy_endpoint
from tests.support.rawhttp import Answered
from tests.support.realtime_world import UPGRADE, World, realtime, serving, until
from tests.support.redis_server import RedisServer
from tests.support.roads import server_of
from tornado_realtime import BrokerUnavailableError
from tornado_realtime.realtime import Realtime

SECRET = "k" * 32
PATH = "/internal/disconnect"
FORM = "Content-Type: application/x-www-form-urlencoded"
JSON = "Content-Type: application/json"


def cookie(user: str = "ada", **claims: Any) -> str:
    return f"Cookie: AUTH_TOKEN={jwt.encode({'sub': user, **claims}, SECRET)}"


async def send(world: World, body: bytes, kind: str = FORM, *more: str, method: str = "POST") -> Answered:
    client = await world.connect()
    try:
        return await client.request(method, PATH, kind, *more, body=body)
    finally:
        client.close()


def read(answered: Answered) -> Any:
    assert answered.header("Content-Type") == "application/json"
    return json.loads(answered.body)


@pytest.mark.parametrize("wire", ["raw", "envelope"])
def test_only_the_connections_of_this_user_end(wire: str) -> None:
    async def main() -> None:
        async with serving(Realtime(jwt={"secret": SECRET}, wire=wire)) as world:
            mine = [await world.open(fields=[cookie()]) for _ in range(2)]
            other = await world.open("news", fields=[cookie("bob")])
            answered = await send(world, b"user=ada")
            assert (answered.status, read(answered)) == (200, {"closed": 2})
            for client in mine:
                assert await client.closed_with() == (1008, "disconnected")
            await other.silence()
            assert (world.hub.users.count("ada"), world.hub.users.count("bob")) == (0, 1)
            assert world.hub.metrics.values()["clients_disconnected"] == 2
            assert read(await send(world, b'{"user":"nobody"}', JSON)) == {"closed": 0}
            await world.open(fields=[cookie()])  # nothing was revoked

    asyncio.run(main())


def test_it_stands_under_the_rule_of_internal_paths() -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            assert (await send(world, b"user=ada", FORM, "Origin: http://localhost")).status == 403
            assert (await send(world, b"user=ada", FORM, "X-Forwarded-For: 127.0.0.1")).status == 403
            refused = await send(world, b"", method="GET")
            assert (refused.status, refused.header("Allow")) == (405, "POST")
        async with serving(realtime(broadcast_secret="s3cret")) as world:
            assert (await send(world, b"user=ada")).status == 403
            assert (await send(world, b"user=ada", FORM, "X-Broadcast-Secret: s3cret")).status == 200
        async with serving(realtime(broadcast_listen="127.0.0.1:1")) as world:
            assert (await send(world, b"user=ada")).status == 404
        async with serving(realtime(), start=False) as world:
            assert (await send(world, b"user=ada")).status == 503

    asyncio.run(main())


@pytest.mark.parametrize(
    ("body", "kind", "status", "reason"),
    [
        (b"", FORM, 400, "user is missing, or is no text"),
        (b"user=&before=1", FORM, 400, "user is missing, or is no text"),
        (b"user=%zz", FORM, 400, "the body is no form"),
        (b"user=%ff", FORM, 400, "the body is no form"),
        (b"user=ada&before=soon", FORM, 400, "before must be Unix seconds, or now"),
        (b"user=ada&before=-1", FORM, 400, "before must be Unix seconds, or now"),
        (b"user=ada&before=nan", FORM, 400, "before must be Unix seconds, or now"),
        (b'{"user":"ada","before":1e999}', JSON, 400, "before must be Unix seconds, or now"),
        (b'{"user":"ada","before":true}', JSON, 400, "before must be Unix seconds, or now"),
        (b'{"user":"ada","before":[1]}', JSON, 400, "before must be Unix seconds, or now"),
        (b'{"user":5}', JSON, 400, "user is missing, or is no text"),
        (b'{"user":"ada","befor":1}', JSON, 400, "'befor' is not known here; there are user and before"),
        (b'["ada"]', JSON, 400, "the body is no JSON object"),
        (b"[" * 50_000, JSON, 400, "the body is no JSON"),
        (
            b"user=ada",
            "Content-Type: text/plain",
            400,
            "the body must be application/x-www-form-urlencoded or",
        ),
        (b"user=ada", "Accept: */*", 400, "the body must be application/x-www-form-urlencoded or"),
        (b"user=" + b"a" * 70_000, FORM, 413, "the body has at most 65536 bytes"),
    ],
)
def test_what_makes_no_sense(body: bytes, kind: str, status: int, reason: str) -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            client = await world.open()
            answered = await send(world, body, kind)
            assert answered.status == status
            assert read(answered)["reason"].startswith(reason)
            await client.silence(0.01)

    asyncio.run(main())


def test_older_tokens_are_refused_from_then_on() -> None:
    async def main() -> None:
        async with serving(Realtime(jwt={"secret": SECRET})) as world:
            now = int(time.time())
            old, undated = cookie(iat=now - 100), cookie()
            client = await world.open(fields=[old])
            assert read(await send(world, b"user=ada&before=%d" % (now - 50))) == {"closed": 1}
            assert (await client.closed_with())[0] == 1008
            statuses = [
                (await world.knock(*UPGRADE, shown)).status
                for shown in (old, undated, cookie(iat=now - 50), cookie("bob", iat=now - 100))
            ]
            assert statuses == [401, 401, 101, 101]
            assert world.hub.metrics.values()["logins_refused_revoked"] == 2
            body = b'{"user":"bob","before":"now"}'
            assert read(await send(world, body, JSON))["closed"] in (0, 1)
            assert (await world.knock(*UPGRADE, cookie("bob", iat=now - 1))).status == 401

    asyncio.run(main())


def test_what_was_remembered_of_the_endpoint_is_forgotten() -> None:
    async def main() -> None:
        async with busy_endpoint() as app, serving(Realtime(auth_endpoint=app.url, auth_cache="1m")) as world:
            shown = "Cookie: id=ada"
            for _ in range(2):
                assert (await world.knock(*UPGRADE, shown)).status == 101
            assert app.asked == 1
            await world.realtime.disconnect("ada", before=time.time())
            assert (await world.knock(*UPGRADE, shown)).status == 101  # the endpoint still says yes
            assert app.asked == 2

    asyncio.run(main())


def test_somebody_who_is_revoked_while_the_endpoint_thinks_does_not_come_in() -> None:
    async def main() -> None:
        go_on = asyncio.Event()

        async def says(head: str) -> bytes:
            await go_on.wait()
            return b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{"id":"ada"}'

        async with (
            busy_endpoint(says) as app,
            serving(Realtime(auth_endpoint=app.url, auth_cache="1m")) as world,
        ):
            knocking = asyncio.create_task(world.knock())
            await until(lambda: app.asked)
            await world.realtime.disconnect("ada", before=time.time())
            go_on.set()
            assert (await knocking).status == 401
            # The late answer is not remembered: whoever comes now is asked about.
            assert [(await world.knock()).status for _ in range(3)] == [101] * 3
            assert app.asked == 2

    asyncio.run(main())


def test_in_python_from_any_loop() -> None:
    async def main() -> None:
        instance = Realtime(jwt={"secret": SECRET})
        async with serving(instance) as world:
            client = await world.open(fields=[cookie()])
            closed = await asyncio.to_thread(lambda: asyncio.run(instance.disconnect("ada")))
            assert closed == 1
            assert (await client.closed_with())[0] == 1008

    asyncio.run(main())


def test_on_every_node_and_on_those_that_come_later(redis: RedisServer) -> None:
    def node() -> Realtime:
        return Realtime(driver="redis", redis_address=redis.address, jwt={"secret": SECRET})

    async def main() -> None:
        async with serving(node()) as one, serving(node()) as two:
            await until(lambda: one.hub.broker.health.ready and two.hub.broker.health.ready)
            clients = [await world.open(fields=[cookie(iat=1)]) for world in (one, two, two)]
            assert read(await send(one, b"user=ada&before=2")) == {"closed": 3}
            for client in clients:
                assert (await client.closed_with())[0] == 1008
            for world in (one, two):
                assert (await world.knock(*UPGRADE, cookie(iat=1))).status == 401
                assert (await world.knock(*UPGRADE, cookie(iat=2))).status == 101
            async with serving(node()) as three:
                await until(lambda: len(three.realtime.revocations))
                assert (await three.knock(*UPGRADE, cookie(iat=1))).status == 401

    asyncio.run(main())


def test_without_the_broker_this_node_does_it_and_says_so(redis: RedisServer) -> None:
    async def main() -> None:
        instance = Realtime(driver="redis", redis_address=redis.address, jwt={"secret": SECRET})
        async with serving(instance) as world:
            await until(lambda: world.hub.broker.health.ready)
            client = await world.open(fields=[cookie(iat=1)])
            redis.stop()
            await until(lambda: not world.hub.broker.health.ready)
            with pytest.raises(BrokerUnavailableError):
                await instance.disconnect("bob")
            answered = await send(world, b"user=ada&before=2")
            assert answered.status == 503
            assert answered.header("Retry-After")
            assert read(answered)["reason"].startswith("only this node could be told, or it is not known")
            assert (await client.closed_with())[0] == 1008
            assert (await world.knock(*UPGRADE, cookie(iat=1))).status == 401

    asyncio.run(main())


def test_a_reload_goes_on_refusing_where_the_users_are_the_same() -> None:
    def text(secret: str, wire: str) -> str:
        return f"http://:0 {{\ngo_handler {{\njwt {{\nsecret {secret}\n}}\nwire {wire}\n}}\n}}\n"

    old = server_of(text(SECRET, "raw"))
    old.realtimes[0].revocations.revoke("ada", 1000.0)
    for caddyfile, refused in ((text(SECRET, "envelope"), 1), (text("o" * 32, "raw"), 0)):
        (new,) = server_of(caddyfile, old).realtimes
        assert new is not old.realtimes[0]
        assert len(new.revocations) == refused
