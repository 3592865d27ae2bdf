"""Who is present on a channel: the frozen values that travel between the rooms."""

from __future__ import annotations

from dataclasses import dataclass

USER_BYTES = 255
"""Longest id of a user who is listed, in UTF-8."""
INFO_BYTES = 2048
"""Longest ``info`` that is told of one; of who has more, nothing is."""
NOTHING = b"null"
"""The ``info`` of somebody about whom nothing is said."""


@dataclass(frozen=True, slots=True)
class Member:
    """A user who is present.

    Attributes:
        user: The id, not empty.
        info: What the application said about them, one JSON value in UTF-8 without white space.
        conns: With how many connections; those that ended a moment ago may be among them.
    """

    user: str
    info: bytes = NOTHING
    conns: int = 1


@dataclass(frozen=True, slots=True)
class Change:
    """Something happened to a member.

    Attributes:
        channel: Where.
        version: Of the channel's list, with the change made; one more with each change. A list that begins
            anew begins with a higher one.
        count: How many users are present now.
        member: As it is now, on all nodes together; without connections when it left.
    """

    channel: str
    version: int
    count: int
    member: Member


@dataclass(frozen=True, slots=True)
class Roll:
    """One page of a channel's list, as it was at one moment.

    Attributes:
        version: Of the list; 0 if nobody is there.
        count: How many users are present.
        members: Those of this page, in the order of their ids (UTF-8, byte by byte).
        more: Whether others come behind them.
    """

    version: int = 0
    count: int = 0
    members: tuple[Member, ...] = ()
    more: bool = False


NOBODY = Roll()
"""Nobody is present."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a client is told of a list.

    Attributes:
        count: How many users are present.
        members: A JSON object of them, by id; None if they are not told.
        more: Whether some, or all, are left out.
        next: After whom to go on; empty where that is from the beginning.
    """

    count: int
    members: bytes | None
    more: bool = False
    next: str = ""
