"""Logins in the lane: who is let in there, and who is left to Tornado."""

from __future__ import annotations

import asyncio

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
