"""Readiness of thousands of bare sockets, through one descriptor of the event loop.

A Tornado stream costs several KiB a connection and a handler in the loop each. Here all lean
connections share one epoll set, and the loop watches that set as if it were one socket. Where
there is no epoll (macOS, BSD) the loop watches each socket itself: slower, the same behaviour.
"""

from __future__ import annotations

import asyncio
import logging
import select
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Protocol

logger = logging.getLogger(__name__)

# How many ready sockets one turn of the loop serves at most, and seconds after which it begins with no more
# of them; the others are served in the next turn.
READY_SIZE = 256
TURN_SECONDS = 0.004


class Pollable(Protocol):
    """What a poller tells about its descriptor's readiness."""

    def on_readable(self) -> None:
        """There is something to read, or the peer is gone."""

    def on_writable(self) -> None:
        """The kernel takes bytes again."""

    def abort(self) -> None:
        """Give the descriptor up at once; called after an unexpected error."""


class Poller(ABC):
    """Watches descriptors for reading, and for writing on demand. One per hub and loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    @abstractmethod
    def add(self, fd: int, owner: Pollable) -> None:
        """Tell ``owner`` whenever ``fd`` is readable; the caller keeps owning the descriptor."""

    @abstractmethod
    def want_write(self, fd: int, wanted: bool) -> None:
        """Begin or stop telling the owner that ``fd`` is writable."""

    @abstractmethod
    def remove(self, fd: int) -> None:
        """Forget ``fd``; called before it is closed."""

    @abstractmethod
    def close(self) -> None:
        """Forget everything. Idempotent; the descriptors stay open."""

    def _serve(self, owner: Pollable, readable: bool, writable: bool) -> None:
        try:
            if writable:
                owner.on_writable()
            if readable:
                owner.on_readable()
        except Exception:
            # The root of everything a peer's bytes can cause: the others must not suffer.
            logger.exception("a connection failed unexpectedly and is dropped")
            owner.abort()


class EpollPoller(Poller):
    """One epoll set for all (Linux).

    Args:
        loop: Watches the set.
        clock: Seconds that never go back.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(loop)
        self._clock = clock
        self._epoll = select.epoll()
        self._owners: dict[int, Pollable] = {}
        # Ready, and not served when a turn's time was up: first in the next one, so that nobody starves.
        self._rest: deque[tuple[int, int]] = deque()
        loop.add_reader(self._epoll.fileno(), self._turn)

    def add(self, fd: int, owner: Pollable) -> None:
        """See Poller."""
        self._epoll.register(fd, select.EPOLLIN)
        self._owners[fd] = owner

    def want_write(self, fd: int, wanted: bool) -> None:
        """See Poller."""
        self._epoll.modify(fd, select.EPOLLIN | select.EPOLLOUT if wanted else select.EPOLLIN)

    def remove(self, fd: int) -> None:
        """See Poller."""
        if self._owners.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def close(self) -> None:
        """See Poller."""
        if not self._epoll.closed:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()
            self._owners.clear()
            self._rest.clear()

    def _turn(self) -> None:
        # What is left over stays ready in the set, so the loop comes back without being told.
        ready = self._rest or deque(self._epoll.poll(0, READY_SIZE))
        owners, clock = self._owners, self._clock
        end = clock() + TURN_SECONDS
        while ready:
            fd, events = ready.popleft()
            # An earlier owner of this turn may have closed this one.
            owner = owners.get(fd)
            if owner is not None:
                self._serve(owner, bool(events & ~select.EPOLLOUT), bool(events & select.EPOLLOUT))
                if clock() >= end:
                    break
        self._rest = ready


class LoopPoller(Poller):
    """One reader a descriptor in the loop's own selector (everywhere)."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._owners: dict[int, Pollable] = {}

    def add(self, fd: int, owner: Pollable) -> None:
        """See Poller."""
        self._owners[fd] = owner
        self._loop.add_reader(fd, self._serve, owner, True, False)

    def want_write(self, fd: int, wanted: bool) -> None:
        """See Poller."""
        if wanted:
            self._loop.add_writer(fd, self._serve, self._owners[fd], False, True)
        else:
            self._loop.remove_writer(fd)

    def remove(self, fd: int) -> None:
        """See Poller."""
        if self._owners.pop(fd, None) is not None:
            self._loop.remove_reader(fd)
            self._loop.remove_writer(fd)

    def close(self) -> None:
        """See Poller."""
        for fd in list(self._owners):
            self.remove(fd)


def make_poller(loop: asyncio.AbstractEventLoop) -> Poller:
    """The best poller of this platform, running on ``loop``."""
    return EpollPoller(loop) if hasattr(select, "epoll") else LoopPoller(loop)
