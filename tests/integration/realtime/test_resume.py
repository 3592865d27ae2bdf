"""Coming back with a resume ticket, through a whole server."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

import jwt
import pytest

from tests.integration.realtime.test_published_keys import NEW, OLD, jwk, key_set, token
from tests.support.auth_endpoint import answer, endpoint
from tests.support.busy_endpoint import busy_endpoint
from tests.support.realtime_world import UPGRADE, World, serving
from tests.support.roads import road
from tests.support.v1_world import PROTOCOL, open_v1
from tornado_realtime.errors import ConfigError
from tornado_realtime.realtime import Realtime

SECRET, KEY = "s" * 32, "k" * 32
LOGIN = "Cookie: id=ada"


async def come(world: World, *fields: str) -> tuple[int, str]:
    """Status, and the ticket's cookie."""
    answered = await world.knock(*UPGRADE, *fields)
    return answered.status, (answered.header("Set-Cookie") or "").partition(";")[0]


def counted(world: World) -> tuple[float, float]:
    values = world.hub.metrics.values()
    return values["tickets_issued"], values["tickets_taken"]


def test_it_must_be_asked_for() -> None:
    async def main() -> None:
        async with busy_endpoint() as app, serving(Realtime(auth_endpoint=app.url)) as world:
            assert await come(world, LOGIN) == (101, "")

    asyncio.run(main())


def test_with_the_same_login_nobody_is_asked() -> None:
    async def main() -> None:
        async with busy_endpoint() as app:
            realtime = Realtime(auth_endpoint=app.url, resume="10m")
            async with serving(realtime) as world:
                status, ticket = await come(world, LOGIN)
                assert (status, app.asked) == (101, 1)
                for _ in range(3):
                    assert await come(world, f"{LOGIN}; {ticket}") == (101, "")
                value = ticket.removeprefix("REALTIME_TICKET=")
                assert await come(world, LOGIN, f"Sec-WebSocket-Protocol: ticket.{value}") == (101, "")
                assert (app.asked, counted(world)) == (1, (1, 4))
                assert {connection.user.id for connection in world.hub.connections} <= {"ada"}
                # Another login, or none, is another question.
                assert (await come(world, f"Cookie: id=bob; {ticket}"))[0] == 101
                assert (await come(world, f"Cookie: {ticket}"))[0] == 101
                assert (app.asked, counted(world)) == (3, (2, 4))

    asyncio.run(main())


def test_v1_is_told_the_ticket_too_and_may_offer_it() -> None:
    async def main() -> None:
        async with busy_endpoint() as app, serving(Realtime(auth_endpoint=app.url, resume="10m")) as world:
            ticket = (await open_v1(world, fields=(PROTOCOL, LOGIN))).welcome["ticket"]
            offer = f"{PROTOCOL}, ticket.{ticket}"
            again = await open_v1(world, fields=(offer, LOGIN))
            assert "ticket" not in again.welcome  # it is not renewed
            assert (app.asked, counted(world)) == (1, (1, 1))
            # Without the login it is worthless, and other wires have no words for it.
            assert (await world.knock(*UPGRADE, offer)).status == 101
            assert app.asked == 2
            older = await world.open(fields=(LOGIN,))
            await world.realtime.disconnect("ada")
            assert (await older.frame())[0] == 0x88  # the first thing that it hears

    asyncio.run(main())


def test_who_logged_out_is_refused_with_a_ticket_too() -> None:
    async def main() -> None:
        async with busy_endpoint() as app, serving(Realtime(auth_endpoint=app.url, resume="10m")) as world:
            _, ticket = await come(world, LOGIN)
            app.says = lambda head: answer(401)
            for shown in (f"Cookie: {ticket}", f"Cookie: id=deleted; {ticket}", f"Cookie: id=; {ticket}"):
                assert await come(world, shown) == (401, "")
            # With the login unchanged the ticket counts, whatever the endpoint would say by now ...
            assert (await come(world, f"{LOGIN}; {ticket}"))[0] == 101
            # ... until the user is revoked.
            await world.realtime.disconnect("ada", before=time.time())
            assert await come(world, f"{LOGIN}; {ticket}") == (401, "")

    asyncio.run(main())


def test_the_ticket_is_not_the_endpoints_business() -> None:
    heads: list[str] = []

    def says(head: str) -> bytes:
        heads.append(head)
        return answer(200, b'{"id":"ada"}')

    async def main() -> None:
        async with (
            busy_endpoint(says) as app,
            serving(Realtime(auth_endpoint=app.url, resume="10m")) as world,
        ):
            await come(world, "Cookie: a=b; REALTIME_TICKET=x.y.z; c=d")
            await come(world, "Cookie: REALTIME_TICKET=x.y.z")

    asyncio.run(main())
    assert "\r\nCookie: a=b; c=d\r\n" in heads[0]
    assert "Cookie" not in heads[1]


