"""Claims, channel tokens and channel endpoints, from a login to a subscription."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest

from tests.support.auth_endpoint import answer, endpoint
from tests.support.lane_requests import JWT_SECRET, token, upgrade_fields
from tests.support.realtime_world import UPGRADE, WebSocketClient, World, serving
from tests.support.roads import road
from tests.support.v1_world import open_v1
from tornado_realtime.realtime import Realtime

SUBSCRIBED = b'{"type":"subscribed","channel":"room"}'
DENIED = b'{"type":"error","channel":"room","error":"permission denied"}'
UNDECIDED = b'{"type":"error","channel":"room","error":"internal error"}'
ASK = '{"action":"subscribe","channel":"room"}'


def showing(shown: object) -> str:
    return f'{{"action":"subscribe","channel":"room","token":{shown}}}'


async def logged_in(world: World, **claims: Any) -> WebSocketClient:
    return await world.open(fields=[f"Cookie: AUTH_TOKEN={token('u1', **claims)}"])


def by_token(**rule: Any) -> Realtime:
    return Realtime(
        jwt={"secret": JWT_SECRET}, wire="envelope", channel={"room": rule}, max_message_size=1024
    )


def test_the_claims_of_a_token_decide() -> None:
    async def main() -> None:
        async with serving(by_token(subscribe=["claim", "rooms"])) as world:
            for rooms, said in ((["r*"], SUBSCRIBED), (["x"], DENIED), (None, DENIED)):
                client = await logged_in(world, rooms=rooms)
                await client.say(ASK)
                assert await client.text() == said

    asyncio.run(main())


def test_the_claims_of_an_answer_decide() -> None:
    async def main() -> None:
        async with endpoint(answer(200, b'{"id":"u1","rooms":["room"]}')) as auth:
            options: dict[str, Any] = {"channel": {"room": {"subscribe": ["claim", "rooms"]}}}
            async with serving(Realtime(auth_endpoint=auth.url, wire="envelope", **options)) as world:
                client = await world.open()
                await client.say(ASK)
                assert await client.text() == SUBSCRIBED

    asyncio.run(main())


def test_the_claims_of_a_function_s_answer_decide() -> None:
    async def main() -> None:
        options: dict[str, Any] = {"channel": {"room": {"subscribe": ["claim", "rooms"]}}}
        made = Realtime(authenticate=lambda r: {"id": "u1", "rooms": "room"}, wire="envelope", **options)
        async with serving(made) as world:
            client = await world.open()
            await client.say(ASK)
            assert await client.text() == SUBSCRIBED

    asyncio.run(main())


def test_a_channel_token_opens_its_channel_and_is_no_login() -> None:
    async def main() -> None:
        async with serving(by_token(subscribe="token")) as world:
            client = await logged_in(world)
            good = token("u1", channel="room", exp=int(time.time()) + 60)
            for shown in (None, '""', "7", '{"a":[1]}', f'"{token("u1")}"', f'"{good[:-2]}"'):
                await client.say(ASK if shown is None else showing(shown))
                assert await client.text() == DENIED
            await client.say(showing(f'"{good}"'))
            assert await client.text() == SUBSCRIBED
            assert (await world.knock(*UPGRADE, f"Cookie: AUTH_TOKEN={good}")).status == 401

    asyncio.run(main())


def test_a_token_is_not_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with serving(by_token(subscribe="token")) as world:
            client = await logged_in(world)
            await client.say(showing(f'"{token("u2", channel="room")}"'))
            assert await client.text() == DENIED

    caplog.set_level(0)
    asyncio.run(main())
    assert any("subscription refused by subscribe token of channel room" in line for line in caplog.messages)
    assert "eyJ" not in caplog.text


# -- the application ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("lane", [False, True])
def test_the_application_is_asked_on_both_roads(lane: bool) -> None:
    async def main() -> None:
        async with endpoint(answer(204)) as backend:
            url = f"http://127.0.0.1:{backend.port}/may.php?v=1"
            text = f"""
            http://:0 {{
                go_handler {{
                    wire envelope
                    jwt {{
                        secret "{JWT_SECRET}"
                    }}
                    channel room {{
                        subscribe endpoint {url}
                    }}
                }}
            }}
            """
            async with road(text, lane=lane) as running:
                reader, writer = await asyncio.open_connection("127.0.0.1", running.port())
                client = WebSocketClient(reader, writer)
                fields = upgrade_fields("User-Agent: Test", "X-Forwarded-For: 6.6.6.6")
                assert (await client.request("GET", "/ws", *fields)).status == 101
                assert running.at_site == (0 if lane else 1)
                await client.say(ASK)
                assert await client.text() == SUBSCRIBED
                client.close()
            (asked,) = backend.asked
            parts = urlsplit(asked.line.split()[1])
            assert (parts.path, parse_qs(parts.query)) == (
                "/may.php",
                {"v": ["1"], "channel": ["room"], "action": ["subscribe"], "user": ["u7"]},
            )
            told = {name: asked.headers.get(name) for name in ("User-Agent", "X-Forwarded-For", "X-Real-IP")}
            assert told == {"User-Agent": "Test", "X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1"}
            assert asked.headers["Cookie"] == f"theme=dark; AUTH_TOKEN={token()}"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (answer(200), SUBSCRIBED),
        (answer(204), SUBSCRIBED),
        (answer(201), DENIED),
        (answer(302, b"", "Location: http://127.0.0.1:1/"), UNDECIDED),
        (answer(401), DENIED),
        (answer(403), DENIED),
        (answer(404), DENIED),
        (answer(500), UNDECIDED),
        (answer(503), UNDECIDED),
        (b"SSH-2.0-OpenSSH\r\n\r\n", UNDECIDED),
    ],
)
def test_what_is_made_of_its_answer(given: bytes, said: bytes) -> None:
    async def main() -> None:
        async with (
            endpoint(given) as backend,
            serving(by_token(subscribe=["endpoint", backend.url])) as world,
        ):
            client = await logged_in(world)
            await client.say(ASK)
            assert await client.text() == said

    asyncio.run(main())


def test_equal_questions_are_asked_once_and_a_yes_is_remembered() -> None:
    async def main() -> None:
        async with endpoint(answer(200)) as backend:
            made = Realtime(
                jwt={"secret": JWT_SECRET},
                wire="envelope",
                auth_cache="10s",
                channel={"room": {"subscribe": ["endpoint", backend.url]}},
            )
            async with serving(made) as world:
                clients = [await logged_in(world) for _ in range(5)]
                for client in clients:
                    await client.say(ASK)
                assert [await client.text() for client in clients] == [SUBSCRIBED] * 5
                assert len(backend.asked) == 1
                other = await world.open(fields=[f"Cookie: AUTH_TOKEN={jwt_of('u2')}"])
                await other.say(ASK)
                assert await other.text() == SUBSCRIBED
                assert len(backend.asked) == 2

    asyncio.run(main())


def jwt_of(user: str) -> str:
    return jwt.encode({"sub": user}, JWT_SECRET)


def test_a_function_decides_and_a_block_beside_it_says_what_else_holds() -> None:
    async def main() -> None:
        instance = Realtime(
            authenticate=lambda request: "u1",
            authorize=lambda user, channel, action: channel == "room",
            channel={"*": {"presence": "on"}},
        )
        async with serving(instance) as world:
            client = await open_v1(world)
            assert (await client.ask("subscribe", channel="room", presence=True))["count"] == 1
            assert (await client.ask("subscribe", channel="other"))["error"] == "permission denied"

    asyncio.run(main())
