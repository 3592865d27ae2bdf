"""Users whose older logins are refused, for a while."""

from __future__ import annotations

import logging
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tornado_realtime.auth.user import User

logger = logging.getLogger(__name__)

REVOKED_SECONDS = 7 * 24 * 3600.0
REVOKED_SIZE = 100_000


@dataclass(frozen=True, slots=True)
class Revocation:
    """One user's.

    Attributes:
        user: Their id.
        before: Unix time; what was issued before it is refused.
        until: Unix time; then the revocation is forgotten.
    """

    user: str
    before: float
    until: float


class Revocations:
    """What is refused, in memory: seven days long, and of at most 100,000 users, of whom the oldest goes.

    Args:
        now: Unix time.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._by_user: OrderedDict[str, Revocation] = OrderedDict()

    def __len__(self) -> int:
        """How many users are revoked."""
        return len(self._by_user)

    def __iter__(self) -> Iterator[Revocation]:
        """All of them, for another node."""
        return iter(tuple(self._by_user.values()))

    def revoke(self, user: str, before: float) -> Revocation:
        """Refuse what was issued to ``user`` before a Unix time; never less than is refused already."""
        revocation = Revocation(user, before, self._now() + REVOKED_SECONDS)
        self.add(revocation)
        return revocation

    def add(self, revocation: Revocation) -> None:
        """Take one over, as it is; of two for one user the stricter counts."""
        now = self._now()
        known = self._by_user.get(revocation.user)
        if known is not None:
            before, until = max(known.before, revocation.before), max(known.until, revocation.until)
            revocation = Revocation(revocation.user, before, until)
        if revocation.until <= now or not math.isfinite(revocation.before):
            return
        self._by_user[revocation.user] = revocation
        self._by_user.move_to_end(revocation.user)
        self._forget_old(now)

    def refuses(self, user: User) -> bool:
        """Whether ``user`` was proved to be who it is by something that does not count any more."""
        if not self._by_user:
            return False
        revocation = self._by_user.get(user.id)
        if revocation is None:
            return False
        now = self._now()
        if revocation.until <= now:
            del self._by_user[user.id]
            return False
        return (now if user.issued is None else user.issued) < revocation.before

    def _forget_old(self, now: float) -> None:
        while self._by_user:
            oldest = next(iter(self._by_user.values()))
            if oldest.until > now and len(self._by_user) <= REVOKED_SIZE:
                return
            if oldest.until > now:
                logger.error("more than %d users are revoked: the oldest is forgotten", REVOKED_SIZE)
            del self._by_user[oldest.user]
