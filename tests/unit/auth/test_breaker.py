"""A circuit breaker, by its own clock."""

from __future__ import annotations

import pytest

from tornado_realtime.auth.breaker import FAILURES_SIZE, LONGEST_PAUSE, Breaker
from tornado_realtime.errors import AuthBusyError


class World:
    def __init__(self) -> None:
        self.now = 0.0
        self.breaker = Breaker(lambda: self.now)

    def fail(self, times: int = FAILURES_SIZE) -> None:
        for _ in range(times):
            self.breaker.failed(is_probe=self.breaker.check())

    def refuses(self, wanted: bool) -> None:
        assert self.breaker.is_open is wanted

    def refusal(self) -> float:
        with pytest.raises(AuthBusyError) as caught:
            self.breaker.check()
        return caught.value.retry_after


def test_failures_in_a_row_open_it_and_others_do_not() -> None:
    world = World()
    for _ in range(3):
        world.fail(FAILURES_SIZE - 1)
        assert not world.breaker.succeeded()
    world.refuses(False)
    world.fail(FAILURES_SIZE - 1)
    assert world.breaker.failed(is_probe=False)
    world.refuses(True)
    assert not world.breaker.failed(is_probe=False)  # those under way fail, too; that is no news
    assert world.refusal() == 1.0


def test_one_probe_at_a_time() -> None:
    world = World()
    world.fail()
    world.now = 1.0
    assert world.breaker.check() is True
    world.refusal()
    world.breaker.abandoned(is_probe=True)
    assert world.breaker.check() is True
    assert world.breaker.succeeded()
    assert world.breaker.check() is False
    assert world.breaker.check() is False


def test_the_pause_doubles_up_to_a_bound_and_begins_anew() -> None:
    world = World()
    world.fail()
    pauses = []
    for _ in range(8):
        world.now += world.refusal()
        assert not world.breaker.failed(is_probe=world.breaker.check())
        pauses.append(world.refusal())
    assert pauses == [2, 4, 8, 16, 30, 30, 30, LONGEST_PAUSE]
    world.now += LONGEST_PAUSE
    world.breaker.check()
    world.breaker.succeeded()
    world.fail()
    assert world.refusal() == 1.0
