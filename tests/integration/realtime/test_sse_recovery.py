"""Whoever comes back to an event stream gets what was missed on all channels, once (docs/sse.md S4)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import count
from random import Random
from urllib.parse import urlencode

import pytest

from tests.support.realtime_world import World, serving
from tests.support.redis_server import RedisServer
from tests.support.sse_world import Event, open_stream, post, read_event
from tornado_realtime.realtime import Realtime

CADDYFILE = """\
go_handler {{
	{more}
	channel log.* {{
		history 1000 1h
	}}
	channel short {{
		history 3 1h
	}}
}}
"""


def make(more: str = "") -> Realtime:
    return Realtime.from_caddyfile(CADDYFILE.format(more=more), authenticate=lambda request: "u1")


class EventSource:
    """Reads as a browser does: an event counts when its blank line is there, and so does its id.

    Args:
        world: The server.
        channels: What it listens to.
    """

    def __init__(self, world: World, channels: Sequence[str]) -> None:
        self._world = world
        self._target = "/sse?" + urlencode([("channel", channel) for channel in channels])
        self.last_id = ""
        self.heard: dict[str, list[object]] = {channel: [] for channel in channels}
        self.confirmed = 0

    async def read(self, size: int, until: Callable[[], bool] = bool) -> None:
        """Open a stream, and leave it after so many bytes, wherever that is, or earlier."""
        fields = [f"Last-Event-ID: {self.last_id}"] if self.last_id else []
        client = await self._world.connect()
        lines = [f"GET {self._target} HTTP/1.1", "Host: localhost", *fields, "", ""]
        await client.send("\r\n".join(lines).encode())
        assert (await client.answer(head_only=True)).status == 200
        unread = b""
        while size and not until():
            data = await asyncio.wait_for(client.reader.read(min(size, 200)), 5)
            assert data
            size -= len(data)
            *whole, unread = (unread + data).split(b"\n\n")
            for text in whole:
                self._take(read_event(text.decode()))
        client.close()

    def _take(self, event: Event) -> None:
        if event.id is not None:
            self.last_id = event.id
        if not event.name:
            self.heard[event.json["channel"]].append(event.json["payload"])
        elif event.json["type"] == "subscribed":
            self.confirmed += 1
            assert event.json.get("recovered", True), event


@pytest.mark.parametrize("channels", [["log.a"], ["log.a", "log.b", "log.ä"]], ids=len)
@pytest.mark.parametrize("seed", range(3))
def test_a_stream_that_breaks_anywhere_loses_and_repeats_nothing(channels: list[str], seed: int) -> None:
    random = Random(seed)

    async def main() -> None:
        async with serving(make()) as world:
            source = EventSource(world, channels)
            await source.read(10_000, lambda: source.confirmed == len(channels))
            sent: dict[str, list[object]] = {channel: [] for channel in channels}
            cuts = 0

            async def publish() -> None:
                for n in count():
                    channel = random.choice(channels)
                    sent[channel].append(n)
                    await world.realtime.publish(channel, str(n))
                    await asyncio.sleep(0.0005)
                    if cuts == 30:
                        return

            publishing = asyncio.create_task(publish())
            while cuts < 30:
                await source.read(random.randrange(1, 1500))
                cuts += 1
            await publishing
            await source.read(
                10**6, lambda: sum(map(len, source.heard.values())) >= sum(map(len, sent.values()))
            )
            assert source.heard == sent

    asyncio.run(main())


def test_on_another_node_too(redis: RedisServer) -> None:
    async def main(redis: str) -> None:
        async with serving(make(redis)) as one, serving(make(redis)) as two:
            stream = await open_stream(one, "/sse?channel=log.a&channel=log.b")
            places = [(await stream.event()).id for _ in range(2)]
            await two.realtime.publish("log.a", "1")
            first = await stream.event()
            assert first.id is not None
            assert places[1] is not None
            stream.socket.close()
            await two.realtime.publish("log.b", "2")
            await two.realtime.publish("log.a", "3")
            again = await open_stream(two, "/sse?channel=log.b&channel=log.a", f"Last-Event-ID: {first.id}")
            events = [await again.event() for _ in range(4)]
            assert sorted(event.json["payload"] for event in events if not event.name) == [2, 3]
            replays = [event.json["replay"] for event in events if event.name]
            assert replays == [1, 1]

    asyncio.run(main(f"driver redis\nredis_address {redis.address}"))


@pytest.mark.parametrize("shown", ["nonsense", "12345678:e:1,", "é", "x" * 20_000])
def test_an_id_that_cannot_be_read_is_as_one_that_is_too_old(shown: str) -> None:
    async def main() -> None:
        async with serving(make()) as world:
            await world.realtime.publish("log.a", "1")
            stream = await open_stream(world, "/sse?channel=log.a&last=5", f"Last-Event-ID: {shown}")
            confirmed = await stream.hear()
            assert (confirmed["recovered"], confirmed["replay"]) == (False, 0)

    asyncio.run(main())


def test_what_is_not_kept_any_more_is_told() -> None:
    async def main() -> None:
        async with serving(make()) as world:
            stream = await open_stream(world, "/sse?channel=short")
            place = (await stream.event()).id
            for n in range(5):
                await world.realtime.publish("short", str(n))
            again = await open_stream(world, f"/sse?channel=short&last_event_id={place}")
            event = await again.event()
            assert (event.json["recovered"], event.json["offset"]) == (False, 5)
            # From here on it can come back again.
            assert event.id is not None
            assert event.id.endswith(":5")

    asyncio.run(main())


def test_what_is_subscribed_by_post_has_no_place_in_an_id() -> None:
    async def main() -> None:
        async with serving(make()) as world:
            stream = await open_stream(world, "/sse?channel=log.a")
            await stream.event()
            await post(world, stream.session, '{"action":"subscribe","channel":"log.b","since":{"last":9}}')
            assert (await stream.event()).id is None
            await world.realtime.publish("log.b", "1")
            assert (await stream.event()).id is None
            await world.realtime.publish("log.a", "2")
            event = await stream.event()
            assert event.id is not None
            assert event.id.count(":") == 2
            bare = await open_stream(world, "/sse")
            await post(world, bare.session, '{"action":"subscribe","channel":"log.b","since":{"last":9}}')
            assert [(await bare.event()).id for _ in range(2)] == [None, None]

    asyncio.run(main())
