"""What kind of channel a name is, beyond who may use it: what is kept of it, and what clients are told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from tornado_realtime.channels import Pattern, PatternTable

# Names whose kind is remembered, because a look-up among patterns costs more than the rest of a publication.
REMEMBERED = 16384


@dataclass(frozen=True, slots=True)
class Retention:
    """How much of a channel's past is kept; whatever is reached first ends it.

    Attributes:
        entries: Most publications.
        seconds: How long each of them.
        size_bytes: Most bytes of messages.
    """

    entries: int
    seconds: float
    size_bytes: int


class Slow(Enum):
    """What becomes of a client that reads more slowly than is published; the values are as written."""

    DISCONNECT = "disconnect"
    """It is closed."""
    DROP_OLDEST = "drop_oldest"
    """It loses what waited longest."""
    LATEST = "latest"
    """Only the newest publication of a channel waits for it."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What holds on a channel.

    Attributes:
        retention: What is kept of its past; None for nothing: it is a plain channel, not a stream.
        slow: What becomes of a client for which too much waits.
        presence: How many users may be present for all of them to be told by name; 0 for no presence.
    """

    retention: Retention | None = None
    slow: Slow = Slow.DISCONNECT
    presence: int = 0


ORDINARY = Traits()


class TraitsTable:
    """Finds the traits of a channel.

    Args:
        rules: Patterns and what holds on the channels that they match; the most specific one counts.
        others: What holds on the channels that no pattern matches.

    Attributes:
        keeps_history: Whether any of them is a stream.
        has_presence: Whether any of them tells who is there.
    """

    def __init__(self, rules: Iterable[tuple[Pattern, Traits]] = (), others: Traits = ORDINARY) -> None:
        rules = tuple(rules)
        self._table = PatternTable(rules)
        self._others = others
        self._is_uniform = all(traits == others for _, traits in rules)
        self._remembered = lru_cache(REMEMBERED)(self._table.find)
        self.keeps_history = any(traits.retention is not None for _, traits in rules)
        self.has_presence = any(traits.presence for _, traits in rules)

    def of(self, channel: str) -> Traits:
        """What holds on ``channel``."""
        found = None if self._is_uniform else self._remembered(channel)
        return self._others if found is None else found[0]


NO_TRAITS = TraitsTable()
"""Every channel is an ordinary one."""
