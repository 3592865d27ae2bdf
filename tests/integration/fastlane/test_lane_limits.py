"""Quotas and rates on both roads: the lane counts like Tornado, and leaves every refusal to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from tests.support.lane_requests import JWT_SECRET, token, upgrade_fields
from tests.support.realtime_world import WebSocketClient, until
from tests.support.roads import Road, road

FORWARDED = "X-Forwarded-For: {}"


class Visitors:
    """Handshakes on one server, whose connections stay open."""

    def __init__(self, running: Road) -> None:
        self.running = running
        self.hub = running.generation.realtimes[0].hub
        self.open: list[WebSocketClient] = []
        self.gone = 0

    async def knock(self, *fields: str, user: str = "u1") -> tuple[int, str | None, bytes]:
        """Status, Retry-After and body of one handshake."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.running.port())
        client = WebSocketClient(reader, writer)
        self.open.append(client)
        before = len(self.hub.connections)
        cookie = f"Cookie: AUTH_TOKEN={token(user)}"
        answer = await client.request("GET", "/ws", *upgrade_fields(cookie, *fields))
        if answer.status == 101:
            await until(lambda: len(self.hub.connections) > before)
        return answer.status, answer.header("Retry-After"), answer.body

    async def leave(self) -> None:
        """The one who came first goes."""
        before = len(self.hub.connections)
        self.open.pop(0).close()
        await until(lambda: len(self.hub.connections) < before)


@asynccontextmanager
async def visitors(limits: str, *, lane: bool) -> AsyncIterator[Visitors]:
    caddyfile = f"""
    {{
        servers {{
            trusted_proxies static 127.0.0.1
            client_ip_headers X-Real-IP X-Forwarded-For
        }}
    }}
    http://:0 {{
        go_handler {{
            jwt {{
                secret "{JWT_SECRET}"
            }}
            {limits}
        }}
    }}
    """
    async with road(caddyfile, lane=lane) as running:
        found = Visitors(running)
        try:
            yield found
        finally:
            for client in found.open:
                client.close()


def on_both_roads(limits: str, scenario: Callable[[Visitors], Awaitable[int]]) -> None:
    """Run a scenario, which returns how many of its handshakes the lane may not have served itself."""

    async def main() -> None:
        for lane in (False, True):
            async with visitors(limits, lane=lane) as world:
                refused = await scenario(world)
                knocks = len(world.open) + world.gone
                assert world.running.at_site == (refused if lane else knocks)

    asyncio.run(main())


IN = (101, None, b"")


def test_connections_in_all() -> None:
    async def scenario(world: Visitors) -> int:
        assert [await world.knock(), await world.knock()] == [IN, IN]
        assert await world.knock() == (503, "10", b"too many connections\n")
        await world.leave()
        world.gone += 1
        assert await world.knock() == IN
        assert world.hub.metrics.values()["handshakes_over_capacity"] == 1
        return 1

    on_both_roads("max_connections 2", scenario)


def test_connections_by_the_address_that_a_trusted_proxy_tells() -> None:
    async def scenario(world: Visitors) -> int:
        first, second = FORWARDED.format("203.0.113.1"), FORWARDED.format("6.6.6.6, 203.0.113.2")
        assert [await world.knock(first), await world.knock(second)] == [IN, IN]
        refused = (429, "10", b"too many connections from this address\n")
        assert [await world.knock(first), await world.knock(second)] == [refused, refused]
        assert await world.knock("X-Real-IP: 203.0.113.3", first) == IN
        assert await world.knock() == IN
        await world.leave()
        world.gone += 1
        assert await world.knock(first) == IN
        assert world.hub.metrics.values()["handshakes_over_address_limit"] == 2
        return 2

    on_both_roads("max_connections_per_address 1", scenario)


def test_connections_by_user() -> None:
    async def scenario(world: Visitors) -> int:
        assert [await world.knock(user="ada"), await world.knock(user="bob")] == [IN, IN]
        assert await world.knock(user="ada") == (429, "10", b"too many connections of this user\n")
        await world.leave()
        world.gone += 1
        assert await world.knock(user="ada") == IN
        assert world.hub.metrics.values()["handshakes_over_user_limit"] == 1
        return 1

    on_both_roads("max_connections_per_user 1", scenario)


def test_handshakes_by_time_count_once_on_either_road() -> None:
    async def scenario(world: Visitors) -> int:
        # The third one takes the other road for its login, and must not count for two.
        assert [await world.knock(), await world.knock()] == [IN, IN]
        assert (await world.knock("-Cookie"))[0] == 401
        status, retry_after, body = await world.knock()
        assert (status, body) == (429, b"too many handshakes from this address\n")
        assert retry_after in ("1", "2", "3")
        assert await world.knock(FORWARDED.format("203.0.113.1")) == IN
        assert world.hub.metrics.values()["handshakes_over_rate"] == 1
        return 2

    on_both_roads("handshake_rate 1 3", scenario)


@pytest.mark.parametrize("lane", [False, True])
def test_a_foreign_page_and_a_full_house_never_reach_the_login(lane: bool) -> None:
    async def main() -> None:
        async with visitors("max_connections 1", lane=lane) as world:
            assert await world.knock() == IN
            assert (await world.knock("-Cookie"))[0] == 503
            assert (await world.knock("-Cookie", "Origin: http://evil.example"))[0] == 403

    asyncio.run(main())
