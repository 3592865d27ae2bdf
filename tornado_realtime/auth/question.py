"""One GET to the application's auth endpoint, bounded in every way; cancelling it closes its socket.

Tornado's own client goes on with a request that nobody waits for any more, and cannot tell a broken
answer from an unreachable server; hence this one, on Tornado's connection classes.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from tornado.http1connection import HTTP1Connection, HTTP1ConnectionParameters
from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, RequestStartLine, ResponseStartLine
from tornado.iostream import IOStream, StreamClosedError
from tornado.tcpclient import TCPClient

from tornado_realtime.errors import AuthInvalidError, AuthUnavailableError

HEAD_BYTES = 64 * 1024
REDIRECTS_SIZE = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PORTS = {"http": 80, "https": 443}
_IN_TARGETS = "/?:@!$&'()*+,;=-._~%[]|"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the endpoint said."""

    status: int
    headers: HTTPHeaders
    body: bytes


class Asker:
    """Asks questions.

    Args:
        most_bytes: Longest body of an answer.
        timeout: Seconds after which a connection that never came about is given up for good.
    """

    def __init__(self, most_bytes: int, timeout: float) -> None:
        self._most_bytes = most_bytes
        self._timeout = timeout
        self._tcp = TCPClient()
        self._tls: ssl.SSLContext | None = None

    def close(self) -> None:
        """Release what is kept between questions. Idempotent."""
        self._tcp.close()

    async def ask(self, url: SplitResult, headers: HTTPHeaders) -> Answer:
        """The answer after redirects, which are followed within the same origin only.

        Raises:
            AuthUnavailableError: See ``get``; or it redirects elsewhere, or too often.
            AuthInvalidError, tornado.util.TimeoutError: See ``get``.
        """
        first = url
        for _ in range(REDIRECTS_SIZE + 1):
            answer = await self.get(url, headers)
            location = answer.headers.get("Location")
            if answer.status not in _REDIRECTS or not location:
                return answer
            url = _follow(first, url, location)
        raise AuthUnavailableError(f"it redirects more than {REDIRECTS_SIZE} times")

    async def get(self, url: SplitResult, headers: HTTPHeaders) -> Answer:
        """The answer to ``GET url``, whatever its status; redirects are not followed.

        Args:
            url: http or https, with a host.
            headers: Sent as they are, with Host and Connection added.

        Raises:
            AuthUnavailableError: Nobody answered in HTTP.
            AuthInvalidError: The answer's body broke off or is too long.
            tornado.util.TimeoutError: No connection within ``timeout``.
        """
        try:
            stream = await self._connect(url)
        except (OSError, ValueError) as error:
            raise AuthUnavailableError(f"no connection: {error}") from error
        try:
            return await self._exchange(stream, url, headers)
        finally:
            stream.close()

    async def _connect(self, url: SplitResult) -> IOStream:
        assert url.hostname is not None
        secure = url.scheme == "https"
        if secure and self._tls is None:
            self._tls = ssl.create_default_context()
        return await self._tcp.connect(
            url.hostname,
            url.port or (443 if secure else 80),
            ssl_options=self._tls if secure else None,
            max_buffer_size=2 * max(self._most_bytes, HEAD_BYTES),
            timeout=self._timeout,
        )

    async def _exchange(self, stream: IOStream, url: SplitResult, headers: HTTPHeaders) -> Answer:
        parameters = HTTP1ConnectionParameters(
            no_keep_alive=True, max_header_size=HEAD_BYTES, max_body_size=self._most_bytes
        )
        connection = HTTP1Connection(stream, True, parameters)
        collector = _Collector(stream, self._most_bytes)
        headers = headers.copy()
        headers["Host"] = url.netloc.rpartition("@")[2]
        headers["Connection"] = "close"
        try:
            await connection.write_headers(RequestStartLine("GET", _target(url), ""), headers)
            connection.finish()
            await connection.read_response(collector)
        except (StreamClosedError, ValueError) as error:
            if collector.status:
                raise AuthInvalidError("the answer broke off") from error
            raise AuthUnavailableError(f"no answer: {error}") from error
        return collector.answer()


def _follow(first: SplitResult, url: SplitResult, location: str) -> SplitResult:
    """Where a redirect leads; elsewhere the visitor's cookies have no business."""
    try:
        target = urlsplit(urljoin(url.geturl(), location))
        same = _origin(target) == _origin(first)
    except ValueError:
        same = False
    if not same:
        raise AuthUnavailableError("it redirects to another origin, which is not followed")
    return target


def _origin(url: SplitResult) -> tuple[str, str | None, int | None]:
    return (url.scheme, url.hostname, url.port or _PORTS.get(url.scheme))


def _target(url: SplitResult) -> str:
    target = url.path or "/"
    return quote(f"{target}?{url.query}" if url.query else target, safe=_IN_TARGETS)


class _Collector(HTTPMessageDelegate):
    """Keeps one answer, up to its bound."""

    def __init__(self, stream: IOStream, most_bytes: int) -> None:
        self._stream = stream
        self._most_bytes = most_bytes
        self._body = bytearray()
        self._headers = HTTPHeaders()
        self._is_whole = False
        self.status = 0

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> None:
        assert isinstance(start_line, ResponseStartLine)
        if start_line.code >= 200:
            self.status, self._headers = start_line.code, headers

    def data_received(self, chunk: bytes) -> None:
        self._body += chunk
        if len(self._body) > self._most_bytes:
            self._stream.close()

    def finish(self) -> None:
        self._is_whole = True

    def answer(self) -> Answer:
        if not self.status:
            raise AuthUnavailableError("no answer in HTTP")
        if not self._is_whole or len(self._body) > self._most_bytes:
            raise AuthInvalidError(f"the answer broke off or is above {self._most_bytes} bytes")
        return Answer(self.status, self._headers, bytes(self._body))
