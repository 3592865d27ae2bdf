"""What a stream is, in its simplest form: all that was ever published, and from where on it is kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tornado_realtime.publication import Position
from tornado_realtime.traits import Retention


@dataclass
class Entry:
    """One publication."""

    position: Position
    payload: Any
    time: float
    exclude: str


@dataclass
class Reference:
    """One channel.

    Attributes:
        entries: All publications, in order.
        floor: Offset behind which all is kept, in the present epoch.
        lost: Whether the stream was lost since the last publication, so that the next has another epoch.
    """

    retention: Retention
    entries: list[Entry] = field(default_factory=list)
    floor: int = 0
    lost: bool = False

    @property
    def top(self) -> Position | None:
        """Of the newest publication; None if there is none in the present epoch."""
        return self.entries[-1].position if self.entries and not self.lost else None

    def published(self, position: Position, payload: Any, now: float, exclude: str = "") -> None:
        """One was published; it must continue the stream, or begin one."""
        if self.top is None:
            epochs = {entry.position.epoch for entry in self.entries}
            assert position.epoch not in epochs, "an epoch came back"
            assert position.offset == 1 or self.entries, position
            self.floor = position.offset - 1
        else:
            assert position == Position(self.top.epoch, self.top.offset + 1), (position, self.top)
        self.lost = False
        self.entries.append(Entry(position, payload, now, exclude))
        self.floor = max(self.floor, position.offset - self.retention.entries)

    def lose(self) -> None:
        """The stream is gone."""
        self.lost = True

    def age(self, now: float) -> None:
        """Forget what is too old."""
        for entry in self.now():
            if entry.time <= now - self.retention.seconds:
                self.floor = max(self.floor, entry.position.offset)

    def forget(self) -> None:
        """Forget all publications, but not where the stream stands."""
        if self.top is not None:
            self.floor = self.top.offset

    def now(self) -> list[Entry]:
        """What was published in the present epoch."""
        top = self.top
        if top is None:
            return []
        return [entry for entry in self.entries if entry.position.epoch == top.epoch]

    def kept(self) -> list[Entry]:
        """What can be had, the oldest first."""
        return [entry for entry in self.now() if entry.position.offset > self.floor]

    def find(self, epoch: str, offset: int) -> Entry:
        """A publication that somebody heard of."""
        for entry in self.entries:
            if entry.position == Position(epoch, offset):
                return entry
        raise AssertionError(f"{offset} of {epoch} was never published")

    def may_be_lost(self, since: Position, ack: Position, most: int) -> bool:
        """Whether it is right to say that what followed ``since`` cannot be had."""
        return (
            since.epoch != ack.epoch
            or since.offset > ack.offset
            or since.offset < self.floor
            or ack.offset - since.offset > most
        )


def payloads_of(entries: Iterable[Entry]) -> list[Any]:
    return [entry.payload for entry in entries]
