"""A probe that goes the way of publications, and shows whether it comes back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from tornado_realtime.brokers.redis.publisher import Parcel
from tornado_realtime.errors import BrokerError, BrokerUnavailableError
from tornado_realtime.metrics import BrokerCounters

logger = logging.getLogger(__name__)

UNSENT = "no probe can be published on Redis"


class Canary:
    """Publishes a probe every so often and waits for it where publications come in.

    A connection that answers PING may deliver nothing all the same; a probe that is back proves that
    this node is not deaf.

    Args:
        shown: The place, fit for a log.
        period: Seconds between two probes, and for each to come back; 0 for no probes.
        counters: Where late probes are counted.
        usable: Whether both connections are there, so that a probe can come back at all.
        send: Takes a probe as it takes publications.
        proved: Called with the loop time at which a probe was sent that came back.
        late: Called when one did not; with whether Redis had taken it.

    Attributes:
        trouble: Why this node may be deaf, for everybody; empty if the last probe came back.
        seconds: What the last one took.
    """

    def __init__(
        self,
        shown: str,
        period: float,
        counters: BrokerCounters,
        *,
        usable: Callable[[], bool],
        send: Callable[[Parcel], None],
        proved: Callable[[float], None],
        late: Callable[[bool], None],
    ) -> None:
        self.topic = b""  #: where probes travel
        self.trouble = ""
        self.seconds = 0.0
        self._shown = shown
        self._period = period
        self._counters = counters
        self._usable = usable
        self._send = send
        self._proved = proved
        self._late = late
        self._number = 0
        self._sent = 0.0
        self._over = asyncio.Event()  # the probe came back, or is not to be waited for
        self._wake = asyncio.Event()
        self.lost()

    def lost(self) -> None:
        """What was proved no longer holds: a connection is gone."""
        if self._period:
            self.trouble = self.trouble or "no probe came back from Redis yet"
            self._number += 1  # one that comes now was sent over connections that are no more
            self._over.set()

    def wake(self) -> None:
        """Send the next probe now: a connection is there again."""
        self._wake.set()

    def take(self, data: bytes) -> None:
        """A probe came in."""
        if data == b"%d" % self._number and not self._over.is_set():
            self.trouble = ""
            self.seconds = asyncio.get_running_loop().time() - self._sent
            self._over.set()
            self._proved(self._sent)

    async def run(self) -> None:
        """Probe until cancelled."""
        while self._period:
            self._wake.clear()
            if self._usable():
                await self._probe()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._period):
                    await self._wake.wait()

    async def _probe(self) -> None:
        loop = asyncio.get_running_loop()
        self._number += 1
        self._over.clear()
        self._sent = loop.time()
        parcel = Parcel(self.topic, b"%d" % self._number, loop.create_future(), awaited=True)
        parcel.taken.add_done_callback(self._taken)
        self._send(parcel)
        try:
            await self._wait(parcel)
        finally:
            parcel.withdraw()

    async def _wait(self, parcel: Parcel) -> None:
        # Two waits: after this process was itself stopped for a while, the first is over at once,
        # before the probe that lies in the socket could be read.
        for _ in range(2):
            with suppress(TimeoutError):
                async with asyncio.timeout(self._period / 2):
                    await self._over.wait()
                return
        self._counters.probes_late += 1
        self.trouble = f"a probe did not come back from Redis within {self._period:g} s"
        logger.warning(
            "a probe did not come back from Redis at %s within %g s; subscribing anew",
            self._shown,
            self._period,
        )
        self._late(parcel.taken.done())

    def _taken(self, taken: asyncio.Future[object]) -> None:
        """The probe was not published: it is publishing that does not work, and it is known why."""
        if taken.cancelled() or not (error := taken.exception()):
            return
        assert isinstance(error, BrokerError)
        if isinstance(error, BrokerUnavailableError) and not self._over.is_set():
            if self.trouble != UNSENT:
                logger.warning("no probe can be published on Redis at %s: %s", self._shown, error.reason)
            self.trouble = UNSENT
            self._over.set()
