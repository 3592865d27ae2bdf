"""What comes out of a client: frozen values, read from the messages of a server (docs/realtime-v1.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tornado_realtime.publication import Position


@dataclass(frozen=True, slots=True)
class Author:
    """The client that published something.

    Attributes:
        user: Its user's id; empty for a visitor without a login.
        client: Its connection's public name.
    """

    user: str
    client: str


@dataclass(frozen=True, slots=True)
class Message:
    """A publication.

    Attributes:
        channel: Where.
        payload: What the JSON that was published means; or its text, if it was no JSON.
        is_text: Whether it was no JSON.
        position: Where it stands in the channel's stream; None where nothing is kept.
        author: The client that published it; None for the application.
        time: Unix time in seconds at which it was taken, in a history; else None.
    """

    channel: str
    payload: Any
    is_text: bool = False
    position: Position | None = None
    author: Author | None = None
    time: float | None = None


@dataclass(frozen=True, slots=True)
class Missed:
    """Messages on ``channel`` may have been missed for good: whoever keeps state has to load it anew."""

    channel: str


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The server confirmed a subscription, for the first time or after the connection was lost.

    Attributes:
        channel: Of which.
        position: Where its stream stands; None where nothing is kept.
        replay: How many messages come now that were published before.
    """

    channel: str
    position: Position | None = None
    replay: int = 0


@dataclass(frozen=True, slots=True)
class Present:
    """Who is there.

    Attributes:
        channel: Where.
        count: Users; None if that is not known now.
        members: What the application says of each user, by id; None if they are too many to be listed.
        next: What to ask for the next page with; empty if this was the last one.
    """

    channel: str
    count: int | None
    members: Mapping[str, Any] | None
    next: str = ""


@dataclass(frozen=True, slots=True)
class Joined:
    """A user came.

    Attributes:
        channel: Where.
        user: Its id.
        info: What the application says of it.
        count: Users who are there now.
    """

    channel: str
    user: str
    info: Any
    count: int


@dataclass(frozen=True, slots=True)
class Left:
    """A user went; see Joined."""

    channel: str
    user: str
    count: int


Event = Message | Missed | Subscribed | Present | Joined | Left
"""What happens on a channel."""


@dataclass(frozen=True, slots=True)
class History:
    """What is kept of a channel.

    Attributes:
        position: Of the newest publication there is.
        messages: In the order that was asked for.
        more: Whether there are others behind the last one.
    """

    position: Position
    messages: tuple[Message, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class Welcome:
    """What the server said first.

    Attributes:
        client: The connection's public name.
        user: Id of the user that the server takes this client for; empty for none.
        ping: Seconds after which the server is heard of at the latest.
        ttl: Seconds until the login runs out; None if that is not known.
        frame_bytes: Longest message that the server takes.
        features: What the server can do.
    """

    client: str
    user: str
    ping: float
    ttl: float | None
    frame_bytes: int
    features: frozenset[str] = field(default_factory=frozenset)


def welcome_from(frame: Mapping[str, Any]) -> Welcome:
    """What a message ``welcome`` says."""
    return Welcome(
        frame["client"],
        frame.get("user", ""),
        float(frame["ping"]),
        frame.get("ttl"),
        frame["limits"]["frame"],
        frozenset(frame.get("features", ())),
    )


def message_from(channel: str, frame: Mapping[str, Any], epoch: str) -> Message:
    """The publication in a message ``message``, or in an item of a history.

    Args:
        channel: Where.
        frame: What came.
        epoch: Of the channel's stream.
    """
    offset, author, time = frame.get("offset"), frame.get("from"), frame.get("time")
    return Message(
        channel,
        frame["payload"],
        frame.get("raw", False),
        None if offset is None else Position(epoch, offset),
        None if author is None else Author(author.get("user", ""), author.get("client", "")),
        None if time is None else time / 1000,
    )


def history_from(channel: str, frame: Mapping[str, Any]) -> History:
    """What a message ``history`` says."""
    epoch = frame["epoch"]
    messages = tuple(message_from(channel, item, epoch) for item in frame["items"])
    return History(Position(epoch, frame["offset"]), messages, frame.get("more", False))


def present_from(channel: str, frame: Mapping[str, Any]) -> Present:
    """What ``subscribed`` and ``presence`` say of who is there."""
    members = frame.get("members")
    infos = None if members is None else {user: member.get("info") for user, member in members.items()}
    return Present(channel, frame.get("count"), infos, frame.get("next", ""))
