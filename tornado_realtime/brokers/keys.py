"""What was published lately under which key, so that it is not published twice."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from tornado_realtime.brokers.base import KEY_SECONDS
from tornado_realtime.metrics import BrokerCounters
from tornado_realtime.publication import Taken

MOST_KEYS = 100_000
"""Most keys that are remembered; above it the oldest is forgotten."""


class Keys:
    """The keys of the last minutes, on all channels of one process.

    Args:
        clock: The time in seconds.
        counters: Where to count.
        most: How many are remembered.
    """

    def __init__(self, clock: Callable[[], float], counters: BrokerCounters, most: int = MOST_KEYS) -> None:
        self._clock = clock
        self._counters = counters
        self._most = most
        # In the order in which they end, as all of them last equally long.
        self._taken: OrderedDict[tuple[str, str], tuple[float, Taken]] = OrderedDict()

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._taken)

    def find(self, channel: str, key: str) -> Taken | None:
        """What was said when something was published under ``key``; None if nothing was."""
        self._forget_old()
        found = self._taken.get((channel, key))
        return found[1] if found is not None else None

    def remember(self, channel: str, key: str, taken: Taken) -> None:
        """Something is published under ``key``, for the first time in a while."""
        self._taken[channel, key] = (self._clock() + KEY_SECONDS, taken)
        if len(self._taken) > self._most:
            self._taken.popitem(last=False)
            self._counters.keys_forgotten += 1

    def clear(self) -> None:
        """Forget all of them."""
        self._taken.clear()

    def _forget_old(self) -> None:
        now = self._clock()
        while self._taken:
            first = next(iter(self._taken))
            if self._taken[first][0] > now:
                return
            del self._taken[first]
