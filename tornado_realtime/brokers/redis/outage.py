"""One report for each time that Redis is away, however many connections notice it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from tornado_realtime.brokers.redis.line import needs_a_person
from tornado_realtime.errors import BrokerUnavailableError
from tornado_realtime.metrics import BrokerCounters

logger = logging.getLogger(__name__)


class Outage:
    """Logs the beginning and the end of every outage, once each, and when waiting proves to be in vain.

    Args:
        place: Redis' address, fit for a log.
        channels: Number of channels this node listens to.
        counters: Where outages are counted; its own when left out.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        place: str,
        channels: Callable[[], int],
        counters: BrokerCounters | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._place = place
        self._channels = channels
        self._counters = counters if counters is not None else BrokerCounters()
        self._clock = clock
        self._away: set[str] = set()
        self._in_vain = False  # whether it was said that a person must act
        self._since = 0.0

    def began(self, link: str, error: BrokerUnavailableError) -> None:
        """``link`` is lost, or could not be made; the first time is reported, and that a person must act."""
        in_vain = needs_a_person(error)
        if not self._away:
            self._since = self._clock()
            self._counters.outages += 1
            level = logging.ERROR if in_vain else logging.WARNING
            text = "Redis at %s is away (%s link: %s); publications are refused, %d channels hear nothing"
            logger.log(level, text, self._place, link, error.reason, self._channels())
        elif in_vain and not self._in_vain:
            text = "Redis at %s is still away, and waiting will not help (%s link: %s)"
            logger.error(text, self._place, link, error.reason)
        self._in_vain = self._in_vain or in_vain
        self._away.add(link)

    def ended(self, link: str) -> None:
        """``link`` works; the last of them ends the outage."""
        if link not in self._away:
            return
        self._away.remove(link)
        if not self._away:
            self._in_vain = False
            text = "Redis at %s is back after %.1f s; %d channels are subscribed again"
            logger.warning(text, self._place, self._clock() - self._since, self._channels())
