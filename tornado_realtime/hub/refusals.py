"""What is said about refusals: which rule it was, and never a flood."""

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
        line: What is said of the rule, with places for its name, the address and the number.
        level: Of the lines.
    """

    def __init__(self, clock: Callable[[], float], line: str, level: int = logging.INFO) -> None:
        self._clock = clock
        self._line = line
        self._level = level
        self._told: dict[str, tuple[float, int]] = {}

    def refused(self, rule: str, address: str = "") -> None:
        """``rule`` refused a client from ``address``; there are as many rules as the configuration has."""
        now = self._clock()
        told, before = self._told.get(rule, (-math.inf, 0))
        if now - told < QUIET_SECONDS:
            self._told[rule] = (told, before + 1)
            return
        self._told[rule] = (now, 0)
        more = f" ({before} more since the last line)" if before else ""
        whom = f", the last one from {address}" if address else ""
        logger.log(self._level, self._line, rule, whom, more)
