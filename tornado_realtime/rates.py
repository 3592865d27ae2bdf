"""How often something may happen, for many things at a time, without a timer for any of them."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar


@dataclass(frozen=True, slots=True)
class Rate:
    """So often.

    Attributes:
        per_second: In the long run.
        burst: How many may come at once after a pause.
    """

    per_second: float
    burst: int

    def __str__(self) -> str:
        """As written."""
        return f"{self.per_second:g} {self.burst}"


K = TypeVar("K", bound=Hashable)


class Meter(Generic[K]):
    """Measures against a rate: each thing has a bucket of ``burst`` that fills ``per_second``.

    For a thing that happened lately one number is kept: when its bucket will be full again (the generic cell
    rate algorithm). Those whose buckets are full are forgotten by and by.

    Args:
        rate: What is allowed.
        clock: The time in seconds.
    """

    def __init__(self, rate: Rate, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._each = 1.0 / rate.per_second
        self._whole = rate.burst * self._each
        self._lately: dict[K, float] = {}
        self._before: dict[K, float] = {}
        self._next = clock() + self._whole

    def __len__(self) -> int:
        """How many things are remembered."""
        return len(self._lately) + len(self._before)

    def wait(self, key: K) -> float:
        """Seconds until it may happen again; 0 if it may now. Nothing is counted."""
        now = self._clock()
        return max(0.0, self._after(key, now) - now - self._whole)

    def take(self, key: K) -> bool:
        """Whether it may happen now; then it is counted."""
        now = self._clock()
        after = self._after(key, now)
        if after - now > self._whole:
            return False
        self._lately[key] = after
        return True

    def forget(self, key: K) -> None:
        """It will not happen again."""
        self._lately.pop(key, None)
        self._before.pop(key, None)

    def _after(self, key: K, now: float) -> float:
        """When its bucket would be full again if it happened now."""
        if now >= self._next:
            # Whatever was not counted since the last time has a full bucket by now.
            self._before, self._lately = self._lately, {}
            self._next = now + self._whole
        full = self._lately.get(key) or self._before.get(key, now)
        return (full if full > now else now) + self._each
