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
    """

    user: str
    client: str


@dataclass(frozen=True, slots=True)
class Publication:
    """One message on one channel, as a broker carries it.

    Attributes:
        channel: Name, not empty.
        data: The message exactly as published: UTF-8 text, not empty.
        position: Where it stands in the channel's stream; None on a channel without history.
        sender: The client that published it; None for the application.
        time: Unix time at which the broker took it; None where it has no position.
        exclude: The public name of a connection that does not get it, on whichever node; empty for none.
    """

    channel: str
    data: bytes
    position: Position | None = None
    sender: Sender | None = None
    time: float | None = None
    exclude: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a broker says of a publication that it took.

    Attributes:
        position: Where it stands now; None on a channel without history.
        repeated: It was taken before, under the same key, and was not published again.
    """

    position: Position | None = None
    repeated: bool = False


PLAIN = Taken()
"""What is said of nearly all of them."""


@dataclass(frozen=True, slots=True)
class Last:
    """The newest ``count`` publications of a channel, where a position could stand as well."""

    count: int


@dataclass(frozen=True, slots=True)
class History:
    """What was read from a channel's stream.

    Attributes:
        position: Of the newest publication that the stream has had when it was read.
        items: What was asked for, each with position and time, in the order asked for.
        recovered: Whether ``items`` continue what was asked for without a gap.
        more: Whether a limit left some out.
    """

    position: Position
    items: tuple[Publication, ...] = ()
    recovered: bool = True
    more: bool = False


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which a node may have missed publications.

    Attributes:
        channels: Those that it listened to; None for all that it listens to.
        seconds: How long it was deaf.
    """

    channels: tuple[str, ...] | None
    seconds: float
