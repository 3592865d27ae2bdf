"""Clients stay, and are let in, while Redis is away; a wire that has words for it tells what they missed."""

from __future__ import annotations

import logging

import pytest

from tests.integration.brokers.conftest import MakeServer
from tests.integration.brokers.test_redis_faults import BRISK
from tests.support.broker_world import eventually, run
from tests.support.realtime_world import TunedRealtime, serving
from tornado_realtime.brokers.redis import RedisBroker
from tornado_realtime.errors import BrokerUnavailableError
from tornado_realtime.hub import Hub
from tornado_realtime.traits import TraitsTable
from tornado_realtime.wire.frames import text_frame
from tornado_realtime.wire.raw import RawWire


class TellingWire(RawWire):
    """A wire of the future."""

    def missed(self, channel: str) -> bytes:
        return text_frame(f"missed on {channel}".encode())


async def taken(hub: Hub, realtime: TunedRealtime, channel: str, message: str) -> bool:
    try:
        await realtime.publish(channel, message)
    except BrokerUnavailableError:
        return False
    return True


def test_the_mark_comes_after_what_was_heard_and_before_what_is(
    make_redis: MakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    server = make_redis()
    server.start()

    class OnRedis(TunedRealtime):
        @staticmethod
        def broker(traits: TraitsTable) -> RedisBroker:
            return RedisBroker(server.address, timing=BRISK, traits=traits)

    async def scenario() -> None:
        instance = OnRedis(authenticate=lambda request: "u1")
        async with serving(instance) as world:
            old = await world.open("news", "sport")
            instance._wire = TellingWire()
            new = await world.open("news")
            hub = world.hub
            await instance.publish("news", "before")
            server.kill()
            await eventually(lambda: not hub.broker.health.ready)
            late = await world.open("news")  # let in, and deaf from the beginning
            server.start()
            await eventually(lambda: taken(hub, instance, "news", "after"))
            assert [await new.text() for _ in range(3)] == [b"before", b"missed on news", b"after"]
            assert [await late.text() for _ in range(2)] == [b"missed on news", b"after"]
            assert [await old.text() for _ in range(2)] == [b"before", b"after"]
            values = hub.metrics.values()
            assert (values["gaps"], values["gap_channels"], values["outages"]) == (1, 2, 1)
            await eventually(lambda: hub.metrics.values()["broker_ready"] == 1)

    with caplog.at_level(logging.WARNING):
        run(scenario())
    (line,) = [text for text in caplog.messages if "may have been missed" in text]
    assert line.endswith("s may have been missed on 2 channels")
