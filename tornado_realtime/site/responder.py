"""The answering half of an exchange: one head, its body, one end, on Tornado's HTTP/1.1 connection."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from typing import Protocol

from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPHeaders, ResponseStartLine, format_timestamp
from tornado.iostream import IOStream, StreamClosedError

from tornado_realtime.errors import ConnectionClosedError
from tornado_realtime.site.request import SiteRequest

SERVER_NAME = "tornado-realtime"

_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]+")
_FIELD_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


class BodyFilter(Protocol):
    """Changes a response's body on its way out, for example by compressing it."""

    def feed(self, chunk: bytes) -> bytes:
        """What to send for this piece; may be empty."""
        ...

    def end(self) -> bytes:
        """What to send after the last piece; may be empty."""
        ...


@dataclass(slots=True)
class ResponseHead:
    """Status and headers just before they go out; hooks may change all of it.

    Attributes:
        status: 200..999, or 101 when the stream is about to be detached.
        headers: What will be sent.
        filters: Applied to the body in this order; who adds one takes Content-Length out.
    """

    status: int
    headers: HTTPHeaders
    filters: list[BodyFilter] = field(default_factory=list)


HeadHook = Callable[[ResponseHead], None]


def clean_value(value: str) -> str:
    """A header value that cannot break the head: control characters become spaces, text becomes UTF-8.

    What fits into Latin-1 is taken for bytes already (RFC 9110 section 5.5, obs-text) and stays.
    """
    if value.isascii() and value.isprintable():
        return value.strip(" ")
    value = _CONTROLS.sub(" ", value).strip(" \t")
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        value = value.encode("utf-8", "surrogateescape").decode("latin-1")
    return value


def is_field_name(name: str) -> bool:
    """Whether this can stand before a colon in a head (RFC 9110 section 5.1)."""
    return _FIELD_NAME.fullmatch(name) is not None


def clean_headers(headers: HTTPHeaders) -> HTTPHeaders:
    """A copy with clean values and without fields whose name is not a token (RFC 9110 section 5.1)."""
    return overlay(HTTPHeaders(), headers)


def overlay(below: HTTPHeaders, above: HTTPHeaders) -> HTTPHeaders:
    """Both together, cleaned; a field of ``above`` replaces all lines of that field in ``below``."""
    merged = HTTPHeaders()
    for headers in (below, above):
        for name in headers:
            if is_field_name(name):
                first, *more = headers.get_list(name)
                merged[name] = clean_value(first)
                for value in more:
                    merged.add(name, clean_value(value))
    return merged


