"""Who is let in, by a whole server: tokens, the application behind them, and nobody."""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64encode
from typing import Any

import jwt
import pytest

from tests.support.auth_endpoint import answer, endpoint
from tests.support.realtime_world import UPGRADE, World, serving
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
