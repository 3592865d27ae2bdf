"""Who is let in, by a whole server: tokens, the application behind them, and nobody."""

from __future__ import annotations

import asyncio
import time
from base64 import urlsafe_b64encode
from typing import Any

import jwt
import pytest

from tests.support.auth_endpoint import answer, endpoint
from tests.support.realtime_world import UPGRADE, World, serving, until
from tornado_realtime.auth import ANONYMOUS
from tornado_realtime.realtime import Realtime

SECRET = "k" * 32


def token(**claims: Any) -> str:
    return jwt.encode({"sub": "ada", **claims}, SECRET)


def users(world: World) -> list[str]:
    return sorted(connection.user.id for connection in world.hub.connections)


def test_a_token_among_the_subprotocols_is_not_echoed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")

    async def main() -> None:
        async with serving(Realtime(jwt={"secret": SECRET})) as world:
            encoded = urlsafe_b64encode(token().encode()).decode().rstrip("=")
            for shown in (token(), encoded):
                client = await world.connect()
                offer = f"Sec-WebSocket-Protocol: realtime.v9, bearer.{shown}"
                answered = await client.request("GET", "/ws", *UPGRADE, offer)
                assert answered.status == 101
                assert answered.header("Sec-WebSocket-Protocol") is None
                assert users(world) == ["ada"]
                client.close()
            refused = await world.knock(*UPGRADE, f"Sec-WebSocket-Protocol: bearer.{token(exp=1)}")
            assert refused.status == 401
            assert encoded not in caplog.text
            assert token() not in caplog.text

    asyncio.run(main())


@pytest.mark.parametrize("options", [{}, {"auth_endpoint": True}])
def test_the_endpoint_is_asked_only_if_named_and_never_about_a_bad_token(options: dict[str, Any]) -> None:
    async def main() -> None:
        async with endpoint(answer(200, b'{"id":"eve"}')) as auth:
            block = {"secret": SECRET} | ({"auth_endpoint": auth.url} if options else {})
            async with serving(Realtime(jwt=block)) as world:
                session = "Cookie: PHPSESSID=x"
                assert (await world.knock(*UPGRADE, session)).status == (101 if options else 401)
                assert len(auth.asked) == len(options)
                assert (await world.knock(*UPGRADE, f"{session}; AUTH_TOKEN=bad")).status == 401
                assert (await world.knock(*UPGRADE, session, "Authorization: Bearer bad")).status == 401
                assert (await world.knock(*UPGRADE, f"{session}; AUTH_TOKEN={token()}")).status == 101
                assert len(auth.asked) == len(options)

    asyncio.run(main())


def test_the_endpoint_alone_gets_the_token_as_a_header() -> None:
    async def main() -> None:
        async with endpoint() as auth, serving(Realtime(auth_endpoint=auth.url)) as world:
            offer = "Sec-WebSocket-Protocol: bearer.b3BhcXVl"
            assert (await world.knock(*UPGRADE, offer)).status == 101
            assert (await world.knock(*UPGRADE, offer, "Authorization: Basic abc")).status == 101
            sent = [asked.headers["Authorization"] for asked in auth.asked]
            assert sent == ["Bearer opaque", "Basic abc"]
            assert all("Sec-Websocket-Protocol" not in asked.headers for asked in auth.asked)

    asyncio.run(main())


# -- nobody ----------------------------------------------------------------------------------------------


def counted(world: World) -> dict[str, float]:
    """The logins that are counted, and how often."""
    values = world.hub.metrics.values()
    return {
        name.removeprefix("logins_"): value for name, value in values.items() if "logins_" in name and value
    }


