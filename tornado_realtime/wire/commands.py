"""What a client asked for, whatever dialect it speaks."""

from __future__ import annotations

from dataclasses import dataclass

from tornado_realtime.publication import Last, Position

Id = int | str
"""What a client calls its request; its reply carries the same. Only v1 knows them."""


@dataclass(frozen=True, slots=True)
class Subscribe:
    """The client wants the publications of ``channel`` (never empty).

    Attributes:
        channel: Its name.
        token: What the client shows for it; empty if nothing.
        id: Of the request.
        since: After which position it asks for what it missed, too, or for how many of the newest; None if it
            wants only what comes.
        presence: Whether it wants to know who is there, comes and goes.
        ttl: Seconds for which it may have the channel, once that is found out; None for as long as it likes.
    """

    channel: str
    token: str = ""
    id: Id | None = None
    since: Position | Last | None = None
    presence: bool = False
    ttl: int | None = None


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """The client wants no more of ``channel`` (never empty)."""

    channel: str
    id: Id | None = None


@dataclass(frozen=True, slots=True)
class Publish:
    """The client publishes on ``channel`` (never empty).

    Attributes:
        data: One JSON value in UTF-8, as the client wrote it, without white space around its parts.
        id: Of the request.
        echo: Whether the client itself wants it, too, where it is subscribed.
        token: What the client shows for it; empty if nothing.
        key: Under which it is published once; empty for none.
    """

    channel: str
    data: bytes
    id: Id | None = None
    echo: bool = True
    token: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class AskPresence:
    """The client wants to know who is present on ``channel`` (never empty).

    Attributes:
        id: Of the request.
        token: What the client shows for the channel; empty if nothing.
        after: The user after whom to go on; empty to begin.
        limit: Most users to be told; 0 for what is usual.
    """

    channel: str
    id: Id | None = None
    token: str = ""
    after: str = ""
    limit: int = 0


@dataclass(frozen=True, slots=True)
class ReadHistory:
    """The client wants to read what is kept of ``channel`` (never empty).

    Attributes:
        since: What follows this position, or with ``reverse`` what came before it; or the newest few. None
            for all.
        limit: Most publications.
        reverse: The newest first.
        id: Of the request.
        token: What the client shows for the channel; empty if nothing.
    """

    channel: str
    since: Position | Last | None = None
    limit: int = 100
    reverse: bool = False
    id: Id | None = None
    token: str = ""


@dataclass(frozen=True, slots=True)
class Refresh:
    """The client shows a new token for its login."""

    token: str
    id: Id | None = None


@dataclass(frozen=True, slots=True)
class RefreshChannel:
    """The client shows a new token for ``channel`` (never empty), to which it is subscribed."""

    channel: str
    token: str
    id: Id | None = None


@dataclass(frozen=True, slots=True)
class Ping:
    """The client wants a pong."""

    id: Id | None = None


@dataclass(frozen=True, slots=True)
class Pong:
    """The client is alive."""


@dataclass(frozen=True, slots=True)
class Reject:
    """The message asked for nothing that can be done.

    Attributes:
        reply: Finished frame to answer with; None keeps silent, as the raw wire does.
    """

    reply: bytes | None = None


ChannelCommand = Subscribe | Unsubscribe | Publish | AskPresence | ReadHistory | RefreshChannel
"""What is judged, and done in order on each channel."""
ConnectionCommand = Ping | Pong | Refresh
"""What is about the connection as a whole."""
Command = ChannelCommand | ConnectionCommand | Reject
