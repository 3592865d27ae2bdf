"""Clients of streams against a model, on every broker; ``make model`` takes more steps than ``make test``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.carriers import Near, OnRedis
from tests.model.machine import FarMachine, StreamMachine
from tests.support.redis_server import RedisServer
from tornado_realtime.hub import joining

SCALE = int(os.environ.get("MODEL_SCALE", "1"))
STEPS = 50
PHASES = [Phase.explicit, Phase.reuse, Phase.generate]


def check(machine: type[StreamMachine], examples: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples * SCALE,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=PHASES,
        ),
    )


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


def test_on_memory() -> None:
    class OnMemory(StreamMachine):
        make_carrier = Near

    check(OnMemory, 60)


def test_where_everything_takes_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "LOOK", 0.001)

    check(FarMachine, 100)


def test_on_redis(redis: RedisServer) -> None:
    class OnARedis(StreamMachine):
        make_carrier = staticmethod(partial(OnRedis, address=redis.address))

    check(OnARedis, 20)