def test_anonymous_must_be_asked_for() -> None:
    async def main() -> None:
        async with serving(Realtime(jwt={"secret": SECRET})) as world:
            assert (await world.knock()).status == 401
            assert counted(world) == {"refused_missing": 1}
        public: dict[str, Any] = {"news": {"subscribe": "anyone"}}
        async with serving(Realtime(jwt={"secret": SECRET}, anonymous="on", channel=public)) as world:
            client = await world.open()
            await client.say('{"action":"subscribe","channel":"for members"}')
            await client.say('{"action":"subscribe","channel":"news"}')
            await until(lambda: world.hub.subscribers("news"))
            assert world.hub.subscribers("for members") == 0
            (connection,) = world.hub.connections
            assert connection.user is ANONYMOUS
            assert connection.user.is_anonymous
            await world.realtime.publish("news", "hello")
            assert await client.text() == b"hello"

    asyncio.run(main())


def test_what_is_shown_and_bad_never_becomes_anonymous() -> None:
    async def main() -> None:
        async with serving(Realtime(jwt={"secret": SECRET}, anonymous="on")) as world:
            for shown in (
                f"Cookie: AUTH_TOKEN={token(exp=1)}",
                "Cookie: AUTH_TOKEN=rubbish",
                f"Authorization: Bearer {token(sub='')}",
                "Sec-WebSocket-Protocol: bearer.rubbish",
            ):
                assert (await world.knock(*UPGRADE, shown)).status == 401, shown
            assert counted(world) == {"refused_token": 3, "refused_expired": 1}
            # These say nothing about who it is.
            for shown in ("Cookie: theme=dark; AUTH_TOKEN=", "Authorization: Basic Zm9vOmJhcg=="):
                assert (await world.knock(*UPGRADE, shown)).status == 101, shown
            assert counted(world) == {"refused_token": 3, "refused_expired": 1, "anonymous": 2}

    asyncio.run(main())


def test_a_token_that_was_good_is_not_anonymous_after_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with serving(Realtime(jwt={"secret": SECRET}, anonymous="on")) as world:
            shown = f"Cookie: AUTH_TOKEN={token(exp=int(time.time()) + 100)}"
            assert (await world.knock(*UPGRADE, shown)).status == 101
            later = time.time() + 200
            monkeypatch.setattr(time, "time", lambda: later)
            assert (await world.knock(*UPGRADE, shown)).status == 401
            assert counted(world) == {"refused_expired": 1}

    asyncio.run(main())


def test_the_endpoint_is_asked_about_everybody_who_shows_something() -> None:
    async def main() -> None:
        async with endpoint(
            answer(401), answer(200, b'{"anonymous":true}'), answer(200, b'{"id":""}')
        ) as auth:
            async with serving(Realtime(auth_endpoint=auth.url, anonymous="on")) as world:
                assert (await world.knock()).status == 101
                assert len(auth.asked) == 0
                assert [(await world.knock(*UPGRADE, "Cookie: a=b")).status for _ in range(3)] == [
                    401,
                    101,
                    500,
                ]
                assert counted(world) == {"anonymous": 2, "refused_application": 1, "failed": 1}
            auth.answers = [answer(200, b'{"anonymous":true}')]
            async with serving(Realtime(auth_endpoint=auth.url)) as world:
                assert (await world.knock()).status == 401

    asyncio.run(main())


@pytest.mark.parametrize("anonymous", [True, False])
def test_a_function_may_know_visitors_by_anything(anonymous: bool) -> None:
    answers: dict[str | None, Any] = {"ada": "ada", "any": ANONYMOUS, None: None}

    async def main() -> None:
        options: dict[str, Any] = {"anonymous": "on"} if anonymous else {}
        realtime = Realtime(authenticate=lambda request: answers[request.headers.get("X-Name")], **options)
        async with serving(realtime) as world:
            assert (await world.knock(*UPGRADE, "X-Name: ada")).status == 101
            assert (await world.knock(*UPGRADE, "X-Name: any")).status == (101 if anonymous else 401)
            assert (await world.knock(*UPGRADE)).status == (101 if anonymous else 401)
            assert (await world.knock(*UPGRADE, "Cookie: a=b")).status == 401

    asyncio.run(main())
