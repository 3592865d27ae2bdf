"""What is said about refused subscriptions: which rule it was, and never a flood."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

logger = logging.getLogger(__name__)

# Seconds for which one line about one rule is enough.
QUIET_SECONDS = 60.0


class RefusalLog:
    """Says at most once a minute that a rule refuses.

    Args:
        clock: The time in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._told: dict[str, tuple[float, int]] = {}

    def refused(self, rule: str) -> None:
        """``rule`` refused a client; there are as many rules as the configuration has."""
        now = self._clock()
        told, before = self._told.get(rule, (-math.inf, 0))
        if now - told < QUIET_SECONDS:
            self._told[rule] = (told, before + 1)
            return
        self._told[rule] = (now, 0)
        more = f" ({before} more since the last line)" if before else ""
        logger.info("subscription refused by %s%s", rule, more)
