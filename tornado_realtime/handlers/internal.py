"""The one rule of everything under ``/internal/``: the secret decides; without one, only this host may.

"This host" cannot be told from every reverse proxy on the same machine, so a request that carries
any sign of one, or of a browser, is refused too.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from tornado.httputil import HTTPServerRequest

from tornado_realtime.auth import peer_of
from tornado_realtime.handlers.plain import PlainHandler
from tornado_realtime.peers import HeaderLines, is_loopback

SECRET_HEADER = "X-Broadcast-Secret"  # noqa: S105 - the header's name
_LOCAL_HOST = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?", re.IGNORECASE)
_FOREIGN_HEADERS = frozenset(
    {"forwarded", "via", "x-real-ip", "x-client-ip", "cf-connecting-ip", "origin", "cookie"}
)
_FOREIGN_PREFIXES = ("x-forwarded-", "sec-fetch-")


class NamedHeaderLines(HeaderLines, Protocol):
    """Header fields that can be told one by one, too."""

    def __iter__(self) -> Iterator[str]:
        """The names of the fields."""
        ...


@dataclass(frozen=True, slots=True)
class InternalRule:
    """Judges requests to internal paths.

    Attributes:
        secret: What ``X-Broadcast-Secret`` must be; empty for "this host only".
    """

    secret: str = field(repr=False)

    def refusal(self, request: HTTPServerRequest) -> str:
        """Why ``request`` may not be served, as the body of a 403; empty if it may."""
        return self.judge(peer_of(request), request.version, request.headers)

    def judge(self, peer: str, version: str, headers: NamedHeaderLines) -> str:
        """The same for a request in parts.

        Args:
            peer: Address of the socket's other end; empty for a Unix socket.
            version: ``HTTP/1.1`` or ``HTTP/1.0``.
            headers: Its header fields.
        """
        if self.secret:
            given = headers.get_list(SECRET_HEADER)
            first = given[0] if given else ""
            same = hmac.compare_digest(first.encode("latin-1", "replace"), self.secret.encode("utf-8"))
            return "" if same else "Forbidden"
        reason = _not_this_host(peer, version, headers)
        if not reason:
            return ""
        return f"Forbidden: {reason}; set broadcast_secret in go_handler to publish from elsewhere"


class RuledDoor(Protocol):
    """What an internal request needs, the rule among it."""

    @property
    def rule(self) -> InternalRule:
        """Who may ask."""
        ...


Door = TypeVar("Door", bound=RuledDoor)


class InternalHandler(PlainHandler):
    """Judges a request by the rule before it looks at anything else."""

    def admit(self, door: Callable[[], Door]) -> Door:
        """What ``door`` opens to, for those who may; 403 for all others, 503 while it is shut."""
        opened = self.enter(door)
        refusal = opened.rule.refusal(self.request)
        if refusal:
            self.refuse(403, refusal)
        return opened


def _not_this_host(peer: str, version: str, headers: NamedHeaderLines) -> str:
    if not is_loopback(peer):
        return f"publishing is open to this host only, not to {peer or 'a Unix socket'}"
    if version != "HTTP/1.1":
        return "publishing without a secret takes HTTP/1.1 only"
    hosts = headers.get_list("Host")
    if len(hosts) != 1 or not _LOCAL_HOST.fullmatch(hosts[0]):
        return "publishing without a secret takes Host localhost, 127.0.0.1 or [::1] only"
    for name in headers:
        lowered = name.lower()
        if lowered in _FOREIGN_HEADERS or lowered.startswith(_FOREIGN_PREFIXES):
            return f"publishing without a secret takes no request with the header {name}"
    return ""
