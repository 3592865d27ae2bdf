"""The listener's side of the lane: takes accepted sockets, and keeps the clock of those that dawdle."""

from __future__ import annotations

import asyncio
import logging
import math
import socket
import time
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

from tornado.httputil import format_timestamp

from tornado_realtime.fastlane.lane import Lane, State
from tornado_realtime.fastlane.plan import LanePlan
from tornado_realtime.poller import Poller

logger = logging.getLogger(__name__)

# Seconds between looks at the clock; every time limit is kept to within one of them, none ends early.
TICK = 1.0
# Seconds in which a new connection has to begin its first request: whoever only holds descriptors is let go.
FIRST = 30.0
# Seconds that the peer of a refused request has to take the answer and close.
LINGER = 2.0
# Connections ended in one turn of the loop.
SLICE_SIZE = 256

HandOver = Callable[[socket.socket, Any, bytes, bytes], None]


class LaneDoor:
    """Serves accepted sockets of one listener.

    Args:
        loop: Its clock is used.
        poller: Watches the lanes.
        hand_over: Gets a socket, its peer's address, what was read and not served, and what was
            answered and not sent; it owns the socket from then on, and does not raise.

    Attributes:
        plan: What is served.
        ticks: Time limits, by what a lane waits for.
        lanes: Those that are open.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, poller: Poller, hand_over: HandOver) -> None:
        self.hand_over = hand_over
        self.lanes: dict[Lane, None] = {}
        self._poller = poller
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self.follow(LanePlan())

    def follow(self, plan: LanePlan) -> None:
        """Serve what this plan says from the next request on."""
        self.plan = plan
        body_seconds = plan.head_seconds if plan.body_seconds is None else plan.body_seconds
        limits = {
            State.REQUEST: plan.idle_seconds,
            State.HEAD: plan.head_seconds,
            State.BODY: body_seconds,
            State.CLOSE: LINGER,
        }
        self.ticks = tuple(math.ceil(limits[state] / TICK) for state in sorted(limits))
        self._first_ticks = math.ceil(min(FIRST, plan.idle_seconds) / TICK)
        for lane in self.lanes:
            lane.judge_again()

    def serve(self, sock: socket.socket, address: Any) -> None:
        """Take one accepted socket."""
        if not self.plan.paths or not isinstance(address, tuple):
            self.hand_over(sock, address, b"", b"")
            return
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open(sock, address)
        except OSError as error:
            logger.debug("a connection failed at once: %s", error)
            sock.close()

    def _open(self, sock: socket.socket, address: Any) -> None:
        lane = Lane(self, sock, address)
        lane.ticks_left = self._first_ticks
        self._poller.add(sock.fileno(), lane)
        self.lanes[lane] = None
        if self._timer is None:
            self._timer = self._loop.call_later(TICK, self._tick)

    def close(self) -> None:
        """Serve what was sent already, close what is idle, leave the rest to Tornado. Idempotent."""
        for lane in list(self.lanes):
            lane.leave()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- what a lane asks --------------------------------------------------------------------------

    def forget(self, lane: Lane, fd: int) -> None:
        """The lane is done with its socket."""
        self._poller.remove(fd)
        self.lanes.pop(lane, None)

    def accepted(self) -> bytes:
        """The answer to a publication, as the ordinary handlers give it."""
        return _accepted(int(time.time()), self.plan.server_name)

    # -- the clock ---------------------------------------------------------------------------------

    def _tick(self) -> None:
        late = []
        for lane in self.lanes:
            lane.ticks_left -= 1
            if lane.ticks_left < 0:
                late.append(lane)
        self._timer = self._loop.call_later(TICK, self._tick) if self.lanes else None
        self._expire(late)

    def _expire(self, late: list[Lane]) -> None:
        for lane in late[:SLICE_SIZE]:
            if lane.ticks_left < 0 and lane in self.lanes:
                lane.expire()
        if late[SLICE_SIZE:]:
            self._loop.call_soon(partial(self._expire, late[SLICE_SIZE:]))


@lru_cache(maxsize=4)
def _accepted(second: int, server_name: str) -> bytes:
    server = f"Server: {server_name}\r\n" if server_name else ""
    date = format_timestamp(second)
    return f"HTTP/1.1 202 Accepted\r\nDate: {date}\r\n{server}Content-Length: 0\r\n\r\n".encode("ascii")
