"""Room for one more? Asked before and after the login of each handshake."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tornado_realtime.hub.refusals import RefusalLog
from tornado_realtime.peers import neighbourhood
from tornado_realtime.rates import Meter, Rate

if TYPE_CHECKING:
    from tornado_realtime.connection import Connection
    from tornado_realtime.hub.users import Users
    from tornado_realtime.metrics import Counters

# Seconds after which it is worth to try again where there is no room.
RETRY_AFTER = 10


@dataclass(frozen=True, slots=True)
class Quotas:
    """How many connections there may be; 0 stands for any number.

    Attributes:
        connections: In all.
        per_address: From one address, or one /64 network of IPv6.
        per_user: Of one user.
        handshakes: How often one address may begin a handshake; None for any time.
    """

    connections: int = 0
    per_address: int = 0
    per_user: int = 0
    handshakes: Rate | None = None

    @property
    def by_address(self) -> bool:
        """Whether it matters where somebody comes from."""
        return bool(self.per_address or self.handshakes)


@dataclass(frozen=True, slots=True)
class Full:
    """Why there is no room for a handshake.

    Attributes:
        status: HTTP status: 503 for the server's own bounds, 429 for those of one address or user.
        text: What the visitor is told.
        retry_after: Seconds.
        rule: For the log.
        counter: Which of the counters it is.
    """

    status: int
    text: str
    retry_after: int
    rule: str
    counter: str


class Admission:
    """Counts connections where something bounds them, and only there.

    Args:
        quotas: The bounds.
        connections: All that are open.
        users: Whose they are.
        counters: Where refusals are counted.
        clock: The time in seconds.
    """

    def __init__(
        self,
        quotas: Quotas,
        connections: Sized,
        users: Users,
        counters: Counters,
        clock: Callable[[], float],
    ) -> None:
        self.quotas = quotas
        self._connections = connections
        self._users = users
        self._counters = counters
        self._log = RefusalLog(clock, "handshake refused by %s%s%s", logging.WARNING)
        self._meter: Meter[str] | None = Meter(quotas.handshakes, clock) if quotas.handshakes else None
        self._places: dict[Connection, str] = {}
        self._per_address: dict[str, int] = {}

    def before_login(self, address: str) -> Full | None:
        """Why somebody from ``address`` need not even say who they are; None if there is room."""
        full = self._room(address)
        if full is None and self._meter is not None and address:
            wait = self._meter.wait(neighbourhood(address))
            if wait:
                return self._too_fast(wait)
        return full

    def begun(self, address: str) -> None:
        """Count a handshake that was not refused."""
        if self._meter is not None and address:
            self._meter.take(neighbourhood(address))

    def after_login(self, address: str, user: str) -> Full | None:
        """Why ``user`` cannot be let in although it is known who it is; None if there is room.

        To be asked in the same turn of the loop in which the connection is opened.
        """
        full, most = self._room(address), self.quotas.per_user
        if full is None and most and self._users.count(user) >= most:
            return _quota("user", most, "of this user")
        return full

    def refused(self, full: Full, address: str) -> None:
        """Count and log a refusal, whose author is the ordinary handler."""
        setattr(self._counters, full.counter, getattr(self._counters, full.counter) + 1)
        self._log.refused(full.rule, address)

    def opened(self, connection: Connection, address: str) -> None:
        """A connection from ``address`` was let in."""
        if self.quotas.per_address and address:
            place = self._places[connection] = neighbourhood(address)
            self._per_address[place] = self._per_address.get(place, 0) + 1

    def closed(self, connection: Connection) -> None:
        """It is gone."""
        place = self._places.pop(connection, "")
        if place:
            self._per_address[place] -= 1
            if not self._per_address[place]:
                del self._per_address[place]

    def _room(self, address: str) -> Full | None:
        quotas = self.quotas
        if quotas.connections and len(self._connections) >= quotas.connections:
            rule = f"max_connections {quotas.connections}"
            return Full(503, "too many connections", RETRY_AFTER, rule, "handshakes_over_capacity")
        most = quotas.per_address
        if most and address and self._per_address.get(neighbourhood(address), 0) >= most:
            return _quota("address", most, "from this address")
        return None

    def _too_fast(self, wait: float) -> Full:
        rule = f"handshake_rate {self.quotas.handshakes}"
        text = "too many handshakes from this address"
        return Full(429, text, math.ceil(wait), rule, "handshakes_over_rate")


def _quota(of: str, most: int, whose: str) -> Full:
    rule = f"max_connections_per_{of} {most}"
    return Full(429, f"too many connections {whose}", RETRY_AFTER, rule, f"handshakes_over_{of}_limit")
