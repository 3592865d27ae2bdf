"""When a client tries again: soon, then less often, and not all clients at once (docs/realtime-v1.md V8)."""

from __future__ import annotations

from collections.abc import Callable
from random import random

FIRST_SECONDS = 0.5
MOST_SECONDS = 30.0


class Backoff:
    """How long to wait before each try.

    Args:
        chance: From 0 to less than 1, equally likely.
        first: Seconds before the first try, if the server does not say.
    """

    def __init__(self, chance: Callable[[], float] = random, first: float = FIRST_SECONDS) -> None:
        self._chance = chance
        self._first = self._after = first

    def advised(self, seconds: float | None) -> None:
        """The server said how long to wait after it ended the connection; None if it said nothing."""
        self._after = self._first if seconds is None else seconds

    def failed(self) -> None:
        """A try did not succeed."""
        self._after = min(MOST_SECONDS, 2 * max(self._first, self._after))

    def seconds(self, at_least: float = 0.0) -> float:
        """How long to wait now, between that time and twice that time.

        Args:
            at_least: What a server that had no room asked for.
        """
        return max(self._after, at_least) * (1 + self._chance())
