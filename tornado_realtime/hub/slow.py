"""What is said about slow consumers that lose frames: enough for an operator, and never a flood."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tornado_realtime.connection import Connection

logger = logging.getLogger(__name__)

# Seconds for which one line about one connection is enough.
QUIET_SECONDS = 60.0


class LossLog:
    """Says at most once a minute that a connection loses frames.

    Args:
        clock: The time in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._told: dict[Connection, tuple[float, int]] = {}

    def lost(self, connection: Connection, frames: int) -> None:
        """``connection`` lost so many: a warning with all since the last one, or a line for DEBUG."""
        now = self._clock()
        told, before = self._told.get(connection, (-math.inf, 0))
        if now - told < QUIET_SECONDS:
            self._told[connection] = (told, before + frames)
            logger.debug("slow consumer: %d of its oldest frames dropped", frames)
        else:
            self._told[connection] = (now, 0)
            logger.warning("slow consumer: %d of its oldest frames dropped", before + frames)

    def forget(self, connection: Connection) -> None:
        """It is gone."""
        self._told.pop(connection, None)
