"""How long to wait before the next dial."""

from __future__ import annotations

import random
from collections.abc import Callable


class Backoff:
    """Exponential backoff with full jitter, so that many nodes do not come back in one moment.

    Args:
        base: Upper bound of the first wait, in seconds.
        cap: Upper bound of every wait, in seconds.
        uniform: Picks a number between its arguments.
    """

    def __init__(
        self, base: float, cap: float, uniform: Callable[[float, float], float] = random.uniform
    ) -> None:
        self._base = base
        self._cap = cap
        self._uniform = uniform
        self._bound = base

    def next(self) -> float:
        """Seconds to wait now; the bound doubles with every call."""
        wait = self._uniform(0.0, self._bound)
        self._bound = min(self._cap, self._bound * 2)
        return wait

    def reset(self) -> None:
        """Start anew from ``base``."""
        self._bound = min(self._cap, self._base)
