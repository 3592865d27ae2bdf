"""Logins that the application knows, prolonged on an open connection: what is asked, and what comes of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tornado.httputil import HTTPServerRequest

from tests.support.auth_endpoint import Endpoint, answer, endpoint
from tests.support.certificates import TlsPair, make_tls_pair
from tests.support.realtime_world import World, serving, until
from tests.support.v1_world import PROTOCOL, V1Client, open_v1
from tornado_realtime.realtime import Realtime


def who(name: str = "u1", **more: Any) -> bytes:
    """What the endpoint says of somebody."""
    return answer(200, json.dumps({"id": name, **more}).encode())


@asynccontextmanager
async def asked(
    *answers: bytes, tls: TlsPair | None = None, **options: Any
) -> AsyncIterator[tuple[Endpoint, World]]:
    """An instance that asks an endpoint which gives these answers."""
    async with (
        endpoint(*answers) as found,
        serving(Realtime(auth_endpoint=found.url, **options), tls=tls) as world,
    ):
        yield found, world


COOKIE = (PROTOCOL, "Cookie: SESSION=abc", "User-Agent: browser")


async def refresh(client: V1Client, token: str = "newer") -> dict[str, Any]:
    return await client.ask("refresh", id=1, token=token)


@pytest.mark.parametrize("secure", [False, True])
def test_the_application_is_asked_with_the_new_token_alone(secure: bool, tmp_path: Path) -> None:
    tls = make_tls_pair(tmp_path) if secure else None

    async def main() -> None:
        async with asked(who(ttl=50), who(ttl=500), tls=tls) as (found, world):
            client = await open_v1(world, fields=COOKIE)
            assert client.welcome["features"] == ["publish", "refresh"]
            assert client.welcome["ttl"] == 50
            (connection,) = world.hub.connections
            before = connection.expires
            assert before is not None
            assert await refresh(client) == {"type": "refreshed", "id": 1, "ttl": 500}
            assert connection.expires is not None
            assert connection.expires > before + 400
            assert found.asked[0].headers["Cookie"] == "SESSION=abc"
            assert found.asked[1].line == "GET /auth.php HTTP/1.1"
            assert sorted(found.asked[1].headers.get_all()) == [
                ("Authorization", "Bearer newer"),
                ("Host", f"127.0.0.1:{found.port}"),
                ("X-Forwarded-For", "127.0.0.1"),
                ("X-Real-Ip", "127.0.0.1"),
            ]

    asyncio.run(main())


REFUSALS = [
    (who("u2"), {"error": "unauthorized", "code": 101, "retry": False}),
    (answer(401), {"error": "unauthorized", "code": 101, "retry": False}),
    (answer(200, b'{"anonymous": true}'), {"error": "unauthorized", "code": 101, "retry": False}),
    (who(ttl=-1), {"error": "token expired", "code": 109, "retry": True}),
    (answer(200, b"nonsense"), {"error": "internal error", "code": 100, "retry": True}),
]


@pytest.mark.parametrize(("said", "error"), REFUSALS)
def test_what_it_refuses_changes_nothing(
    said: bytes, error: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with asked(who(ttl=50), said, who(ttl=500)) as (_, world):
            client = await open_v1(world, fields=COOKIE)
            (connection,) = world.hub.connections
            before = (connection.user, connection.expires)
            assert await refresh(client) == {"type": "error", "id": 1, **error}
            assert (connection.user, connection.expires) == before
            assert (await refresh(client))["ttl"] == 500

    asyncio.run(main())
    assert "newer" not in caplog.text


def test_it_is_spared_as_at_handshakes() -> None:
    """Equal questions at the same time are one, a yes is remembered, and the longest line is refused."""

    async def main() -> None:
        waiting: asyncio.Event = asyncio.Event()

        async def late(writer: asyncio.StreamWriter) -> None:
            await waiting.wait()
            writer.write(who(ttl=500))

        options: dict[str, Any] = {"auth_cache": 9, "auth_concurrency": [1, 1], "auth_timeout": 4}
        async with asked(who(), **options) as (found, world):
            clients = [await open_v1(world, fields=COOKIE) for _ in range(4)]
            assert len(found.asked) == 1
            found.behaviour = late
            for client, token in zip(clients, ("one", "one", "two", "three"), strict=True):
                await client.say("refresh", id=1, token=token)
                await asyncio.sleep(0)
            assert await clients[3].hear() == {
                "type": "error",
                "id": 1,
                "error": "too many requests",
                "code": 111,
                "retry": True,
                "after": 4000,
            }
            waiting.set()
            assert [(await client.hear())["ttl"] for client in clients[:3]] == [500] * 3
            assert [each.headers["Authorization"] for each in found.asked[1:]] == ["Bearer one", "Bearer two"]
            assert (await refresh(clients[3], "two"))["ttl"] == 500
            assert len(found.asked) == 3

    asyncio.run(main())


def test_who_leaves_is_not_asked_about_any_more() -> None:
    async def main() -> None:
        async def never(writer: asyncio.StreamWriter) -> None:
            await asyncio.Event().wait()

        async with asked(who()) as (found, world):
            client = await open_v1(world, fields=COOKIE)
            found.behaviour = never
            await client.say("refresh", id=1, token="newer")
            await until(lambda: len(found.asked) == 2)
            client.socket.close()
            await until(lambda: not world.hub.connections)
            assert not world.hub._talk._refreshing

    asyncio.run(main())


def test_what_can_stand_in_no_header_is_not_asked_about() -> None:
    async def main() -> None:
        async with asked(who()) as (found, world):
            client = await open_v1(world, fields=COOKIE)
            for token in ("a\r\nCookie: SESSION=other", "a b", "Zoë", "\x00"):
                assert (await refresh(client, token))["code"] == 101
            assert len(found.asked) == 1

    asyncio.run(main())


def test_a_proxy_is_not_taken_for_the_visitor() -> None:
    async def main() -> None:
        async with asked(who(), trusted_proxies="127.0.0.1") as (found, world):
            client = await open_v1(world, fields=(*COOKIE, "X-Forwarded-For: 192.0.2.7"))
            await refresh(client)
            assert found.asked[0].headers["X-Real-IP"] == "192.0.2.7"
            assert "X-Real-IP" not in found.asked[1].headers

    asyncio.run(main())


def test_who_is_asked_about_channels_is_told_of_the_newer_login() -> None:
    async def main() -> None:
        async with endpoint(answer(204)) as channels:
            block = {"room": {"subscribe": ["endpoint", channels.url]}}
            async with asked(who(), channel=block, trusted_proxies="127.0.0.1") as (found, world):
                client = await open_v1(world, fields=(*COOKIE, "X-Forwarded-For: 192.0.2.7"))
                await refresh(client)
                assert found.asked[1].headers["X-Real-IP"] == "192.0.2.7"
                await client.ask("subscribe", channel="room")
                (told,) = channels.asked
                assert told.headers["Authorization"] == "Bearer newer"
                assert (told.headers["Cookie"], told.headers["X-Real-IP"]) == ("SESSION=abc", "192.0.2.7")

    asyncio.run(main())


def test_the_function_of_an_application_sees_a_request_with_the_token() -> None:
    seen: list[HTTPServerRequest] = []

    def authenticate(request: HTTPServerRequest) -> dict[str, Any] | None:
        seen.append(request)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return {"id": "u1", "ttl": {"": 50, "newer": 500}[token]} if token in ("", "newer") else None

    async def main() -> None:
        async with serving(Realtime(authenticate=authenticate, prefix="/live")) as world:
            client = await open_v1(world)
            assert (await refresh(client))["ttl"] == 500
            assert (await refresh(client, "other"))["code"] == 101

    asyncio.run(main())
    first, second, _ = seen
    assert (second.method, second.path) == (first.method, first.path) == ("GET", "/live/ws")
    assert second.remote_ip == first.remote_ip == "127.0.0.1"
    assert second.cookies == {}
    assert second.arguments == {}
