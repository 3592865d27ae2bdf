"""The listener's side of the lane: which paths it serves, and the clock of those that dawdle."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tornado.httputil import format_timestamp

from tornado_realtime.fastlane.guard import Guard, LaneSubject
from tornado_realtime.fastlane.head import Fields
from tornado_realtime.fastlane.lane import Lane
from tornado_realtime.peers import Network
from tornado_realtime.poller import Poller
from tornado_realtime.realtime import Realtime
from tornado_realtime.site.request import SiteRequest, forwarded_client, plain_address

logger = logging.getLogger(__name__)

# Seconds that the rest of a request has, once it began.
HEAD_TIMEOUT = 10.0
# Seconds that a connection may wait for a request to begin; as in Caddy.
IDLE_TIMEOUT = 300.0
TICK = 1.0
_PLAIN_PATH = re.compile(r"/[A-Za-z0-9/_.~-]*")

HandOver = Callable[[socket.socket, Any, bytes, bytes], None]


@dataclass(frozen=True, slots=True)
class LanePath:
    """One path that the lane knows.

    Attributes:
        path: The path.
        is_upgrade: WebSocket handshakes by GET; else publishing by POST.
        guard: What the Caddyfile lets happen before it.
    """

    path: str
    is_upgrade: bool
    guard: Guard


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom a listener believes about its clients' addresses.

    Attributes:
        proxies: Peers that are believed.
        headers: Fields that carry the address, the first one present counts.
    """

    proxies: tuple[Network, ...] = ()
    headers: tuple[str, ...] = ("X-Forwarded-For",)


def lane_paths(guards: Mapping[str, Guard], realtimes: Sequence[Realtime]) -> dict[bytes, LanePath]:
    """The request lines that the lane answers to, for the guards that are not shut."""
    found: dict[bytes, LanePath] = {}
    for realtime in realtimes:
        for path, is_upgrade in ((realtime.socket_path, True), (realtime.publish_path, False)):
            guard = guards.get(path)
            if guard is not None and not guard.shut and _PLAIN_PATH.fullmatch(path):
                method = "GET" if is_upgrade else "POST"
                found[f"{method} {path} HTTP/1.1".encode("ascii")] = LanePath(path, is_upgrade, guard)
    return found


class LaneDoor:
    """Serves accepted sockets of one listener.

    Args:
        poller: Watches the lanes.
        server_name: What answers carry as ``Server``; empty for none.

    Attributes:
        paths: By request line.
        generation: Grows when the paths change; what a lane remembers is worth nothing then.
        hand_over: Gets a socket, its peer's address, what was read and not served, and what was
            answered and not sent; it owns the socket from then on.
    """

    def __init__(self, poller: Poller, server_name: str) -> None:
        self.paths: Mapping[bytes, LanePath] = {}
        self.generation = 0
        self.hand_over: HandOver = _nowhere
        self._trust = Trust()
        self._poller = poller
        self._server = f"Server: {server_name}\r\n" if server_name else ""
        self._loop = asyncio.get_running_loop()
        self._deadlines: dict[Lane, float] = {}
        self._starts: tuple[bytes, ...] = ()
        self._timer: asyncio.TimerHandle | None = None
        self._port = 0

    def set_paths(self, paths: Mapping[bytes, LanePath], trust: Trust) -> None:
        """Serve these from the next request on."""
        self.paths = paths
        self.generation += 1
        self._trust = trust
        self._starts = tuple(line + b"\r\n" for line in paths)

    def serve(self, sock: socket.socket, address: Any) -> None:
        """Take one accepted socket."""
        if not self.paths:
            self.hand_over(sock, address, b"", b"")
            return
        self._port = sock.getsockname()[1]
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        lane = Lane(self, sock, address, str(address[0]))
        self._poller.add(sock.fileno(), lane)
        self.wait(lane)

    def close(self) -> None:
        """Close the lanes that are open; a request that has begun is Tornado's to finish. Idempotent."""
        for lane in list(self._deadlines):
            lane.leave()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- what a lane asks --------------------------------------------------------------------------

    def forget(self, lane: Lane, fd: int) -> None:
        """The lane is done with its socket."""
        self._poller.remove(fd)
        self._deadlines.pop(lane, None)

    def may_become_ours(self, begun: bytes) -> bool:
        """Whether a request of which only this much is there may be one that the lane serves."""
        return any(begun.startswith(start) or start.startswith(begun) for start in self._starts)

    def wait(self, lane: Lane) -> None:
        """The lane waits for a request to begin, or for the rest of one."""
        self._deadlines[lane] = self._loop.time() + (HEAD_TIMEOUT if lane.begun else IDLE_TIMEOUT)
        if self._timer is None:
            self._timer = self._loop.call_later(TICK, self._tick)

    def admits(self, path: LanePath, method: str, fields: Fields, peer: str) -> Realtime | None:
        """The instance that this request reaches; None when the site must decide."""
        guard = path.guard
        if guard.only is not None:
            return guard.only
        return guard.admits(self._subject(path.path, method, fields, peer))

    def accepted(self) -> bytes:
        """The answer to a publication, as the ordinary handlers give it."""
        return _accepted(int(time.time()), self._server)

    def _subject(self, path: str, method: str, fields: Fields, peer: str) -> LaneSubject:
        plain = plain_address(peer)
        request = SiteRequest(
            method=method,
            target=path,
            query="",
            headers=fields,  # type: ignore[arg-type]
            version="HTTP/1.1",
            scheme="http",
            host=fields.get("host"),
            peer=plain,
            peer_port=0,
            client_ip=forwarded_client(plain, fields, self._trust.proxies, self._trust.headers),  # type: ignore[arg-type]
            server_port=self._port,
            original_method=method,
            original_target=path,
            original_query="",
        )
        return LaneSubject(request, {})

    def _tick(self) -> None:
        now = self._loop.time()
        for lane in [lane for lane, deadline in self._deadlines.items() if deadline <= now]:
            lane.expire()
        self._timer = self._loop.call_later(TICK, self._tick) if self._deadlines else None


def _nowhere(sock: socket.socket, _address: Any, _unread: bytes, _unsent: bytes) -> None:
    """Nobody has said yet who takes over."""
    sock.close()


@lru_cache(maxsize=4)
def _accepted(second: int, server: str) -> bytes:
    date = format_timestamp(second)
    return f"HTTP/1.1 202 Accepted\r\nDate: {date}\r\nContent-Length: 0\r\n{server}\r\n".encode("ascii")
