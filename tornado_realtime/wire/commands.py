"""What a client asked for, whatever dialect it speaks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Subscribe:
    """The client wants the publications of ``channel`` (never empty).

    Attributes:
        channel: Its name.
        token: What the client shows for it; empty if nothing.
    """

    channel: str
    token: str = ""


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """The client wants no more of ``channel`` (never empty)."""

    channel: str


@dataclass(frozen=True, slots=True)
class Reject:
    """The message asked for nothing that can be done.

    Attributes:
        reply: Finished frame to answer with; None keeps silent, as the raw wire does.
    """

    reply: bytes | None = None


Command = Subscribe | Unsubscribe | Reject
