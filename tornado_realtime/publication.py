"""The frozen values that travel between the rooms."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a channel's stream: ``offset`` counts by one within one ``epoch``."""

    epoch: str
    offset: int


@dataclass(frozen=True, slots=True)
class Sender:
    """The client that published something.

    Attributes:
        user: Its user's id; empty for nobody in particular.
        client: Its connection's public name.
        echo: Whether it wants its own publication, too.
    """

    user: str
    client: str
    echo: bool = True


@dataclass(frozen=True, slots=True)
class Publication:
    """One message on one channel, as a broker carries it.

    Attributes:
        channel: Name, not empty.
        data: The message exactly as published: UTF-8 text, not empty.
        position: Where it stands in the channel's stream; None on a channel without history.
        sender: The client that published it; None for the application.
    """

    channel: str
    data: bytes
    position: Position | None = None
    sender: Sender | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which a node may have missed publications.

    Attributes:
        channels: Those that it listened to; None for all that it listens to.
        seconds: How long it was deaf.
    """

    channels: tuple[str, ...] | None
    seconds: float
