"""What kind of channel a name is, beyond who may use it: what is kept of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Traits:
    """What holds on a channel.

    Attributes:
        retention: What is kept of its past; None for nothing: it is a plain channel, not a stream.
    """

    retention: Retention | None = None


ORDINARY = Traits()


class TraitsTable:
    """Finds the traits of a channel.

    Args:
        rules: Patterns and what holds on the channels that they match; the most specific one counts.
    """

    def __init__(self, rules: Iterable[tuple[Pattern, Traits]] = ()) -> None:
        rules = tuple(rules)
        self._table = PatternTable(rules)
        self._is_ordinary = all(traits == ORDINARY for _, traits in rules)
        self._remembered = lru_cache(REMEMBERED)(self._table.find)
        self.keeps_history = any(traits.retention is not None for _, traits in rules)

    def of(self, channel: str) -> Traits:
        """What holds on ``channel``; ``ORDINARY`` where no pattern matches."""
        found = None if self._is_ordinary else self._remembered(channel)
        return ORDINARY if found is None else found[0]


NO_TRAITS = TraitsTable()
"""Every channel is an ordinary one."""
