"""What happened in one run, as plain values; all times are seconds since the epoch, by one clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

Outcome = Literal["acknowledged", "rejected", "unknown"]


@dataclass(frozen=True, slots=True, order=True)
class Message:
    """One publication: the ``number``-th of an author, who sends one after another."""

    channel: str
    author: int
    number: int

    def text(self, padding: int = 0) -> str:
        """What goes over the wire."""
        return f"{self.channel}/{self.author}/{self.number}/" + "x" * padding

    @classmethod
    def parse(cls, text: str) -> Message:
        """The same, read back."""
        channel, author, number, _ = text.split("/", 3)
        return cls(channel, int(author), int(number))


@dataclass(frozen=True, slots=True)
class Sending:
    """One publish request and its answer.

    Attributes:
        message: What was to be published.
        node: Who was asked.
        at: When the request was written.
        answered: When the answer, or the end of the connection, was there.
        outcome: ``unknown`` also where there was no answer.
        reason: What a refusal said.
    """

    message: Message
    node: str
    at: float
    answered: float
    outcome: Outcome
    reason: str = ""


@dataclass(slots=True)
class Hearing:
    """One connection of a client, and what came over it.

    Attributes:
        client: Whose.
        node: To whom.
        heard: Messages with the time of each.
        closed: When it ended; None while it is open.
        recovers: Whether on streams it goes on where the client's last one was.
    """

    client: str
    node: str
    heard: list[tuple[Message, float]] = field(default_factory=list)
    closed: float | None = None
    recovers: bool = False


@dataclass(frozen=True, slots=True)
class Span:
    """A time in which something was so; without a node or channels, for all of them."""

    start: float
    end: float
    node: str = ""
    why: str = ""
    channels: frozenset[str] = frozenset()

    def concerns(self, node: str, channel: str = "") -> bool:
        """Whether it is about ``node``, and about ``channel`` if that matters."""
        return self.node in ("", node) and (not channel or not self.channels or channel in self.channels)

    def touches(self, start: float, end: float) -> bool:
        """Whether any of ``start``..``end`` lies in it."""
        return self.start <= end and start <= self.end

    def holds(self, start: float, end: float) -> bool:
        """Whether all of ``start``..``end`` lies in it."""
        return self.start < start and end < self.end

    @property
    def seconds(self) -> float:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Probe:
    """A question to ``/ready`` or ``/live``, and the status of the answer; 0 for none."""

    node: str
    path: str
    at: float
    answered: float
    status: int


@dataclass(slots=True)
class History:
    """One run.

    Attributes:
        sendings: Every publish request.
        hearings: Every connection of every client.
        away: When a node certainly could not reach Redis, so that it may acknowledge nothing.
        deaf: When a node certainly heard nothing from Redis; ``away`` is included.
        stopped: When a node itself was killed or stopped.
        marks: When a node, by its own word, may have missed publications.
        probes: What ``/ready`` and ``/live`` said.
        began: When the fault began.
        restored: When it was over.
        complaints: What the nodes did that no fault excuses, such as a traceback.
        streams: The channels with a history.
        recovered: How many messages clients got by asking for what they missed.
    """

    sendings: list[Sending] = field(default_factory=list)
    hearings: list[Hearing] = field(default_factory=list)
    away: list[Span] = field(default_factory=list)
    deaf: list[Span] = field(default_factory=list)
    stopped: list[Span] = field(default_factory=list)
    marks: list[Span] = field(default_factory=list)
    probes: list[Probe] = field(default_factory=list)
    began: float = 0.0
    restored: float = 0.0
    complaints: list[str] = field(default_factory=list)
    streams: frozenset[str] = frozenset()
    recovered: int = 0

    def clients(self) -> dict[str, list[Hearing]]:
        """The connections of each client, oldest first."""
        found: dict[str, list[Hearing]] = {}
        for hearing in self.hearings:
            found.setdefault(hearing.client, []).append(hearing)
        return found

    def deliveries(self) -> Iterator[tuple[Message, float]]:
        """Everything that anybody heard."""
        for hearing in self.hearings:
            yield from hearing.heard