def reason_of(status: int) -> str:
    """The standard reason phrase, ``Unknown`` for a number that has none."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def bodiless(method: str, status: int) -> bool:
    """Whether such an answer never has a body (RFC 9110 section 6.4.1)."""
    return method == "HEAD" or status in (204, 304) or status < 200


@lru_cache(maxsize=2)
def _date(second: int) -> str:
    return format_timestamp(second)


class Responder:
    """Writes one answer. Its own methods never wait; what they return is awaited by who cares.

    Args:
        connection: Of Tornado's server, for this request only.
        request: Whose original method and version decide how the answer is framed.
    """

    def __init__(self, connection: HTTP1Connection, request: SiteRequest) -> None:
        self.status: int | None = None
        self.finished = False
        self.detached = False
        self.sent_bytes = 0
        self.preset = HTTPHeaders()
        self.sent_headers = HTTPHeaders()
        self._connection = connection
        self._request = request
        self._keep_alive_wanted = _wants_keep_alive(request)
        self._hooks: list[HeadHook] = []
        self._filters: list[BodyFilter] = []
        self._mute = False
        self.closing = False

    @property
    def answered(self) -> bool:
        """Whether there is nothing left to answer: a head is out, or the connection is gone."""
        return self.status is not None or self.finished or self.detached

    @property
    def connection(self) -> HTTP1Connection:
        """Tornado's connection of this request."""
        return self._connection

    def on_head(self, hook: HeadHook) -> None:
        """Call ``hook`` right before the head goes out; the hook registered last runs first."""
        self._hooks.append(hook)

    def forget_hooks(self) -> None:
        """Forget what was registered."""
        self._hooks.clear()

    def head(
        self, status: int, headers: HTTPHeaders | None = None, chunk: bytes = b"", reason: str = ""
    ) -> asyncio.Future[None]:
        """Send the head, and the first piece of the body with it.

        Raises:
            ConnectionClosedError: If a head went out before, or the connection is closed.
        """
        if self.answered:
            raise ConnectionClosedError("this request has been answered already")
        head = self._compose(status, headers)
        first = self._filtered(chunk)
        self.status = head.status
        self.sent_headers = head.headers
        self.sent_bytes += len(first)
        phrase = clean_value(reason) if head.status == status else ""
        line = ResponseStartLine("HTTP/1.1", head.status, phrase or reason_of(head.status))
        return self._guarded(lambda: self._connection.write_headers(line, head.headers, first or None))

    def send(self, chunk: bytes) -> asyncio.Future[None] | None:
        """Send one more piece of the body; None when there is nothing to wait for.

        Raises:
            ConnectionClosedError: If the connection is closed, or the answer is complete.
        """
        if self.finished or self.detached:
            raise ConnectionClosedError("the answer is complete")
        return self._push(self._filtered(chunk))

    def last(self) -> asyncio.Future[None] | None:
        """Send what the filters still hold."""
        if self._mute or self.finished:
            return None
        rest = b""
        for one in self._filters:
            rest = (one.feed(rest) if rest else b"") + one.end()
        self._filters = []
        return self._push(rest)

    def end(self) -> None:
        """Complete the answer; the connection may serve the next request."""
        if self.finished or self.detached:
            return
        self.finished = True
        stream = self._connection.stream
        if stream is None or stream.closed():
            return
        self._connection.finish()

    def detach(self) -> IOStream:
        """Hand out the stream; nothing of HTTP touches it any more."""
        self.detached = self.finished = True
        return self._connection.detach()

    def close(self) -> None:
        """Close the connection at once."""
        self.finished = True
        if not self.detached:
            self._connection.close()

    def flushed(self) -> asyncio.Future[None] | None:
        """Done when everything written so far is with the kernel; None if that is so already."""
        stream = self._connection.stream
        if stream is None or stream.closed() or not stream.writing():
            return None
        return stream.write(b"")

    def _compose(self, status: int, headers: HTTPHeaders | None) -> ResponseHead:
        own = headers if headers is not None else HTTPHeaders()
        head = ResponseHead(status, overlay(self.preset, own))
        _sign(head)
        if self._hooks:
            for hook in reversed(self._hooks):
                hook(head)
            head.headers = clean_headers(head.headers)
        _keep_length(head, own.get("Content-Length"))
        head.status = head.status if 100 <= head.status <= 999 else 500
        self._filters = head.filters
        self._frame(head)
        return head

    def _frame(self, head: ResponseHead) -> None:
        """Make the head say truly how long the body is and whether the connection stays."""
        headers = head.headers
        self._mute = bodiless(self._request.original_method, head.status)
        headers.pop("Transfer-Encoding", None)
        if head.status == 204 or head.status < 200 or not _is_length(headers.get("Content-Length", "0")):
            headers.pop("Content-Length", None)
        if head.status < 200:
            return
        headers.setdefault("Date", _date(int(time.time())))
        self.closing = self._must_close(headers)
        if self.closing:
            headers["Connection"] = "close"
        elif self._request.version == "HTTP/1.0":
            headers["Connection"] = "Keep-Alive"
        else:
            headers.pop("Connection", None)

    def _must_close(self, headers: HTTPHeaders) -> bool:
        if not self._keep_alive_wanted or headers.get("Connection", "").lower() == "close":
            return True
        endless = "Content-Length" not in headers and not self._mute
        return self._request.version == "HTTP/1.0" and endless

    def _filtered(self, chunk: bytes) -> bytes:
        if self._mute:
            return b""
        for one in self._filters:
            chunk = one.feed(chunk) if chunk else b""
        return chunk

    def _push(self, chunk: bytes) -> asyncio.Future[None] | None:
        if not chunk:
            return None
        self.sent_bytes += len(chunk)
        return self._guarded(lambda: self._connection.write(chunk))

    def _guarded(self, write: Callable[[], asyncio.Future[None]]) -> asyncio.Future[None]:
        if self._connection.stream is None:
            raise ConnectionClosedError("the stream has been handed out")
        try:
            return write()
        except StreamClosedError as exc:
            raise ConnectionClosedError("the client went away") from exc


def _wants_keep_alive(request: SiteRequest) -> bool:
    """Whether the client lets the connection stay (RFC 9112 section 9.3)."""
    options = {word.strip().lower() for word in request.headers.get("Connection", "").split(",")}
    return "close" not in options if request.version == "HTTP/1.1" else "keep-alive" in options


def _keep_length(head: ResponseHead, length: str | None) -> None:
    """Only who writes the body knows its length, and not even that one if it is changed on its way."""
    head.headers.pop("Content-Length", None)
    if length is not None and not head.filters:
        head.headers["Content-Length"] = length


def _sign(head: ResponseHead) -> None:
    """Say who serves, and no version; before the hooks, so that they can take it away."""
    if head.status >= 200 and head.headers.get("Server", "TornadoServer/").startswith("TornadoServer/"):
        head.headers["Server"] = SERVER_NAME


def _is_length(value: str) -> bool:
    return value.isascii() and value.isdecimal()
