"""Logins in the lane: who is let in there, and who is left to Tornado."""

from __future__ import annotations

import asyncio
import re

from tests.support.busy_endpoint import busy_endpoint
from tests.support.lane_requests import CLOSE_FRAME, JWT_SECRET, LAST, UPGRADE, token, upgrade
from tests.support.roads import both_roads, compare

JWT = f'jwt {{\nsecret "{JWT_SECRET}"\n}}'


def caddyfile(*options: str) -> str:
    body = "\n".join(options)
    return f"http://:0 {{\ngo_handler {{\n{body}\n}}\n}}\n"


def test_anonymous_visitors_are_let_in_there_and_bad_tokens_are_not() -> None:
    async def main() -> None:
        async with both_roads(caddyfile(JWT, "anonymous on")) as (fast, slow):
            for request in (UPGRADE, upgrade("-Cookie"), upgrade("Cookie: theme=dark")):
                answered = await compare(fast, slow, request, CLOSE_FRAME)
                assert b"101" in answered
                assert (fast.at_site, slow.at_site) == (0, 1)
            for cookie in (f"AUTH_TOKEN={token(exp=1)}", "AUTH_TOKEN=x.y.z"):
                answered = await compare(fast, slow, upgrade(f"Cookie: {cookie}"), LAST)
                assert b"401" in answered
                assert (fast.at_site, slow.at_site) == (2, 2)

    asyncio.run(main())


def test_whoever_is_remembered_is_let_in_there() -> None:
    async def main() -> None:
        async with busy_endpoint() as app:
            text = caddyfile(f"auth_endpoint {app.url}", "auth_cache 1m")
            async with both_roads(text) as (fast, slow):
                for asked, at_site in ((2, 1), (2, 0), (2, 0)):
                    answered = await compare(fast, slow, upgrade("Cookie: id=ada"), CLOSE_FRAME)
                    assert b"101" in answered
                    assert (app.asked, fast.at_site, slow.at_site) == (asked, at_site, 1)
                await compare(fast, slow, upgrade("Cookie: id=bob"), CLOSE_FRAME)
                assert (app.asked, fast.at_site) == (4, 1)

    asyncio.run(main())


def test_tickets_are_given_and_taken_there() -> None:
    async def main() -> None:
        key = f"ticket_key {'k' * 32}"
        async with busy_endpoint() as app:
            text = caddyfile(f"auth_endpoint {app.url}", "resume 10m", key)
            async with both_roads(text) as (fast, slow):
                first = await slow.say(upgrade("Cookie: id=ada"), CLOSE_FRAME)
                found = re.search(rb"REALTIME_TICKET=[^;]+", first)
                assert found
                shown = f"Cookie: id=ada; {found[0].decode()}"
                for _ in range(2):
                    answered = await compare(fast, slow, upgrade(shown), CLOSE_FRAME)
                    assert b"101" in answered
                    assert b"Set-Cookie" not in answered
                assert (fast.at_site, app.asked) == (0, 1)
                # Without the login it was made from, both ask.
                for one in (fast, slow):
                    said = await one.say(upgrade(shown.replace("id=ada", "id=bob")), CLOSE_FRAME)
                    assert b"101" in said
                assert (fast.at_site, app.asked) == (1, 3)

    asyncio.run(main())


def test_a_token_gets_its_ticket_there() -> None:
    async def main() -> None:
        async with both_roads(caddyfile(JWT, "resume 10m")) as (fast, slow):
            said = [await one.say(UPGRADE, CLOSE_FRAME) for one in (fast, slow)]
            assert len({re.sub(rb"TICKET=[^;]+", b"TICKET=-", each) for each in said}) == 1
            assert all(b"Set-Cookie: REALTIME_TICKET=" in each for each in said)
            assert (fast.at_site, slow.at_site) == (0, 1)

    asyncio.run(main())


def test_v1_is_told_the_ticket_of_the_cookie_there() -> None:
    async def main() -> None:
        offer = "Sec-WebSocket-Protocol: realtime.v1.json"
        async with both_roads(caddyfile(JWT, "resume 10m")) as roads:
            for one in roads:
                said = await one.say(upgrade(offer), CLOSE_FRAME)
                cookie = re.search(rb"REALTIME_TICKET=([^;]+)", said)
                told = re.search(rb'"type":"welcome",.*"ticket":"([^"]+)"', said)
                assert cookie and told
                assert cookie[1] == told[1]
            assert [one.at_site for one in roads] == [0, 1]

    asyncio.run(main())
