"""What clients showed to get channels, and until when that lets them have these.

Only such subscriptions have an entry. All ends are looked up by the heart's one timer.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tornado_realtime.connection import Connection
    from tornado_realtime.hub.heart import Heart

# Characters of a token that is kept, to be judged again with the client's next login.
KEPT_TOKEN_SIZE = 2048


@dataclass(slots=True, eq=False)
class _Pass:
    """What one client showed for one channel.

    Attributes:
        token: As shown; empty if it is too long to be kept.
        expires: Loop time at which it is over; None if it never is.
        end: What the heart calls then.
        beat: When it does.
    """

    token: str
    expires: float | None
    end: Callable[[], None]
    beat: int = 0


class Passes:
    """The passes of one hub's clients.

    Args:
        heart: Looks when they are over.
        clock: The loop's time.
        over: Is told of each that is.
    """

    def __init__(
        self, heart: Heart, clock: Callable[[], float], over: Callable[[Connection, str], None]
    ) -> None:
        self._heart = heart
        self._clock = clock
        self._over = over
        self._passes: dict[Connection, dict[str, _Pass]] = {}

    def put(self, connection: Connection, channel: str, token: str, until: float | None) -> None:
        """Keep what a client showed, in place of what it showed before.

        Args:
            connection: Whose.
            channel: For which.
            token: What was shown.
            until: Unix time at which it runs out; None if it does not.
        """
        self.drop(connection, channel)
        expires = None if until is None else self._clock() + until - time.time()
        kept = token if len(token) <= KEPT_TOKEN_SIZE else ""
        found = _Pass(kept, expires, partial(self._over, connection, channel))
        if expires is not None:
            found.beat = self._heart.remind(found.end, expires)
        self._passes.setdefault(connection, {})[channel] = found

    def token(self, connection: Connection, channel: str) -> str:
        """What it showed, as far as that is kept."""
        found = self._find(connection, channel)
        return found.token if found is not None else ""

    def ttl(self, connection: Connection, channel: str) -> int | None:
        """Seconds, rounded up, until a pass is over; None if there is none, or it never is."""
        found = self._find(connection, channel)
        if found is None or found.expires is None:
            return None
        return max(0, math.ceil(found.expires - self._clock()))

    def is_over(self, connection: Connection, channel: str) -> bool:
        """Whether there is one that has run out."""
        found = self._find(connection, channel)
        return found is not None and found.expires is not None and found.expires <= self._clock()

    def drop(self, connection: Connection, channel: str) -> None:
        """The client has no use for it any more. Idempotent."""
        passes = self._passes.get(connection, {})
        found = passes.pop(channel, None)
        if found is not None and found.expires is not None:
            self._heart.spare(found.end, found.beat)
        if found is not None and not passes:
            del self._passes[connection]

    def forget(self, connection: Connection) -> None:
        """The client is gone. Idempotent."""
        for channel in tuple(self._passes.get(connection, ())):
            self.drop(connection, channel)

    def _find(self, connection: Connection, channel: str) -> _Pass | None:
        return self._passes.get(connection, {}).get(channel)
