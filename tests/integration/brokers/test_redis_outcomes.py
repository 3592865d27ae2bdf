"""What a publisher is told over HTTP when Redis does not take what it publishes."""

from __future__ import annotations

import json

import pytest

from tests.integration.brokers.conftest import MakeServer
from tests.support.broker_world import run
from tests.support.rawhttp import Answered
from tests.support.realtime_world import World, serving
from tornado_realtime.realtime import Realtime

JSON = "Content-Type: application/json"


async def both(world: World) -> list[tuple[object, ...]]:
    """The answers to a form and to a batch: status, outcome, how many were taken."""
    form = await world.post()
    client = await world.connect()
    body = json.dumps({"batch": [{"channel": "news", "message": "x"}] * 3}).encode()
    batch = await client.request("POST", "/internal/broadcast", JSON, body=body)
    client.close()
    return [_read(form), _read(batch)]


def _read(answered: Answered) -> tuple[object, ...]:
    if answered.status == 202:
        return (202,)
    assert int(answered.header("Retry-After") or 0) >= 1
    body = json.loads(answered.body)
    assert body["accepted"] is False
    assert body["reason"]
    return (answered.status, body["outcome"], body.get("published"))


@pytest.mark.parametrize("listens", [True, False])
def test_outcomes(make_redis: MakeServer, listens: bool) -> None:
    server = make_redis()
    server.start()

    async def scenario() -> None:
        instance = Realtime(
            driver="redis",
            redis_address=server.address,
            publish_timeout=0.3,
            authenticate=lambda request: "somebody",
        )
        async with serving(instance) as world:
            if listens:
                await world.open("news")
            assert await both(world) == [(202,), (202,)]
            server.pause()
            assert (await both(world))[0] == (503, "unknown", None)
            # That nothing came made Redis known to be away.
            assert await both(world) == [(503, "rejected", None), (503, "rejected", 0)]
            server.kill()
            assert await both(world) == [(503, "rejected", None), (503, "rejected", 0)]

    run(scenario())


def test_a_batch_whose_answer_is_lost_is_unknown(make_redis: MakeServer) -> None:
    server = make_redis()
    server.start()

    async def scenario() -> None:
        instance = Realtime(driver="redis", redis_address=server.address, publish_timeout=0.3)
        async with serving(instance) as world:
            assert await both(world) == [(202,), (202,)]
            server.pause()
            client = await world.connect()
            body = json.dumps({"batch": [{"channel": "news", "message": "x"}] * 3}).encode()
            answered = await client.request("POST", "/internal/broadcast", JSON, body=body)
            assert _read(answered) == (503, "unknown", 0)

    run(scenario())
