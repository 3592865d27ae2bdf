"""What an application is told of a visitor, and what is kept of it to ask again later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tornado.httputil import HTTPHeaders

from tornado_realtime.auth.credentials import offered_token, without_ticket
from tornado_realtime.peers import HeaderLines, Network, client_address, forwarded_for

_FORWARDED = ("Authorization", "Cookie", "User-Agent")


def visitor_headers(given: HeaderLines, peer: str, trusted: Sequence[Network]) -> HTTPHeaders:
    """The header fields that tell an application who asks.

    Args:
        given: Those of the visitor's request.
        peer: Address of the socket's other end; empty for a Unix socket.
        trusted: Peers whose X-Forwarded-For is passed on; everybody else's is discarded.
    """
    headers = HTTPHeaders()
    for name in _FORWARDED:
        values = given.get_list(name)
        value = values[0] if values else ""
        if name == "Cookie":
            value = without_ticket(value)
        if value:
            headers[name] = value
    token = offered_token(given)
    if token and "Authorization" not in headers:
        headers["Authorization"] = f"Bearer {token}"
    hops = given.get_list("X-Forwarded-For")
    if peer:
        headers["X-Forwarded-For"] = forwarded_for(peer, hops, trusted)
        headers["X-Real-IP"] = client_address(peer, hops, trusted)
    return headers


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asked, as far as an application may have to be told again.

    Attributes:
        headers: See ``visitor_headers``.
        address: The visitor's.
    """

    headers: tuple[tuple[str, str], ...] = field(repr=False)
    address: str

    @staticmethod
    def of(given: HeaderLines, peer: str, trusted: Sequence[Network]) -> Visitor:
        """The visitor of a request; see ``visitor_headers``."""
        headers = visitor_headers(given, peer, trusted)
        return Visitor(tuple(headers.get_all()), headers.get("X-Real-IP", ""))

    def showing(self, token: str) -> Visitor:
        """The same visitor with a newer login."""
        others = (line for line in self.headers if line[0] != "Authorization")
        return replace(self, headers=(("Authorization", f"Bearer {token}"), *others))
