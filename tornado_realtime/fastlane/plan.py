"""What the lane serves on one listener."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from tornado_realtime.fastlane.guard import Guard, Purpose, compile_guard, go_handlers
from tornado_realtime.fastlane.head import PUBLISH_FIELDS, UPGRADE_FIELDS, Fields
from tornado_realtime.peers import forwarded_client, plain_address
from tornado_realtime.realtime import Realtime
from tornado_realtime.site.directives.go_handler import GoHandlerStep
from tornado_realtime.site.front import FrontOptions
from tornado_realtime.site.plan import ServerPlan
from tornado_realtime.site.reach import BareSubject
from tornado_realtime.site.request import SiteRequest

_PLAIN_PATH = re.compile(r"/[A-Za-z0-9/_.~-]*")


@dataclass(frozen=True, slots=True)
class LanePath:
    """One kind of request that the lane serves.

    Attributes:
        purpose: What is asked for.
        guard: What the Caddyfile lets happen before it.
    """

    purpose: Purpose
    guard: Guard

    @property
    def line(self) -> bytes:
        """Its request line, without line break."""
        return f"{self.purpose.method} {self.purpose.path} HTTP/1.1".encode("ascii")

    @property
    def known(self) -> frozenset[str]:
        """The header fields that it may carry."""
        return UPGRADE_FIELDS if self.purpose.is_upgrade else PUBLISH_FIELDS


@dataclass(frozen=True, slots=True)
class LanePlan:
    """What the lane of one listener serves, and within which bounds.

    Attributes:
        paths: By request line; none closes the lane.
        shut: For the start-up log: which paths are not among them, and why.
        options: What to believe about clients.
        server_name: What answers carry as ``Server``; empty for none.
        idle_seconds: How long a connection may wait for a request to begin.
        head_seconds: How long the rest of a head may take.
        body_seconds: How long a body may take; None leaves that to Tornado.
        head_bytes: Longest head.
    """

    paths: Mapping[bytes, LanePath] = field(default_factory=dict)
    shut: tuple[str, ...] = ()
    options: FrontOptions = field(default_factory=FrontOptions)
    server_name: str = ""
    idle_seconds: float = 300.0
    head_seconds: float = 10.0
    body_seconds: float | None = None
    head_bytes: int = 16 * 1024

    def may_begin(self, begun: bytes) -> bool:
        """Whether a request line of which only this much is there may become one that the lane serves."""
        return any((line + b"\r\n").startswith(begun) for line in self.paths)

    def admits(self, path: LanePath, fields: Fields, peer: str) -> Realtime | None:
        """The instance that a request reaches; None when the site must decide."""
        guard = path.guard
        return guard.only or guard.admits(BareSubject(self._request(path.purpose, fields, peer), {}))

    def _request(self, purpose: Purpose, fields: Fields, address: str) -> SiteRequest:
        """The request as the site would see it, as far as the matchers look that the lane evaluates."""
        peer, options = plain_address(address), self.options
        return SiteRequest(
            method=purpose.method,
            target=purpose.path,
            query="",
            headers=fields,  # type: ignore[arg-type]
            version="HTTP/1.1",
            scheme="http",
            host=fields.get("host"),
            peer=peer,
            peer_port=0,
            client_ip=forwarded_client(peer, fields, options.trusted_proxies, options.client_ip_headers),
            server_port=0,
            original_method=purpose.method,
            original_target=purpose.path,
            original_query="",
        )


def lane_paths(
    server: ServerPlan, realtime_of: Callable[[GoHandlerStep], Realtime], hidden: tuple[str, ...] = ()
) -> tuple[Mapping[bytes, LanePath], tuple[str, ...]]:
    """What the lane may serve on the listeners of a server, and why it may not serve more.

    Args:
        server: The compiled plan.
        realtime_of: The instance of a go_handler.
        hidden: Beginnings of paths that this listener does not know.
    """
    paths: dict[bytes, LanePath] = {}
    shut: dict[str, None] = {}
    for purpose in _purposes(map(realtime_of, go_handlers(server))):
        if _PLAIN_PATH.fullmatch(purpose.path) and not purpose.path.startswith(hidden):
            guard, reasons = compile_guard(server, purpose, realtime_of)
            shut |= dict.fromkeys(reasons)
            if guard is not None:
                path = LanePath(purpose, guard)
                paths[path.line] = path
    return paths, tuple(shut)


def publish_paths(realtime: Realtime) -> Mapping[bytes, LanePath]:
    """What the lane serves on a listener that does nothing but publish to one instance."""
    path = LanePath(Purpose(realtime.publish_path, is_upgrade=False), Guard(only=realtime))
    return {path.line: path}


def _purposes(realtimes: Iterable[Realtime]) -> list[Purpose]:
    found: dict[Purpose, None] = {}
    for realtime in realtimes:
        found[Purpose(realtime.socket_path, is_upgrade=True)] = None
        found[Purpose(realtime.publish_path, is_upgrade=False)] = None
    return list(found)
