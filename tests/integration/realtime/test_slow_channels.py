"""Slow clients of channels that say what these lose: bounded, told where their wire can, and connected."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from tests.support.realtime_world import UPGRADE, WebSocketClient, World, realtime, serving, until
from tests.support.redis_server import RedisServer
from tests.support.roads import road
from tests.support.v1_world import PROTOCOL, SECRET, token
from tests.unit.wire.client_frames import client_frame
from tornado_realtime.hub import Hub
from tornado_realtime.publication import Position, Publication

FILLING = "x" * 1000
V1 = (PROTOCOL,)
CHANNELS = {"old": {"slow_consumer": "drop_oldest"}, "last": {"slow_consumer": "latest"}, "firm": {}}
Found = list[dict[str, Any]]


async def subscribed(
    client: WebSocketClient, channel: str, fields: Iterable[str] = V1, acks: int = 2
) -> WebSocketClient:
    """A client that subscribed, and reads nothing from now on; ``acks`` is what it is told at first."""
    assert (await client.request("GET", "/ws", *UPGRADE, *fields)).status == 101
    await client.say(json.dumps({"action": "subscribe", "channel": channel}))
    for _ in range(acks):
        await client.text()
    client.stop_reading()
    return client


async def slow(world: World, channel: str) -> WebSocketClient:
    return await subscribed(await world.connect(rcvbuf=4096), channel)


def text(number: int, filling: str = FILLING) -> bytes:
    return json.dumps({"n": number, "x": filling}).encode()


async def publish_until(hub: Hub, channel: str, enough: Callable[[], bool], *, stream: bool = False) -> int:
    """How many were published until there were enough of something."""
    number = 0
    while not enough():
        number += 1
        assert number < 20_000
        hub.deliver(Publication(channel, text(number), Position("e", number) if stream else None))
        await asyncio.sleep(0)
    return number


def dropped(hub: Hub, frames: int = 60) -> Callable[[], bool]:
    before = hub.metrics.counters.frames_dropped
    return lambda: hub.metrics.counters.frames_dropped >= before + frames


def hurry(client: WebSocketClient) -> None:
    """Read from now on, and with a buffer as others have."""
    client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    client.read_again()


async def read_until(client: WebSocketClient, number: int) -> Found:
    """Messages and gaps up to a message."""
    hurry(client)
    found: Found = []
    while not found or found[-1].get("payload", {}).get("n") != number:
        found.append(json.loads(await client.text()))
    return found


def lost(found: Found, published: int) -> int:
    """How many are missing; where some are, and only there, exactly one gap says so."""
    missing, expected = 0, 1
    for before, each in zip([{"type": ""}, *found], found, strict=False):
        if each["type"] == "gap":
            assert before["type"] != "gap"
            assert each["reason"] == "slow consumer"
        else:
            number = each["payload"]["n"]
            assert (number > expected) == (before["type"] == "gap"), (expected, each)
            missing, expected = missing + number - expected, number + 1
    assert expected == published + 1
    return missing


@pytest.mark.parametrize("channel", ["old", "last"])
def test_what_a_slow_client_loses_is_told_in_its_place(channel: str) -> None:
    async def main() -> None:
        async with serving(realtime(send_queue=(8, "64KiB"), channel=CHANNELS)) as world:
            client = await slow(world, channel)
            published = await publish_until(world.hub, channel, dropped(world.hub))
            (connection,) = world.hub.connections
            assert connection.outbox is not None
            assert connection.outbox.frames <= (8 if channel == "old" else 3)
            found = await read_until(client, published)
            gap = {"type": "gap", "channel": channel, "reason": "slow consumer"}
            assert gap in found
            assert lost(found, published) == world.hub.metrics.counters.frames_dropped
            # From now on it is quick again.
            world.hub.deliver(Publication(channel, text(0)))
            assert json.loads(await client.text())["payload"]["n"] == 0
            assert connection.outbox is None

    asyncio.run(main())


@pytest.mark.parametrize("channel", ["old", "last"])
def test_a_gap_in_a_stream_says_from_where_to_where(channel: str) -> None:
    async def main() -> None:
        async with serving(realtime(send_queue=(8, "64KiB"), channel=CHANNELS)) as world:
            client = await slow(world, channel)
            published = await publish_until(world.hub, channel, dropped(world.hub), stream=True)
            found = await read_until(client, published)
            assert lost(found, published) == world.hub.metrics.counters.frames_dropped
            places: list[int] = []
            for each in found:
                if each["type"] == "gap":
                    assert each["epoch"] == "e"
                    places += range(each["from"], each["to"] + 1)
                else:
                    places.append(each["payload"]["n"])
            assert places == list(range(1, published + 1))

    asyncio.run(main())


def test_a_channel_that_does_not_say_closes_its_slow_clients_and_no_others() -> None:
    async def main() -> None:
        options: dict[str, Any] = {"send_queue": (8, "64KiB"), "channel": CHANNELS}
        async with serving(realtime(**options)) as world:
            firm, old = await slow(world, "firm"), await slow(world, "old")
            counters = world.hub.metrics.counters
            await publish_until(world.hub, "old", dropped(world.hub))
            await publish_until(world.hub, "firm", lambda: counters.slow_consumers > 0)
            hurry(firm)
            while (frame := await firm.frame())[0] == 0x81:
                pass
            assert int.from_bytes(frame[1][:2]) == 4101
            assert world.hub.subscribers("old") == 1
            assert counters.slow_consumers == 1
            old.read_again()

    asyncio.run(main())


def test_what_may_be_lost_makes_room_for_what_may_not() -> None:
    async def main() -> None:
        async with serving(realtime(send_queue=(8, "64KiB"), channel=CHANNELS)) as world:
            client = await world.connect(rcvbuf=4096)
            await subscribed(client, "old")
            await client.say('{"action":"subscribe","channel":"firm"}')
            published = await publish_until(world.hub, "old", dropped(world.hub))
            for number in range(1, 6):
                world.hub.deliver(Publication("firm", text(number)))
                await asyncio.sleep(0)
            hurry(client)
            got = [json.loads(await client.text()) for _ in range(1)]
            while got[-1].get("payload", {}).get("n") != 5 or got[-1]["channel"] != "firm":
                got.append(json.loads(await client.text()))
            firm = [each["payload"]["n"] for each in got if each.get("payload") and each["channel"] == "firm"]
            assert firm == [1, 2, 3, 4, 5]
            assert {"type": "subscribed", "channel": "firm"} in got
            counters = world.hub.metrics.counters
            assert counters.slow_consumers == 0
            kept = [each for each in got if each["type"] == "message" and each["channel"] == "old"]
            assert len(kept) + counters.frames_dropped == published

    asyncio.run(main())


@pytest.mark.parametrize(("wire", "channel"), [("raw", "old"), ("envelope", "last")])
def test_only_clients_whose_wire_can_are_told(wire: str, channel: str) -> None:
    """On one channel: a slow client of each wire, and a quick one that notices nothing."""

    async def main() -> None:
        async with serving(realtime(send_queue=(8, "64KiB"), channel=CHANNELS, wire=wire)) as world:
            hub = world.hub
            told = await slow(world, channel)
            older = await subscribed(
                await world.connect(rcvbuf=4096), channel, (), acks=int(wire == "envelope")
            )
            quick = await subscribed(await world.connect(), channel)
            reading = asyncio.create_task(read_until(quick, 10_000))
            number = 0
            losing = [connection for connection in hub.connections if connection.outbox is not None]
            enough = dropped(hub, 120)
            while len(losing) < 2 or not enough():
                number += 1
                hub.deliver(Publication(channel, text(number)))
                await asyncio.sleep(0.001)  # the quick one reads in this loop, too
                losing = [connection for connection in hub.connections if connection.outbox is not None]
            hub.deliver(Publication(channel, text(10_000)))
            assert [each["payload"]["n"] for each in await reading] == [*range(1, number + 1), 10_000]
            assert any(each["type"] == "gap" for each in await read_until(told, 10_000))
            hurry(older)
            read: list[int] = []
            while not read or read[-1] != 10_000:
                message = json.loads(await older.text())
                if wire == "envelope":
                    assert set(message) == {"type", "channel", "payload"}
                    message = message["payload"]
                assert set(message) == {"n", "x"}
                read.append(message["n"])
            assert read == sorted(set(read))
            assert len(read) < number

    asyncio.run(main())


@pytest.mark.parametrize("channel", ["old", "last"])
def test_publications_larger_than_the_outbox(channel: str) -> None:
    async def main() -> None:
        async with serving(realtime(send_queue=(8, "4KiB"), channel=CHANNELS)) as world:
            client = await slow(world, channel)
            size = 40_000
            messages = [json.dumps({"n": n, "x": "y" * size}).encode() for n in range(1, 80)]
            for message in messages:
                world.hub.deliver(Publication(channel, message))
                await asyncio.sleep(0)
                for connection in world.hub.connections:
                    # At most one that is half sent, the notice, and the newest.
                    assert connection.outbox is None or connection.outbox.frames <= 3
            found = await read_until(client, len(messages))
            assert lost(found, len(messages)) == world.hub.metrics.counters.frames_dropped > 20

    asyncio.run(main())


@pytest.mark.parametrize("policy", ["drop_oldest", "latest"])
@pytest.mark.parametrize("driver", ["memory", "redis"])
def test_what_was_lost_is_had_again(policy: str, driver: str, shared_redis: RedisServer) -> None:
    """It comes whole, however slowly the client reads, while more is published."""
    options: dict[str, Any] = {"send_queue": (64, "1MiB")}
    if driver == "redis":
        options |= {"driver": "redis", "redis_address": shared_redis.address}
    name = f"again-{policy}"
    options["channel"] = {name: {"slow_consumer": policy, "history": [1000, "1m"]}}

    async def main() -> None:
        async with serving(realtime(**options)) as world:
            client = await world.connect(rcvbuf=4096)
            assert (await client.request("GET", "/ws", *UPGRADE, *V1)).status == 101
            await client.text()
            await client.say(json.dumps({"action": "subscribe", "channel": name}))
            begun = json.loads(await client.text())
            client.stop_reading()
            count, enough = 0, dropped(world.hub, 30)
            while not enough():
                count += 1
                assert count < 1000
                await world.realtime.publish(name, text(count))
                await asyncio.sleep(0)
            hurry(client)
            found = [json.loads(await client.text())]
            while found[-1].get("offset") != begun["offset"] + count:
                found.append(json.loads(await client.text()))
            gap = next(each for each in found if each["type"] == "gap")
            assert gap["epoch"] == begun["epoch"]
            # More comes than a socket takes at once, and is read only when all is on its way.
            client = await world.connect()
            assert (await client.request("GET", "/ws", *UPGRADE, *V1)).status == 101
            await client.text()
            client.stop_reading()
            for _ in range(40):
                count += 1
                await world.realtime.publish(name, text(count, FILLING * 20))
            # Some of what was lost, and as many as an outbox has room for.
            since = {"epoch": gap["epoch"], "offset": max(gap["from"] - 1, begun["offset"] + count - 50)}
            messages = world.hub.metrics.counters.messages
            await client.say(json.dumps({"action": "subscribe", "id": 1, "channel": name, "since": since}))
            await until(lambda: world.hub.metrics.counters.messages > messages)
            await until(lambda: any(each.outbox is not None for each in world.hub.connections))
            await world.realtime.publish(name, text(count + 1))
            await until(world.hub._fanout.idle.is_set)
            hurry(client)
            ack = json.loads(await client.text())
            assert (ack["id"], ack["recovered"]) == (1, True)
            offsets = [json.loads(await client.text())["offset"] for _ in range(ack["replay"])]
            assert offsets == list(range(since["offset"] + 1, ack["offset"] + 1))
            while offsets[-1] < begun["offset"] + count + 1:
                message = json.loads(await client.text())
                assert message["type"] == "message"
                offsets.append(message["offset"])
            assert offsets == list(range(since["offset"] + 1, begun["offset"] + count + 2))

    asyncio.run(main())


CADDYFILE = f""":0 {{
	go_handler {{
		jwt {{
			secret "{SECRET}"
		}}
		send_queue 8 64KiB
		slow_consumer latest
		channel old {{
			slow_consumer drop_oldest
		}}
	}}
}}"""


@pytest.mark.parametrize("lane", [True, False])
@pytest.mark.parametrize("channel", ["old", "any"])
def test_both_roads_lead_to_the_same(lane: bool, channel: str) -> None:
    async def main() -> None:
        async with road(CADDYFILE, lane=lane, socket_bytes=4096) as running:
            reader, writer = await asyncio.open_connection("127.0.0.1", running.port())
            client = WebSocketClient(reader, writer)
            try:
                await subscribed(client, channel, [f"{PROTOCOL}, bearer.{token()}"])
                assert running.at_site == int(not lane)
                hub = running.generation.realtimes[0].hub
                published = await publish_until(hub, channel, dropped(hub))
                found = await read_until(client, published)
                assert lost(found, published) == hub.metrics.counters.frames_dropped
            finally:
                client.close()

    asyncio.run(main())


def test_an_answer_comes_between_what_was_lost_before_and_after_it() -> None:
    async def main() -> None:
        async with serving(realtime(send_queue=(8, "64KiB"), channel=CHANNELS)) as world:
            client = await slow(world, "last")
            before = await publish_until(world.hub, "last", dropped(world.hub), stream=True)
            await client.send(client_frame(b'{"action":"subscribe","id":7,"channel":"last"}'))
            messages = world.hub.metrics.counters.messages
            while world.hub.metrics.counters.messages == messages:
                await asyncio.sleep(0)
            for number in range(before + 1, before + 10):
                world.hub.deliver(Publication("last", text(number), Position("e", number)))
                await asyncio.sleep(0)
            found = await read_until(client, before + 9)
            place = next(n for n, each in enumerate(found) if each.get("id") == 7)
            gap, ack, after, newest = found[place - 1 : place + 3]
            assert (gap["type"], gap["to"]) == ("gap", before)
            assert ack["type"] == "subscribed"
            assert (after["from"], after["to"]) == (before + 1, before + 8)
            assert newest["payload"]["n"] == before + 9

    asyncio.run(main())
