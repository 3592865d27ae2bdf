"""Numbers about numbers: the middle of a few runs, and the distribution of many durations."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_STEPS_PER_DOUBLING = 32


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of a few measurements, and how far they lie apart."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value.

        Raises:
            ValueError: There is none.
        """
        if not values:
            raise ValueError("no values to take the median of")
        return cls(statistics.median(values), min(values), max(values))


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """How many times theirs ours is: the ratio of the medians, and the range of the rounds' own ratios.

    Args:
        ours: One value a round.
        theirs: One value a round; with fewer on one side, only complete pairs make the range.

    Raises:
        ValueError: One side has no values, or theirs has a median of 0.
    """
    middle = Spread.of(theirs).median
    if middle == 0:
        raise ValueError("nothing to divide by")
    pairs = [mine / other for mine, other in zip(ours, theirs, strict=False) if other]
    return Spread(Spread.of(ours).median / middle, min(pairs), max(pairs))


class Durations:
    """A distribution of durations that stays small however many there are; each is kept to 2.2 %."""

    __slots__ = ("_cells", "count", "longest")

    def __init__(self, values: Iterable[float] = ()) -> None:
        self._cells: dict[int, int] = {}
        self.count = 0
        self.longest = 0.0
        for value in values:
            self.add(value)

    def add(self, seconds: float) -> None:
        """Count one duration; what is not above zero counts as the shortest there is, a nanosecond."""
        cell = math.floor(math.log2(seconds if seconds > 1e-9 else 1e-9) * _STEPS_PER_DOUBLING)
        self._cells[cell] = self._cells.get(cell, 0) + 1
        self.count += 1
        self.longest = max(self.longest, seconds)

    def within(self, fraction: float) -> float:
        """Seconds within which this fraction (0..1) of the durations lie; 0 if there are none."""
        wanted, seen = fraction * self.count, 0
        for cell in sorted(self._cells):
            seen += self._cells[cell]
            if seen >= wanted:
                middle: float = 2.0 ** ((cell + 0.5) / _STEPS_PER_DOUBLING)
                return min(middle, self.longest)
        return self.longest
