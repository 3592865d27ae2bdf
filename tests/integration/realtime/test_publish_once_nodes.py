"""Publishing under a key, and to all but one, on two nodes with one Redis."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.integration.realtime.test_publish_once import receipt, send
from tests.support.realtime_world import World, nodes_on, until
from tests.support.redis_server import RedisServer
from tests.support.v1_world import open_v1

MAY: dict[str, Any] = {"subscribe": "anyone", "publish": "anyone"}
BLOCKS = {"*": MAY, "stream*": {**MAY, "history": [100, "1m"]}}
KEY = "Idempotency-Key: k"
EVERYWHERE = b"&wait=delivered&timeout=10"


async def ready(*worlds: World) -> None:
    """Wait until Redis sends the nodes what is published, and they know where their streams begin."""

    def hears(world: World) -> bool:
        broker = world.hub.broker
        streams = (name for name in world.hub.channels() if broker.traits.of(name).retention is not None)
        return not world.realtime.trouble and all(map(broker.position, streams))

    await until(lambda: all(map(hears, worlds)))


@pytest.mark.parametrize("channel", ["plain", "stream"])
def test_a_key_is_known_on_every_node(redis: RedisServer, channel: str) -> None:
    async def main() -> None:
        async with nodes_on(redis.address, channel=BLOCKS) as (one, two):
            clients = [await world.open(channel) for world in (one, two)]
            await ready(one, two)
            body = f"channel={channel}&message=hello".encode()
            first = await receipt(one, body, KEY)
            for world in (two, one):
                # As its publication does not come back, nobody waits for it, on whichever node.
                again = await receipt(world, body + EVERYWHERE, KEY)
                assert (again["repeated"], again["written"]) == (1, 0)
                assert again["nodes"] == {"answered": 2, "missing": 0}
                assert [again.get(name) for name in ("epoch", "offset")] == [
                    first.get(name) for name in ("epoch", "offset")
                ]
            assert ("offset" in first) == (channel == "stream")
            batch = [{"channel": channel, "message": number} for number in range(300)]
            for world in (one, two):
                assert (await send(world, {"batch": batch, "key": "b"})).status == 202
            assert (await send(two, f"channel={channel}&message=last".encode())).status == 202
            for client in clients:
                heard = [await client.text() for _ in range(302)]
                assert heard == [b"hello", *(b"%d" % number for number in range(300)), b"last"]

    asyncio.run(main())


@pytest.mark.parametrize("channel", ["plain", "stream"])
def test_the_same_request_twice_at_a_time(redis: RedisServer, channel: str) -> None:
    async def main() -> None:
        async with nodes_on(redis.address, channel=BLOCKS) as (one, two):
            client = await two.open(channel)
            await ready(one, two)
            body = f"channel={channel}&message=hello".encode()
            found = await asyncio.gather(*(receipt(world, body, KEY) for world in (one, two, one, two)))
            assert sum(each.get("repeated", 0) for each in found) == 3
            assert len({each.get("offset") for each in found}) == 1
            assert (await send(one, f"channel={channel}&message=last".encode())).status == 202
            assert [await client.text() for _ in range(2)] == [b"hello", b"last"]

    asyncio.run(main())


@pytest.mark.parametrize("channel", ["plain", "stream"])
def test_one_client_is_left_out_wherever_it_is(redis: RedisServer, channel: str) -> None:
    async def main() -> None:
        async with nodes_on(redis.address, channel=BLOCKS) as (one, two):
            spared, other = await open_v1(two), await open_v1(two)
            for client in (spared, other):
                assert (await client.ask("subscribe", channel=channel))["type"] == "subscribed"
            old = await two.open(channel)
            await ready(one, two)
            body = f"channel={channel}&message=1&exclude={spared.name}".encode()
            found = await receipt(one, body + EVERYWHERE)
            assert (found["written"], found["skipped"]) == (2, 0)
            await one.realtime.publish(channel, "2", key="k")
            if channel == "stream":
                assert await spared.hear() == {"type": "skipped", "channel": channel, "offset": 1}
            assert (await spared.hear())["payload"] == 2
            heard = [await other.hear() for _ in range(2)]
            assert [message["payload"] for message in heard] == [1, 2]
            assert not any("from" in message or "exclude" in message for message in heard)
            assert [await old.text(), await old.text()] == [b"1", b"2"]

    asyncio.run(main())


def test_clients_keys_are_their_user_s_on_every_node(redis: RedisServer) -> None:
    async def main() -> None:
        users = iter(["eve", "ada", "ada", "bob"])
        options: dict[str, Any] = {"channel": BLOCKS, "authenticate": lambda request: next(users)}
        async with nodes_on(redis.address, **options) as (one, two):
            listener = await open_v1(one)
            assert (await listener.ask("subscribe", channel="stream"))["type"] == "subscribed"
            await ready(one, two)
            offsets = []
            for payload, world in ((1, one), (2, two), (3, two)):
                author = await open_v1(world)
                said = await author.ask("publish", id=1, channel="stream", payload=payload, key="k")
                offsets.append(said["offset"])
            assert offsets == [1, 1, 2]
            assert [(await listener.hear())["payload"] for _ in range(2)] == [1, 3]

    asyncio.run(main())


def test_a_retry_after_an_unknown_outcome_publishes_once(redis: RedisServer) -> None:
    async def main() -> None:
        options: dict[str, Any] = {"channel": BLOCKS, "publish_timeout": "200ms"}
        async with nodes_on(redis.address, **options) as (one, two):
            client = await two.open("stream")
            await ready(one, two)
            redis.pause()
            answered = await send(one, b"channel=stream&message=hello", KEY)
            said = json.loads(answered.body)
            assert (answered.status, said["outcome"]) == (503, "unknown")
            assert said["reason"].endswith("the same request with the same key does not publish it twice")
            redis.resume()
            await ready(one, two)
            again = await receipt(two, b"channel=stream&message=hello", KEY)
            assert again["offset"] == 1
            assert (await send(two, b"channel=stream&message=last")).status == 202
            assert [await client.text() for _ in range(2)] == [b"hello", b"last"]

    asyncio.run(main())
