"""Clients that send more than they may."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.realtime_world import realtime, serving, until
from tests.unit.wire.client_frames import PING, PONG

RATE = [1, 5]


@pytest.mark.parametrize("opcode", [1, PING])
def test_who_floods_is_closed_and_the_others_notice_nothing(opcode: int) -> None:
    async def main() -> None:
        async with serving(realtime(message_rate=RATE, wire="envelope")) as world:
            other = await world.open("news")
            client = await world.open()
            for _ in range(6):
                await client.say("x", opcode)
            frames = [await client.frame() for _ in range(5)]
            assert {first for first, _ in frames} == {0x81 if opcode == 1 else 0x8A}
            assert await client.closed_with() == (1008, "too many messages")
            assert world.hub.metrics.values()["clients_flooding"] == 1
            await world.realtime.publish("news", "1")
            assert await other.text() == b'{"type":"message","channel":"news","payload":1}'
            await until(lambda: len(world.hub.connections) == 1)
            assert len(world.hub._meter or ()) == 1

    asyncio.run(main())


def test_pongs_that_nobody_asked_for_count() -> None:
    async def main() -> None:
        async with serving(realtime(message_rate=RATE)) as world:
            client = await world.open()
            for _ in range(6):
                await client.say("x", PONG)
            assert await client.closed_with() == (1008, "too many messages")

    asyncio.run(main())


def test_what_follows_in_the_same_packet_is_not_carried_out() -> None:
    async def main() -> None:
        async with serving(realtime(message_rate=RATE)) as world:
            client = await world.open()
            for _ in range(5):
                await client.say("x")
            await client.say('{"action":"subscribe","channel":"news"}')
            assert await client.closed_with() == (1008, "too many messages")
            assert list(world.hub.channels()) == []

    asyncio.run(main())


def test_off_is_off() -> None:
    async def main() -> None:
        async with serving(realtime(message_rate="off", wire="envelope")) as world:
            client = await world.open()
            for _ in range(700):
                await client.say("x")
            for _ in range(700):
                await client.text()

    asyncio.run(main())


def test_a_page_may_subscribe_to_all_its_channels_at_once() -> None:
    async def main() -> None:
        async with serving(realtime(wire="envelope")) as world:
            client = await world.open()
            for number in range(128):
                await client.say(f'{{"action":"subscribe","channel":"c{number}"}}')
            for number in range(128):
                assert await client.text() == f'{{"type":"subscribed","channel":"c{number}"}}'.encode()

    asyncio.run(main())


def test_a_crowd_that_floods_is_one_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with serving(realtime(message_rate=RATE)) as world:
            for _ in range(3):
                client = await world.open()
                for _ in range(6):
                    await client.say("x")
                assert await client.closed_with() == (1008, "too many messages")
            assert world.hub.metrics.values()["clients_flooding"] == 3

    asyncio.run(main())
    assert [line for line in caplog.messages if "closed" in line] == [
        "client closed because it sends faster than message_rate"
    ]
