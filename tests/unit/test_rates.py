"""Rates, by a clock that tests turn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_realtime.rates import Meter, Rate


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_and_then_so_many_a_second() -> None:
    clock = Clock()
    meter: Meter[str] = Meter(Rate(2, 5), clock)
    assert [meter.take("a") for _ in range(7)] == [True] * 5 + [False] * 2
    assert meter.take("b")
    clock.now += 0.5
    assert [meter.take("a"), meter.take("a")] == [True, False]
    clock.now += 60
    assert [meter.take("a") for _ in range(6)] == [True] * 5 + [False]


def test_waiting_is_told_and_counts_nothing() -> None:
    clock = Clock()
    meter: Meter[str] = Meter(Rate(2, 1), clock)
    assert (meter.wait("a"), meter.wait("a")) == (0, 0)
    assert meter.take("a")
    assert meter.wait("a") == pytest.approx(0.5)
    clock.now += 0.5
    assert meter.wait("a") == 0


def test_what_has_calmed_down_is_forgotten() -> None:
    clock = Clock()
    meter: Meter[int] = Meter(Rate(10, 10), clock)
    for number in range(1000):
        meter.take(number)
    assert len(meter) == 1000
    clock.now += 1
    meter.take(0)
    clock.now += 1
    meter.take(0)
    assert len(meter) == 2
    meter.forget(0)
    assert len(meter) == 0


@given(
    st.integers(1, 20),
    st.integers(1, 20),
    st.lists(st.floats(0, 3, allow_nan=False), min_size=1, max_size=60),
)
def test_it_is_a_bucket(per_second: int, burst: int, pauses: list[float]) -> None:
    """The same as a bucket that is kept by hand, whatever is forgotten meanwhile."""
    clock = Clock()
    meter: Meter[str] = Meter(Rate(per_second, burst), clock)
    level = float(burst)
    for pause in pauses:
        clock.now += pause
        level = min(burst, level + pause * per_second)
        if abs(level - 1) > 1e-6:
            assert (meter.wait("a") == 0) is (level >= 1)
            taken = meter.take("a")
            assert taken is (level >= 1)
            level -= taken
        elif meter.take("a"):
            level = max(0.0, level - 1)


def test_a_rate_is_shown_as_it_is_written() -> None:
    assert str(Rate(100.0, 500)) == "100 500"
