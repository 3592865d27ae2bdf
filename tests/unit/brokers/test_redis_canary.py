"""When a probe is late, and what that means for a node."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.support.broker_world import eventually
from tests.unit.brokers.fake_line import turns
from tornado_realtime.brokers.redis.canary import UNSENT, Canary
from tornado_realtime.brokers.redis.link import cancelled
from tornado_realtime.brokers.redis.publisher import Parcel
from tornado_realtime.errors import BrokerUnavailableError
from tornado_realtime.metrics import BrokerCounters

NEVER = 3600.0


class World:
    """A canary whose probes the test brings back, or not."""

    def __init__(self, period: float) -> None:
        self.counters = BrokerCounters()
        self.probes: list[Parcel] = []
        self.proofs: list[float] = []
        self.usable = True
        self.lates: list[bool] = []
        self.canary = Canary(
            "h:1",
            period,
            self.counters,
            usable=lambda: self.usable,
            send=self.probes.append,
            proved=self.proofs.append,
            late=self.lates.append,
        )
        self.canary.topic = b"probe"

    def bring_back(self, index: int = -1) -> None:
        self.probes[index].succeed(1)
        self.canary.take(self.probes[index].data)


@asynccontextmanager
async def world(period: float = NEVER) -> AsyncIterator[World]:
    made = World(period)
    task = asyncio.create_task(made.canary.run())
    try:
        yield made
    finally:
        await cancelled(task)


def test_not_ready_before_the_first_probe_is_back() -> None:
    async def scenario() -> None:
        async with world() as w:
            await turns()
            assert len(w.probes) == 1
            assert "no probe came back" in w.canary.trouble
            w.bring_back()
            assert w.canary.trouble == ""
            assert w.canary.seconds > 0
            assert len(w.proofs) == 1
            assert w.counters.probes_late == 0

    asyncio.run(scenario())


def test_a_lost_connection_takes_the_proof_away_until_the_next_probe() -> None:
    async def scenario() -> None:
        async with world() as w:
            await turns()
            w.bring_back()
            w.usable = False
            w.canary.lost()
            w.canary.wake()
            await turns()
            assert len(w.probes) == 1
            w.bring_back(0)  # what was sent before does not count
            assert w.canary.trouble
            w.usable = True
            w.canary.wake()
            await turns()
            w.bring_back()
            assert (w.canary.trouble, len(w.probes), w.counters.probes_late) == ("", 2, 0)

    asyncio.run(scenario())


def test_a_connection_that_is_lost_while_a_probe_is_out_is_no_late_probe() -> None:
    async def scenario() -> None:
        async with world() as w:
            await turns()
            w.canary.lost()
            await turns()
            assert w.probes[0].taken.cancelled()
            w.canary.wake()
            await turns()
            w.bring_back()
            assert (w.canary.trouble, w.counters.probes_late) == ("", 0)

    asyncio.run(scenario())


def test_a_late_probe_is_counted_said_and_not_ready(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with world(0.02) as w:
            await turns()
            w.probes[0].succeed(1)  # Redis took it, and it does not come back
            await eventually(lambda: w.lates == [True])
            assert w.counters.probes_late == 1
            assert w.canary.trouble == "a probe did not come back from Redis within 0.02 s"
            w.usable = False
            w.canary.lost()  # that is what the shard makes of it; the reason stays
            assert "did not come back" in w.canary.trouble
            w.usable = True
            w.canary.wake()
            await eventually(lambda: len(w.probes) == 2)
            w.bring_back()
            assert w.canary.trouble == ""

    with caplog.at_level(logging.INFO):
        asyncio.run(scenario())
    assert caplog.messages[0].startswith("a probe did not come back from Redis at h:1 within 0.02 s")


def test_a_probe_that_waits_while_the_process_sleeps_is_not_late() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        async with world(0.2) as w:
            await turns()
            for _ in range(3):
                time.sleep(0.5)  # as after SIGSTOP, every timer is overdue
                loop.call_later(0.01, w.bring_back)  # and the probe is still to be read
                count = len(w.probes)
                await eventually(lambda count=count: len(w.probes) > count)
            assert (w.counters.probes_late, w.lates) == (0, [])

    asyncio.run(scenario())


def test_a_probe_that_redis_does_not_take_says_why_once(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with world(0.02) as w:
            for count in (1, 2, 3):
                await eventually(lambda count=count: len(w.probes) == count)
                w.probes[-1].refuse(BrokerUnavailableError("NOPERM"))
                await turns()
                assert w.canary.trouble == UNSENT
            await eventually(lambda: len(w.probes) == 4)
            w.bring_back()
            assert (w.canary.trouble, w.counters.probes_late, w.lates) == ("", 0, [])

    with caplog.at_level(logging.INFO):
        asyncio.run(scenario())
    assert caplog.messages == ["no probe can be published on Redis at h:1: NOPERM"]


def test_off_is_no_probe_and_no_trouble() -> None:
    async def scenario() -> None:
        async with world(0.0) as w:
            await turns()
            w.canary.lost()
            w.canary.wake()
            await turns()
            assert (w.probes, w.canary.trouble) == ([], "")

    asyncio.run(scenario())
