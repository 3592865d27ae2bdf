"""What is decided about what a client asks for, as far as it is told."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Denial(Enum):
    """Why a command is not carried out, as far as clients are told; the values are the texts for them."""

    FORBIDDEN = "permission denied"
    """They may not."""
    EXPIRED = "token expired"
    """The token that they show for it has run out; they may with a new one."""
    ABSENT = "not subscribed"
    """What they want to prolong is not there."""
    LIMIT = "limit exceeded"
    """They have, or wait for, as much as one client may."""
    BAD_NAME = "bad channel name"
    """No channel can be called this."""
    UNDECIDED = "internal error"
    """Whoever decides could not be asked; another time may do."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A decision against a client.

    Attributes:
        denial: What the client is told.
        rule: For the log: which rule it was, and where it is written. Nothing of what the client sent.
    """

    denial: Denial
    rule: str


@dataclass(frozen=True, slots=True)
class Grant:
    """A decision in favour of a client that does not hold for ever.

    Attributes:
        until: Unix time.
    """

    until: float


Answer = Refusal | Grant | None
"""A decision; None is one in favour of a client, for as long as its login holds."""
