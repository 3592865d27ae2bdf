"""Refused subscriptions as clients and operators see them."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from tests.support.realtime_world import World, realtime, serving, until
from tornado_realtime.auth import User
from tornado_realtime.realtime import Realtime

BLOCKS = {
    "private-*": {"subscribe": "nobody"},
    "user.{user}.*": {"subscribe": "user"},
}


def subscribe(channel: str) -> str:
    return f'{{"action":"subscribe","channel":"{channel}"}}'


def unsubscribe(channel: str) -> str:
    return f'{{"action":"unsubscribe","channel":"{channel}"}}'


def value(world: World, name: str) -> float:
    return world.hub.metrics.values()[name]


def test_the_raw_wire_is_silent_and_the_client_stays() -> None:
    async def main() -> None:
        async with serving(realtime(channel=BLOCKS)) as world:
            client = await world.open()
            for channel in ("private-a", "user.u2.mail", "user.u1.mail", "news"):
                await client.say(subscribe(channel))
            await until(lambda: world.hub.subscribers("news"))
            for channel in ("private-a", "user.u2.mail"):
                await world.realtime.publish(channel, "secret")
            await world.realtime.publish("user.u1.mail", "mine")
            assert await client.text() == b"mine"
            assert sorted(world.hub.channels()) == ["news", "user.u1.mail"]
            assert value(world, "subscriptions_refused") == 2

    asyncio.run(main())


def test_the_envelope_tells_and_the_client_stays() -> None:
    async def main() -> None:
        async with serving(realtime(channel=BLOCKS, wire="envelope", max_channels=2)) as world:
            client = await world.open("news")
            for channel, answer in {
                "private-a": '{"type":"error","channel":"private-a","error":"permission denied"}',
                "a": '{"type":"subscribed","channel":"a"}',
                "b": '{"type":"error","channel":"b","error":"limit exceeded"}',
                "x" * 256: '{"type":"error","error":"bad channel name"}',
            }.items():
                await client.say(subscribe(channel))
                assert await client.text() == answer.encode()
            await client.say(unsubscribe("private-a"))
            assert await client.text() == b'{"type":"unsubscribed","channel":"private-a"}'
            assert value(world, "subscriptions_refused") == 1
            assert value(world, "subscriptions_over_limit") == 2

    asyncio.run(main())


def test_a_place_becomes_free_again() -> None:
    async def main() -> None:
        async with serving(realtime(wire="envelope", max_channels=1)) as world:
            client = await world.open("a")
            await client.say(unsubscribe("a"))
            assert await client.text() == b'{"type":"unsubscribed","channel":"a"}'
            await client.say(subscribe("b"))
            assert await client.text() == b'{"type":"subscribed","channel":"b"}'

    asyncio.run(main())


def test_the_log_names_the_rule_and_its_place_and_nothing_that_was_sent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "tornado_realtime")
    text = "go_handler {\n wire envelope\n channel private-* {\n  subscribe nobody\n }\n}"

    async def main() -> None:
        made = Realtime.from_caddyfile(text, authenticate=lambda request: "u1")
        async with serving(made) as world:
            client = await world.open()
            await client.say(subscribe("private-hush"))
            await client.text()

    asyncio.run(main())
    assert caplog.messages == ["subscription refused by subscribe nobody of channel private-* (go_handler:3)"]


# -- a function that takes its time ----------------------------------------------------------------------


class Clerk:
    """An ``authorize`` function whose answers a test gives, and what it was asked."""

    def __init__(self) -> None:
        self.asked: dict[str, asyncio.Future[bool]] = {}

    async def __call__(self, user: User, channel: str, action: str) -> bool:
        assert (user.id, action) == ("u1", "subscribe")
        self.asked[channel] = asyncio.get_running_loop().create_future()
        return await self.asked[channel]


def slow(clerk: Clerk, **options: Any) -> Realtime:
    return realtime(authorize=clerk, wire="envelope", **options)


def test_commands_keep_their_order_on_a_channel() -> None:
    async def main() -> None:
        clerk = Clerk()
        async with serving(slow(clerk)) as world:
            client = await world.open()
            for command in (subscribe("a"), unsubscribe("a"), subscribe("b"), unsubscribe("c")):
                await client.say(command)
            assert await client.text() == b'{"type":"unsubscribed","channel":"c"}'
            clerk.asked["b"].set_result(False)
            assert await client.text() == b'{"type":"error","channel":"b","error":"permission denied"}'
            clerk.asked["a"].set_result(True)
            assert await client.text() == b'{"type":"subscribed","channel":"a"}'
            assert await client.text() == b'{"type":"unsubscribed","channel":"a"}'
            assert list(world.hub.channels()) == []

    asyncio.run(main())


def test_who_leaves_meanwhile_takes_the_question_along() -> None:
    async def main() -> None:
        clerk = Clerk()
        async with serving(slow(clerk)) as world:
            client = await world.open()
            await client.say(subscribe("a"))
            await until(lambda: "a" in clerk.asked)
            client.vanish()
            await until(lambda: clerk.asked["a"].cancelled())
            await until(lambda: not world.hub.connections)
            assert list(world.hub.channels()) == []

    asyncio.run(main())


def test_a_server_that_closes_meanwhile_takes_the_question_along() -> None:
    async def main() -> None:
        clerk = Clerk()
        async with serving(slow(clerk)) as world:
            client = await world.open()
            await client.say(subscribe("a"))
            await until(lambda: "a" in clerk.asked)
            closing = asyncio.create_task(world.realtime.close(timeout=1))
            assert await client.closed_with() == (1001, "server is shutting down")
            await closing
            assert clerk.asked["a"].cancelled()

    asyncio.run(main())


def test_a_question_that_is_not_answered_is_a_no() -> None:
    async def main() -> None:
        async with serving(slow(Clerk(), auth_timeout="10ms")) as world:
            client = await world.open()
            await client.say(subscribe("a"))
            assert await client.text() == b'{"type":"error","channel":"a","error":"internal error"}'

    asyncio.run(main())


def test_who_lets_too_much_wait_is_closed() -> None:
    async def main() -> None:
        async with serving(slow(Clerk(), max_channels=2)) as world:
            client = await world.open()
            for command in (subscribe("a"), unsubscribe("a"), subscribe("a"), unsubscribe("a")):
                await client.say(command)
            assert await client.closed_with() == (1008, "too many messages")
            assert value(world, "clients_flooding") == 1

    asyncio.run(main())
