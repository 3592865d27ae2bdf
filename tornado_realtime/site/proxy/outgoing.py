"""Makes the request that an upstream gets out of the one that came in."""

from __future__ import annotations

from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass

from tornado.httputil import HTTPHeaders

from tornado_realtime.peers import Network, forwarded_for, is_within
from tornado_realtime.site.exchange import Exchange
from tornado_realtime.site.headers import FieldChanges, filler
from tornado_realtime.site.placeholders import expand
from tornado_realtime.site.proxy.wire import encode_request, end_to_end, is_upgrade
from tornado_realtime.site.responder import clean_headers
from tornado_realtime.site.rewrite import Rewrite

VIA = "1.1 tornado-realtime"

# RFC 9110 section 9.2.2, less PUT and DELETE: sent twice they do no more than once, but may say so.
REPEATABLE = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))

_FRAMING = ("Connection", "Content-Length", "Expect", "Transfer-Encoding", "Upgrade")
_WITH_BODY = frozenset(("POST", "PUT", "PATCH"))


@dataclass(frozen=True, slots=True)
class OutgoingRequest:
    """A request for an upstream.

    Attributes:
        method: As in its head.
        head: Ready to be sent.
        body: Its pieces; None for no body.
        chunked: Whether the pieces have to be sent as chunks.
        repeatable: Whether it may be sent twice.
        upgrades: Whether it asks for another protocol.
    """

    method: str
    head: bytes
    body: AsyncIterable[bytes] | None
    chunked: bool
    repeatable: bool
    upgrades: bool


class RequestMaker:
    """Knows what of a request is changed on its way.

    Args:
        changes: Of its headers, after our own.
        trusted: Peers whose X-Forwarded headers are passed on.
        method: Asked with instead, with placeholders; empty keeps it.
        rewrite: Asked for instead, with placeholders; empty keeps it.
    """

    def __init__(
        self, changes: FieldChanges, trusted: Sequence[Network], method: str = "", rewrite: str = ""
    ) -> None:
        self._changes = changes
        self._trusted = tuple(trusted)
        self._method = method
        self._rewrite = Rewrite(rewrite) if rewrite else None

    def make(self, exchange: Exchange) -> OutgoingRequest:
        """The request for the upstream that the exchange's variables name."""
        method = expand(self._method, exchange, "empty").upper() or exchange.request.method
        target = self._rewrite.uri(exchange) if self._rewrite is not None else exchange.request.uri
        length = exchange.content_length
        upgrades = method == "GET" and length == 0 and is_upgrade(exchange.request.headers)
        headers = self._headers(exchange)
        _frame(headers, method, length, exchange.request.headers["Upgrade"] if upgrades else "")
        head = encode_request(method, target, clean_headers(headers))
        body = None if length == 0 else exchange.body()
        repeatable = method in REPEATABLE and length == 0
        return OutgoingRequest(method, head, body, length is None, repeatable, upgrades)

    def _headers(self, exchange: Exchange) -> HTTPHeaders:
        request = exchange.request
        headers = HTTPHeaders({"Host": request.host})
        for name, value in end_to_end(request.headers).get_all():
            if name != "Host":
                headers.add(name, value)
        headers.add("Via", VIA)
        self._tell_origin(exchange, headers)
        self._changes.apply(headers, filler(exchange))
        headers.setdefault("Host", request.host)
        return headers

    def _tell_origin(self, exchange: Exchange, headers: HTTPHeaders) -> None:
        """X-Forwarded headers that tell the truth: a stranger's own are dropped."""
        request = exchange.request
        trusted = is_within(request.peer, self._trusted)
        origin = forwarded_for(request.peer, headers.get_list("X-Forwarded-For"), self._trusted)
        ours = {
            "X-Forwarded-For": origin,
            "X-Forwarded-Proto": (trusted and headers.get("X-Forwarded-Proto")) or request.scheme,
            "X-Forwarded-Host": (trusted and headers.get("X-Forwarded-Host")) or request.host,
        }
        for name, value in ours.items():
            headers.pop(name, None)
            if value:
                headers[name] = value


def _frame(headers: HTTPHeaders, method: str, length: int | None, upgrade: str) -> None:
    """Say how the body ends: as it came in, whatever a change of headers wanted."""
    for name in _FRAMING:
        headers.pop(name, None)
    if length is None:
        headers["Transfer-Encoding"] = "chunked"
    elif length or method in _WITH_BODY:
        headers["Content-Length"] = str(length)
    if upgrade:
        headers["Connection"], headers["Upgrade"] = "Upgrade", upgrade
