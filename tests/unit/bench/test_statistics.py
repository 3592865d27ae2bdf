"""Medians, ratios and distributions."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornado_realtime.bench.statistics import Durations, Spread, ratios


def test_a_spread_is_the_median_and_the_range() -> None:
    assert Spread.of([3, 1, 10]) == Spread(3, 1, 10)
    assert Spread.of([1, 2]) == Spread(1.5, 1, 2)
    with pytest.raises(ValueError, match="no values"):
        Spread.of([])


def test_a_ratio_is_that_of_the_medians_with_the_range_of_the_pairs() -> None:
    assert ratios([10, 20, 40], [10, 10, 10]) == Spread(2, 1, 4)
    assert ratios([10, 20], [5]) == Spread(3, 2, 2)
    with pytest.raises(ValueError, match="divide"):
        ratios([1], [0])


def test_no_durations() -> None:
    nothing = Durations()
    assert (nothing.count, nothing.longest, nothing.within(0.5)) == (0, 0.0, 0.0)


def test_durations_of_nothing_and_less_are_kept() -> None:
    odd = Durations([0.0, -1.0])
    assert odd.count == 2
    assert odd.within(0.99) == 0.0


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(1e-6, 100), min_size=1, max_size=200), st.sampled_from([0.01, 0.5, 0.9, 0.99, 1.0]))
def test_a_fraction_is_found_to_within_a_step(values: list[float], fraction: float) -> None:
    exact = sorted(values)[math.ceil(fraction * len(values)) - 1]
    found = Durations(values).within(fraction)
    assert exact * 0.977 <= found <= exact * 1.023


def test_the_distribution_stays_small() -> None:
    many = Durations(number / 1000 for number in range(1, 20_000))
    assert many.count == 19_999
    assert many.longest == 19.999
    assert len(many._cells) < 500
