"""A client whose connection is lost: how it comes back, and when it does not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tornado.httputil import HTTPServerRequest

from tests.support.client_world import Told, connected, cut, first, lenient, make, quick, run, some
from tests.support.realtime_world import realtime, serving, until
from tests.support.v1_world import SECRET, token
from tornado_realtime.client import (
    Client,
    Message,
    Missed,
    State,
    Subscribed,
)
from tornado_realtime.client.backoff import Backoff
from tornado_realtime.errors import (
    ConnectionClosedError,
    ConnectRefusedError,
    DisconnectedError,
    NoAnswerError,
)


def test_it_comes_back_and_says_what_may_be_missing() -> None:
    async def main() -> None:
        told = Told()
        async with connected(lenient(), on_state=told) as (world, client):
            async with client.subscribe("news") as news:
                events = aiter(news.events())
                assert await anext(events) == Subscribed("news")
                for n in range(3):
                    cut(world)
                    assert await some(events, 2) == [Missed("news"), Subscribed("news")]
                    await world.realtime.publish("news", str(n))
                    assert await anext(events) == Message("news", n)
            assert told.names[:3] == ["CONNECTED", "WAITING", "CONNECTED"]
            assert told.states[1][1].startswith("the connection was lost; again in 0.0 s")

    run(main())


def test_what_is_asked_meanwhile_is_answered_when_it_is_back() -> None:
    async def main() -> None:
        async with connected(lenient()) as (world, client), client.subscribe("news") as news:
            cut(world)
            await until(lambda: client.state is State.WAITING)
            await client.publish("news", "a")
            await client.publish("news", "b")
            assert [message.payload async for message in first(news, 2)] == ["a", "b"]

    run(main())


def test_a_server_that_stops_and_starts() -> None:
    async def main() -> None:
        told = Told()
        async with connected(lenient(), on_state=told) as (world, client), client.subscribe("news") as news:
            events = aiter(news.events())
            await anext(events)
            client._backoff = Backoff(lambda: -0.99)  # not as long as the server says
            await world.realtime.close(timeout=1)
            await until(lambda: client.state is State.WAITING)
            await world.realtime.start()
            assert await some(events, 2) == [Missed("news"), Subscribed("news")]
            assert told.states[1][1].startswith("shutdown; again in ")

    run(main())


def test_while_there_is_no_room_it_waits() -> None:
    async def main() -> None:
        told = Told()
        async with connected(lenient(), on_state=told) as (world, client):
            client._backoff = Backoff(lambda: -0.99)
            await world.realtime.close(timeout=1)
            await until(lambda: any("answered 503" in why for _, why in told.states))
            await world.realtime.start()
            await until(lambda: client.state is State.CONNECTED)

    run(main())


def test_who_is_not_wanted_back_does_not_come() -> None:
    async def main() -> None:
        async with connected(lenient()) as (world, client), client.subscribe("news") as news:
            await world.realtime.disconnect("u1")
            with pytest.raises(DisconnectedError, match=r"disconnected \(4009\)"):
                await anext(aiter(news))
            for again in (client.publish("news", 1), client.connect(), client.subscribe("x").__aenter__()):
                with pytest.raises(DisconnectedError):
                    await again
            assert client.state is State.CLOSED

    run(main())


def test_a_login_that_ran_out_is_the_end_unless_there_is_another() -> None:
    async def main() -> None:
        shown: set[str] = set()

        def known(request: HTTPServerRequest) -> dict[str, Any] | None:
            """Each token lets in once, those that are old for a moment."""
            login = request.headers["Authorization"]
            if login in shown:
                return None
            shown.add(login)
            return {"id": "u1", "ttl": 0.1 if "old" in login else 3600.0}

        async with serving(quick(authenticate=known)) as world:
            renewed = make(world, token=iter(["old 1", "new"]).__next__)
            fixed = make(world, token="old 2")
            async with fixed, renewed, fixed.subscribe("a") as lost, renewed.subscribe("b") as kept:
                with pytest.raises(ConnectRefusedError) as caught:
                    await anext(aiter(lost))
                assert caught.value.status == 401
                events = aiter(kept.events())
                assert await some(events, 3) == [Subscribed("b"), Missed("b"), Subscribed("b")]

    run(main())


def test_a_login_is_prolonged_before_it_runs_out() -> None:
    async def main() -> None:
        async with serving(quick(jwt={"secret": SECRET})) as world:
            shown = iter([token(seconds=61.0), token(seconds=3600.0)])
            async with make(world, token=shown.__next__) as client:
                (connection,) = world.hub.connections
                soon = asyncio.get_running_loop().time() + 600.0
                await until(lambda: (connection.expires or 0.0) > soon)
                assert client.state is State.CONNECTED

    run(main())


def test_a_silent_server_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tornado_realtime.client.client._SILENCE", -24.9)

    async def main() -> None:
        told = Told()
        async with connected(lenient(), on_state=told):
            await until(lambda: told.names.count("CONNECTED") == 2)
        assert told.states[1][1].startswith("the server is silent; again in ")

    run(main())


def test_pings_are_answered() -> None:
    async def main() -> None:
        told = Told()
        async with connected(quick(authenticate=lambda request: "u1"), on_state=told) as (world, _):
            await until(lambda: world.hub.metrics.counters.messages >= 3)
            assert told.names == ["CONNECTED"]

    run(main())


def test_a_request_that_is_not_answered_in_time() -> None:
    async def main() -> None:
        async def never(user: object, channel: str, action: str) -> bool:
            await asyncio.sleep(3600)
            return True

        async with connected(realtime(authorize=never), timeout=0.1) as (_, client):
            with pytest.raises(NoAnswerError, match=r"publish was not answered within 0.1 s"):
                await client.publish("news", 1)

    run(main())


def test_closing_ends_everything_that_waits() -> None:
    async def main() -> None:
        async with serving(lenient()) as world:
            client = make(world)
            waiting = asyncio.create_task(_drained(client))
            await until(lambda: world.hub.subscribers("news") == 1)
            await client.close()
            with pytest.raises(ConnectionClosedError):
                await waiting
            assert not [task for task in asyncio.all_tasks() if "client" in repr(task.get_coro())]

    run(main())


async def _drained(client: Client) -> None:
    async for _ in client.subscribe("news"):
        pass
