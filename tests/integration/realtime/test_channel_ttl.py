"""Channels for which a token was shown, until that runs out: on every road by which clients come."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from tests.support.realtime_world import UPGRADE, TunedRealtime, serving, until
from tests.support.v1_world import PROTOCOL, SECRET, channel_token, open_v1, token
from tornado_realtime.hub import Heart


class Quick(TunedRealtime):
    """One whose heart beats fast."""

    heart = staticmethod(partial(Heart, tick=0.01))


def instance(**more: Any) -> TunedRealtime:
    blocks = {"seats": {"subscribe": "token", "history": [10, "1m"]}, "room.*": {"subscribe": "token"}}
    return Quick(jwt={"secret": SECRET}, channel=blocks, **more)


LOGIN = (f"{PROTOCOL}, bearer.{token()}",)


def test_a_subscription_lasts_as_long_as_its_token_and_nothing_is_left() -> None:
    async def main() -> None:
        async with serving(instance()) as world:
            client = await open_v1(world, fields=LOGIN)
            rooms = [f"room.{n}" for n in range(3)]
            for room, seconds in zip(rooms, (0.1, 0.3, 60), strict=True):
                shown = channel_token(room, seconds=seconds)
                assert (await client.ask("subscribe", channel=room, token=shown))["ttl"] in (1, 60)
            for room in rooms[:2]:
                assert await client.hear() == {
                    "type": "unsubscribed",
                    "channel": room,
                    "code": 2006,
                    "reason": "token expired",
                }
            assert [world.hub.subscribers(room) for room in rooms] == [0, 0, 1]
            assert world.hub.metrics.counters.subscriptions_lapsed == 2
            await world.realtime.publish(rooms[0], "1")
            await world.realtime.publish(rooms[2], "2")
            assert (await client.hear())["payload"] == 2
            client.socket.close()
            await until(lambda: not world.hub.connections)
            assert not world.hub._gate._passes._passes
            assert not world.hub._heart._reminders._slots

    asyncio.run(main())


def test_a_stream_comes_back_with_a_newer_token_and_misses_nothing() -> None:
    async def main() -> None:
        async with serving(instance()) as world:
            client = await open_v1(world, fields=LOGIN)
            ask = partial(client.ask, "subscribe", channel="seats")
            begun = await ask(token=channel_token("seats", seconds=0.1))
            assert (begun["offset"], begun["ttl"]) == (0, 1)
            assert (await client.hear())["code"] == 2006
            await world.realtime.publish("seats", "1")
            since = {"epoch": begun["epoch"], "offset": 0}
            late = await ask(id=1, since=since, token=channel_token("seats", seconds=-1))
            assert (late["code"], late["retry"]) == (109, True)
            back = await ask(id=2, since=since, token=channel_token("seats", seconds=60))
            assert (back["recovered"], back["replay"], back["ttl"]) == (True, 1, 60)
            assert (await client.hear())["payload"] == 1
            # Again: its time is the same, and so is what is told.
            assert (await ask(id=3))["ttl"] == 60

    asyncio.run(main())


def test_it_is_prolonged_without_a_gap() -> None:
    async def main() -> None:
        async with serving(instance()) as world:
            client = await open_v1(world, fields=LOGIN)
            await client.ask("subscribe", channel="seats", token=channel_token("seats", seconds=0.1))
            newer = channel_token("seats", seconds=60)
            assert await client.ask("refresh", channel="seats", token=newer) == {
                "type": "refreshed",
                "channel": "seats",
                "ttl": 60,
            }
            beats = world.hub._heart._loop.time() + 0.3
            await until(lambda: world.hub._heart._loop.time() > beats)
            await world.realtime.publish("seats", "1")
            assert (await client.hear())["payload"] == 1
            # The newer one is what counts with a newer login.
            assert (await client.ask("refresh", token=token()))["type"] == "refreshed"
            assert (await client.ask("ping", id=1))["type"] == "pong"
            assert world.hub.subscribers("seats") == 1

    asyncio.run(main())


@pytest.mark.parametrize(
    ("shown", "code"),
    [
        (partial(channel_token, "seats", user="u-9"), 103),
        (partial(channel_token, "room.1"), 103),
        (partial(channel_token, "seats", action="publish"), 103),
        (partial(channel_token, "seats", seconds=-1), 109),
        (lambda: "nonsense", 103),
    ],
)
def test_what_is_not_good_prolongs_nothing(shown: Any, code: int) -> None:
    async def main() -> None:
        async with serving(instance()) as world:
            client = await open_v1(world, fields=LOGIN)
            await client.ask("subscribe", channel="seats", token=channel_token("seats", seconds=30))
            assert (await client.ask("refresh", channel="seats", token=shown()))["code"] == code
            assert (await client.ask("subscribe", channel="seats"))["ttl"] == 30
            assert (await client.ask("refresh", channel="room.1", token=shown()))["code"] == 102

    asyncio.run(main())


def test_clients_of_the_older_wires_stay() -> None:
    async def main() -> None:
        async with serving(instance(wire="envelope")) as world:
            client = await world.connect()
            login = f"Authorization: Bearer {token()}"
            upgraded = await client.request("GET", "/ws", *UPGRADE, login)
            assert upgraded.status == 101
            shown = channel_token("seats", seconds=0.1)
            await client.say(f'{{"action":"subscribe","channel":"seats","token":"{shown}"}}')
            assert await client.text() == b'{"type":"subscribed","channel":"seats"}'
            beats = world.hub._heart._loop.time() + 0.3
            await until(lambda: world.hub._heart._loop.time() > beats)
            await world.realtime.publish("seats", "1")
            assert await client.text() == b'{"type":"message","channel":"seats","payload":1}'

    asyncio.run(main())