def test_the_end_of_the_login_is_kept() -> None:
    async def main() -> None:
        said = answer(200, b'{"id":"ada","ttl":1000}')
        async with (
            busy_endpoint(lambda head: said) as app,
            serving(Realtime(auth_endpoint=app.url, resume="1h")) as world,
        ):
            answered = await world.knock(*UPGRADE, LOGIN)
            ticket = (answered.header("Set-Cookie") or "").partition(";")[0]
            assert re.search("; Max-Age=(999|1000);", answered.header("Set-Cookie") or "")
            client = await world.open(fields=[f"{LOGIN}; {ticket}"])
            (found,) = (each for each in world.hub.connections if each.expires is not None)
            assert 990 < (found.expires or 0) - asyncio.get_running_loop().time() <= 1000
            client.close()

    asyncio.run(main())


def test_nodes_with_the_same_key_know_each_others_tickets() -> None:
    async def main() -> None:
        async with busy_endpoint() as app:
            shared: dict[str, Any] = {"auth_endpoint": app.url, "resume": "10m"}
            async with (
                serving(Realtime(**shared, ticket_key=KEY)) as one,
                serving(Realtime(**shared, ticket_key=["n" * 32, KEY])) as two,
                serving(Realtime(**shared)) as three,
            ):
                _, ticket = await come(one, LOGIN)
                assert await come(two, f"{LOGIN}; {ticket}") == (101, "")
                assert app.asked == 1
                assert (await come(three, f"{LOGIN}; {ticket}"))[1] != ""
                assert app.asked == 2

    asyncio.run(main())


def test_a_token_is_read_itself_though_there_is_a_ticket() -> None:
    async def main() -> None:
        async with serving(Realtime(jwt={"secret": SECRET}, resume="10m", ticket_key=KEY)) as world:
            shown = f"Cookie: AUTH_TOKEN={jwt.encode({'sub': 'ada'}, SECRET)}"
            _, ticket = await come(world, shown)
            assert ticket
            assert await come(world, f"{shown}; {ticket}") == (101, "")
            assert counted(world) == (1, 0)
            assert await come(world, f"Cookie: AUTH_TOKEN=bad; {ticket}") == (401, "")

    asyncio.run(main())


def test_a_ticket_helps_while_the_issuer_is_away() -> None:
    async def main() -> None:
        async with endpoint(key_set(jwk(OLD, kid="1")), answer(500)) as issuer:
            options: dict[str, Any] = {"jwt": {"jwks_url": issuer.url}, "resume": "10m", "ticket_key": KEY}
            shown = f"Cookie: AUTH_TOKEN={token(OLD, kid='1')}"
            async with serving(Realtime(**options)) as world:
                _, ticket = await come(world, shown)
            async with serving(Realtime(**options)) as world:  # which gets no keys
                assert (await come(world, shown))[0] == 502
                assert await come(world, f"{shown}; {ticket}") == (101, "")
                assert (await come(world, f"Cookie: AUTH_TOKEN={token(NEW, kid='1')}; {ticket}"))[0] == 502

    asyncio.run(main())


def test_a_function_and_tickets_do_not_go_together() -> None:
    with pytest.raises(ConfigError, match="resume needs auth_endpoint or jwt"):
        Realtime(authenticate=lambda request: "ada", resume="10m")


def test_the_cookie_over_a_site_and_its_prefix() -> None:
    async def main() -> None:
        async with busy_endpoint() as app:
            async with serving(Realtime(auth_endpoint=app.url, resume="10m", prefix="/rt")) as world:
                answered = await world.knock(*UPGRADE, LOGIN, path="/rt/ws")
                assert "; Path=/rt/ws; Max-Age=600; HttpOnly; SameSite=Strict" in str(
                    answered.header("Set-Cookie")
                )
            text = f"http://:0 {{\ngo_handler {{\nauth_endpoint {app.url}\nresume 10m\n}}\n}}\n"
            async with road(text, lane=False) as site:
                origin = "Origin: https://localhost"
                head = "\r\n".join(["GET /ws HTTP/1.1", "Host: localhost", origin, *UPGRADE, LOGIN, "", ""])
                said = await site.say(head.encode(), b"\x88\x80\0\0\0\0")
                assert said.startswith(b"HTTP/1.1 101 ")
                assert b"; Path=/ws; Max-Age=600; HttpOnly; SameSite=Strict; Secure\r\n" in said

    asyncio.run(main())
