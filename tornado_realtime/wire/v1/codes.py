"""What goes wrong, in numbers that every client library knows what to do about (V7, V8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tornado_realtime.wire.base import Farewell
from tornado_realtime.wire.denial import Denial


@dataclass(frozen=True, slots=True)
class Fault:
    """An error that is told and changes nothing else (V7).

    Attributes:
        code: For programs.
        text: For people.
        retry: Whether the same request may succeed later.
    """

    code: int
    text: str
    retry: bool = False


INTERNAL = Fault(100, "internal error", retry=True)
UNAUTHORIZED = Fault(101, "unauthorized")
FORBIDDEN = Fault(103, "permission denied")
ABSENT = Fault(102, "not subscribed")
LIMIT = Fault(106, "limit exceeded")
INVALID = Fault(107, "invalid JSON message")
NO_CHANNEL = Fault(107, "channel must be specified")
NO_PAYLOAD = Fault(107, "payload must be specified")
NO_TOKEN = Fault(107, "token must be specified")
BAD_NAME = Fault(107, "bad channel name")
BAD_KEY = Fault(107, "bad key")
BAD_PLACE = Fault(107, "bad position")
NOT_AVAILABLE = Fault(108, "not available")
TOKEN_EXPIRED = Fault(109, "token expired", retry=True)
BUSY = Fault(111, "too many requests", retry=True)
UNRECOVERABLE = Fault(112, "unrecoverable position")
AWAY = Fault(100, "history not available", retry=True)
UNDELIVERED = Fault(100, "not published", retry=True)
DOUBTFUL = Fault(100, "perhaps not published")
"""Whether it was published is not known; who publishes it again may publish it twice."""
DOUBTFUL_ONCE = Fault(100, "perhaps not published", retry=True)
"""The same under a key: who publishes it again does not publish it twice."""


def unknown_action(action: str) -> Fault:
    """The client asks for something that there is not."""
    return Fault(104, f"unknown action: {action}")


DENIALS: Mapping[Denial, Fault] = MappingProxyType(
    {
        Denial.FORBIDDEN: FORBIDDEN,
        Denial.EXPIRED: TOKEN_EXPIRED,
        Denial.ABSENT: ABSENT,
        Denial.LIMIT: LIMIT,
        Denial.BAD_NAME: BAD_NAME,
        Denial.UNDECIDED: INTERNAL,
    }
)


@dataclass(frozen=True, slots=True)
class Ending:
    """How the server ends a connection (V8).

    Attributes:
        code: Of the close frame; its range tells the client what to do.
        reason: For people.
        after: Milliseconds that the client waits before it comes back; None if it should not.
    """

    code: int
    reason: str
    after: int | None = None


CODES: Mapping[Farewell, Ending] = MappingProxyType(
    {
        Farewell.SHUTDOWN: Ending(4200, "shutdown", 1500),
        Farewell.RELOAD: Ending(4200, "configuration changed", 500),
        Farewell.EXPIRED: Ending(4110, "login expired", 0),
        Farewell.SLOW: Ending(4101, "slow consumer", 1000),
        Farewell.FLOOD: Ending(4008, "too many messages"),
        Farewell.DISCONNECTED: Ending(4009, "disconnected"),
        Farewell.ERRORS: Ending(4008, "too many errors"),
        Farewell.SILENT: Ending(4201, "no pong", 500),
    }
)
"""Every farewell in v1's words."""

REVOKED = (2003, "permission revoked")
LAPSED = (2006, "token expired")
"""Why a subscription ended that the client did not end (V4)."""
