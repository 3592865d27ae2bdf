"""Receipts over HTTP: of this node, and of two nodes on one Redis."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import make_tls_pair
from tests.support.rawhttp import Answered
from tests.support.realtime_world import World, nodes_on, realtime, serving, until
from tests.support.redis_server import RedisServer
from tornado_realtime.hub.receipts import COLLECT, WATCH

ACCEPT = "Accept: application/json"
JSON = "Content-Type: application/json"
FORM = b"channel=news&message=hello"


async def receipt(world: World, body: bytes = FORM, *fields: str) -> dict[str, Any]:
    return told(await world.post(ACCEPT, *fields, body=body))


def told(answer: Answered) -> dict[str, Any]:
    assert answer.status == 202, answer
    assert answer.header("Content-Type") == "application/json"
    assert answer.header("Content-Length") == str(len(answer.body))
    found: dict[str, Any] = json.loads(answer.body)
    assert found.pop("accepted") is True
    return found


def counts(
    written: int = 0, queued: int = 0, skipped: int = 0, answered: int = 1, missing: int = 0
) -> dict[str, Any]:
    nodes = {"answered": answered, "missing": missing}
    return {"written": written, "queued": queued, "skipped": skipped, "nodes": nodes}


def test_without_the_header_the_answer_is_as_it_was() -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            client = await world.open("news")
            for accept in ("Accept: */*", "Accept: text/html", "X: y"):
                answer = await world.post(accept, body=FORM + b"&wait=delivered&timeout=never")
                assert (answer.status, answer.body, answer.header("Content-Length")) == (202, b"", "0")
                assert answer.header("Content-Type") is None
                assert await client.text() == b"hello"

    asyncio.run(main())


def test_of_a_form_of_json_and_of_a_batch() -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            assert await receipt(world) == counts()
            clients = [await world.open("news") for _ in range(3)]
            await world.open("sport")
            assert await receipt(world) == counts(written=3)
            assert await receipt(world, FORM + b"&wait=delivered&timeout=5") == counts(written=3)
            batch = [{"channels": ["news", "sport", "nowhere"], "message": number} for number in range(600)]
            body = json.dumps({"batch": batch, "wait": "delivered", "timeout": 10}).encode()
            client = await world.connect()
            answer = await client.request("POST", "/internal/broadcast", JSON, ACCEPT, body=body)
            assert told(answer) == counts(written=600 * 4)
            assert [await clients[0].text() for _ in range(3)] == [b"hello", b"hello", b"0"]

    asyncio.run(main())


def test_what_the_wire_cannot_carry_is_skipped() -> None:
    async def main() -> None:
        async with serving(realtime(wire="envelope")) as world:
            await world.open("news")
            assert await receipt(world) == counts(skipped=1)
            assert await receipt(world, b"channel=news&message=1") == counts(written=1)

    asyncio.run(main())


@pytest.mark.parametrize("secure", [False, True])
def test_what_a_client_does_not_read_is_queued(secure: bool, tmp_path: Path) -> None:
    async def main() -> None:
        tls = make_tls_pair(tmp_path) if secure else None
        async with serving(realtime(send_queue=[1000, "64MiB"]), tls=tls) as world:
            await world.open("sport")
            assert await receipt(world, b"channel=sport&message=hello") == counts(written=1)
            deaf = await world.open("news")
            deaf.stop_reading()
            large = b"channel=news&message=" + b"x" * 1_000_000
            # Until more waits than the kernel can ever take.
            while world.hub.metrics.values()["outbox_bytes"] < 20_000_000:
                await receipt(world, large)
            assert await receipt(world) == counts(queued=1)
            await world.open("news")
            assert await receipt(world) == counts(written=1, queued=1)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (b"&wait=forever", "wait must be delivered, or not there"),
        (b"&timeout=11", "timeout must be seconds, more than 0 and at most 10"),
    ],
)
def test_wishes_that_make_no_sense_publish_nothing(fields: bytes, reason: str) -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            client = await world.open("news")
            answer = await world.post(ACCEPT, body=FORM + fields)
            assert (answer.status, answer.body.decode()) == (400, f"{reason}\n")
            await world.realtime.publish("news", "the next")
            assert await client.text() == b"the next"

    asyncio.run(main())


async def heard(world: World, *channels: str) -> None:
    """Wait until Redis sends this node what is published there."""
    await until(lambda: not world.realtime.trouble)
    assert set(channels) <= set(world.hub.channels())


def test_of_two_nodes(redis: RedisServer) -> None:
    async def main() -> None:
        async with nodes_on(redis.address) as (one, two):
            for world, size in ((one, 1), (two, 2)):
                for _ in range(size):
                    await world.open("news")
                await heard(world, "news")
            assert await receipt(one) == counts(written=1)
            assert await receipt(two) == counts(written=2)
            everywhere = FORM + b"&wait=delivered&timeout=10"
            assert await receipt(one, everywhere) == counts(written=3, answered=2)
            # Nobody listens on one of them, nor anywhere.
            await two.open("sport")
            await heard(two, "sport")
            body = b"channel=sport&message=x&wait=delivered&timeout=10"
            assert await receipt(one, body) == counts(written=1, answered=2)
            assert await receipt(two, body.replace(b"sport", b"silence")) == counts(answered=2)

    asyncio.run(main())


@pytest.mark.parametrize("deaf_to", [WATCH, COLLECT])
def test_a_node_that_does_not_tell_is_missing(redis: RedisServer, deaf_to: str) -> None:
    async def main() -> None:
        async with nodes_on(redis.address) as (one, two):
            for world in (one, two):
                await world.open("news")
                await heard(world, "news")
            two.hub.nodes._handlers.pop(deaf_to)
            found = await receipt(one, FORM + b"&wait=delivered&timeout=0.5")
            assert found == counts(written=1, missing=1)

    asyncio.run(main())


def test_without_redis_nothing_is_accepted(redis: RedisServer) -> None:
    async def main() -> None:
        async with nodes_on(redis.address, 1) as (one,):
            redis.kill()
            await until(lambda: one.realtime.trouble)
            for body in (FORM, FORM + b"&wait=delivered"):
                answer = await one.post(ACCEPT, body=body)
                assert (answer.status, json.loads(answer.body)["accepted"]) == (503, False)

    asyncio.run(main())
