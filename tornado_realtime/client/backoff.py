"""When a client tries again: soon, then less often, and not all clients at once (docs/realtime-v1.md V8)."""

from __future__ import annotations

from collections.abc import Callable
from random import random

FIRST_SECONDS = 0.5
MOST_SECONDS = 30.0
STABLE_SECONDS = 5.0


class Backoff:
    """How long to wait before each try.

    Args:
        chance: From 0 to less than 1, equally likely.
        first: Seconds before the first try, if the server does not say.
        most: Seconds that are not exceeded, but by chance, and where a server asks for more.
    """

    def __init__(
        self,
        chance: Callable[[], float] = random,
        first: float = FIRST_SECONDS,
        most: float = MOST_SECONDS,
    ) -> None:
        self._chance = chance
        self._first = self._after = first
        self._most = most

    def lost(self, advised: float | None, lived: float) -> None:
        """A connection ended.

        Args:
            advised: Seconds that the server said to wait; None if it said nothing.
            lived: Seconds for which there was a connection. One that is lost at once is as none.
        """
        if advised is not None:
            self._after = advised
        elif lived >= STABLE_SECONDS:
            self._after = self._first
        else:
            self.failed()

    def failed(self) -> None:
        """A try did not succeed."""
        self._after = min(self._most, 2 * max(self._first, self._after))

    def seconds(self, at_least: float = 0.0) -> float:
        """How long to wait now, between that time and twice that time.

        Args:
            at_least: What a server that had no room asked for.
        """
        return max(self._after, at_least) * (1 + self._chance())
