"""Who is present through this node: connections counted by user, and leaves that wait a moment."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from json import dumps
from typing import TYPE_CHECKING, Any, Protocol

from tornado_realtime.members import INFO_BYTES, NOTHING, USER_BYTES, Member

if TYPE_CHECKING:
    from asyncio import TimerHandle

logger = logging.getLogger(__name__)


class Clock(Protocol):
    """What is needed of an event loop."""

    def time(self) -> float:
        """Seconds that never go back."""
        ...

    def call_later(self, delay: float, callback: Callable[[], None]) -> TimerHandle:
        """Call in ``delay`` seconds."""
        ...


class Attendance:
    """Counts connections by channel and user, and says so to a store.

    A user whose last connection ended stays for ``delay`` seconds: a page that is loaded again does not
    flicker. Nothing is kept of visitors without a login, and of users with an id of more than 255 bytes.

    Args:
        put: Takes every change: channel, member.
        delay: Seconds.
        clock: The hub's loop.
    """

    def __init__(self, put: Callable[[str, Member], None], delay: float, clock: Clock) -> None:
        self._put = put
        self._delay = delay
        self._clock = clock
        self._channels: dict[str, dict[str, Member]] = {}
        self._leaving: dict[tuple[str, str], float] = {}  # when each is gone, soonest first
        self._timer: TimerHandle | None = None
        self._told_of_size = False

    def __len__(self) -> int:
        """How many members there are, added up over the channels."""
        return sum(map(len, self._channels.values()))

    def entered(self, channel: str, user: Any) -> None:
        """A connection of ``user`` subscribed."""
        name = listed_name(user)
        if not name:
            return
        members = self._channels.setdefault(channel, {})
        before = members.get(name)
        stays = self._leaving.pop((channel, name), None) is None
        conns = 1 + (before.conns if before is not None and stays else 0)
        member = Member(name, self._info(user), conns)
        if member != before:
            members[name] = member
            self._put(channel, member)

    def left(self, channel: str, user: Any) -> None:
        """A connection that had subscribed did so no longer, or ended."""
        name = listed_name(user)
        before = self._channels.get(channel, {}).get(name)
        if before is None:
            return
        if before.conns > 1:
            member = self._channels[channel][name] = replace(before, conns=before.conns - 1)
            self._put(channel, member)
        else:
            self._leaving[channel, name] = self._clock.time() + self._delay
            self._arm()

    def find(self, channel: str, user: Any) -> Member | None:
        """What this node said of ``user`` last."""
        return self._channels.get(channel, {}).get(listed_name(user))

    def members(self, channel: str) -> Iterable[Member]:
        """Everybody of whom it said something."""
        return self._channels.get(channel, {}).values()

    def close(self) -> None:
        """Count no more. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._channels.clear()
        self._leaving.clear()

    def _arm(self) -> None:
        if self._timer is None and self._leaving:
            due = next(iter(self._leaving.values()))
            self._timer = self._clock.call_later(due - self._clock.time(), self._part)

    def _part(self) -> None:
        self._timer = None
        now = self._clock.time()
        while self._leaving and next(iter(self._leaving.values())) <= now:
            channel, name = next(iter(self._leaving))
            del self._leaving[channel, name]
            members = self._channels[channel]
            member = members.pop(name)
            if not members:
                del self._channels[channel]
            self._put(channel, replace(member, conns=0))
        self._arm()

    def _info(self, user: Any) -> bytes:
        try:
            text = dumps(
                getattr(user, "info", None), ensure_ascii=False, allow_nan=False, separators=(",", ":")
            )
        except (TypeError, ValueError, RecursionError):  # an application's function said it, not JSON
            return NOTHING
        info = text.encode("utf-8", "replace")
        if len(info) <= INFO_BYTES:
            return info
        if not self._told_of_size:
            self._told_of_size = True
            text = "the info of a user has %d bytes; who is present is told without it above %d bytes"
            logger.warning(text, len(info), INFO_BYTES)
        return NOTHING


def listed_name(user: Any) -> str:
    """By which id ``user`` is listed; empty for one who is not."""
    name = getattr(user, "id", "") or ""
    return name if len(name) <= USER_BYTES and len(name.encode("utf-8", "replace")) <= USER_BYTES else ""
