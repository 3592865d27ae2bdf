"""Questions to the application's endpoints, bounded in every way, over connections that are kept.

A connection is used again only after an answer that was whole, with nothing behind it: what comes unasked
would be taken for the answer to the next visitor's question. Cancelling a question closes its connection.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from tornado.httputil import HTTPHeaders

from tornado_realtime.auth.answers import Answer, AnswerReader
from tornado_realtime.errors import AuthError, AuthUnavailableError

REDIRECTS_SIZE = 3
# Connections kept for the next question, and how long; whoever is behind them closes them, too.
IDLE_SIZE = 64
IDLE_SECONDS = 15.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PORTS = {"http": 80, "https": 443}
_IN_TARGETS = "/?:@!$&'()*+,;=-._~%[]|"
_CONTROLS = dict.fromkeys([*range(0x20), 0x7F])

Origin = tuple[str, str | None, int | None]


class Asker:
    """Asks questions, each for as long as its caller lets it.

    Args:
        most_bytes: Longest body of an answer.
        clock: Monotonic seconds.
    """

    def __init__(self, most_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most_bytes = most_bytes
        self._clock = clock
        self._idle: list[tuple[Origin, float, _Line]] = []
        self._tls: ssl.SSLContext | None = None
        self._is_closed = False

    def close(self) -> None:
        """Keep no connection any more; what is under way goes on. Idempotent."""
        self._is_closed = True
        for _, _, line in self._idle:
            line.abort()
        self._idle.clear()

    async def ask(self, url: SplitResult, headers: HTTPHeaders) -> Answer:
        """The answer after redirects, which are followed within the same origin only.

        Raises:
            AuthUnavailableError: See ``get``; or it redirects elsewhere, or too often.
            AuthInvalidError: See ``get``.
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
            headers: Sent as they are, with Host added.

        Raises:
            AuthUnavailableError: Nobody answered in HTTP.
            AuthInvalidError: The answer's body broke off, makes no sense, or is too long.
        """
        question = _question(url, headers)
        line = self._take(_origin(url))
        while line is not None:
            try:
                return await self._get(line, url, question)
            except _StaleError:  # it was closed just now; that says nothing about the server
                line = self._take(_origin(url))
        return await self._get(await self._connect(url), url, question)

    async def _get(self, line: _Line, url: SplitResult, question: bytes) -> Answer:
        answer: Answer | None = None
        try:
            answer = await line.ask(question)
            return answer
        finally:
            if answer is not None and answer.keeps:
                self._keep(_origin(url), line)
            else:
                line.abort()

    async def _connect(self, url: SplitResult) -> _Line:
        secure = url.scheme == "https"
        if secure and self._tls is None:
            self._tls = ssl.create_default_context()
        try:
            _, line = await asyncio.get_running_loop().create_connection(
                lambda: _Line(self._most_bytes),
                url.hostname or "",
                url.port or _PORTS[url.scheme],
                ssl=self._tls if secure else None,
                happy_eyeballs_delay=0.25,
            )
        except (OSError, ValueError) as error:
            raise AuthUnavailableError(f"no connection: {error}") from error
        return line

    def _take(self, origin: Origin) -> _Line | None:
        """A connection that is open still; those that were not used for long are closed."""
        oldest = self._clock() - IDLE_SECONDS
        while self._idle and self._idle[0][1] < oldest:
            self._idle.pop(0)[2].abort()
        for index in range(len(self._idle) - 1, -1, -1):
            if self._idle[index][0] == origin:
                line = self._idle.pop(index)[2]
                if line.is_open:
                    return line
        return None

    def _keep(self, origin: Origin, line: _Line) -> None:
        if self._is_closed or len(self._idle) >= IDLE_SIZE:
            line.abort()
        else:
            line.was_used = True
            self._idle.append((origin, self._clock(), line))


class _StaleError(AuthError):
    """A connection that was kept ended before an answer began."""


class _Line(asyncio.Protocol):
    """One connection; one question at a time.

    Attributes:
        was_used: Whether a question was answered on it.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._transport: asyncio.Transport | None = None
        self._reader: AnswerReader | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self.was_used = False

    @property
    def is_open(self) -> bool:
        """Whether a question may be asked."""
        return self._transport is not None and not self._transport.is_closing()

    async def ask(self, question: bytes) -> Answer:
        """The answer to a whole request.

        Raises:
            AuthError: There is none.
        """
        if self._transport is None:
            raise self._lost(None)
        self._reader = AnswerReader(self._most_bytes)
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(question)
        return await self._answer

    def abort(self) -> None:
        """Close at once. Idempotent."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        if self._reader is None:
            self.abort()  # nobody asked
            return
        try:
            answer = self._reader.feed(data)
        except AuthError as error:
            self._fail(error)
        else:
            if answer is not None:
                self._finish(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        self._transport = None
        if self._reader is None:
            return
        try:
            if exc is not None or not self._reader.begun:
                raise self._lost(exc)
            self._finish(self._reader.end())
        except AuthError as error:
            self._fail(error)

    def _lost(self, exc: Exception | None) -> AuthError:
        if self.was_used and (self._reader is None or not self._reader.begun):
            return _StaleError("the connection was closed")
        return AuthUnavailableError(f"no answer: {exc or 'the connection was closed'}")

    def _finish(self, answer: Answer) -> None:
        self._reader = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)

    def _fail(self, error: AuthError) -> None:
        self._reader = None
        self.abort()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)


def _question(url: SplitResult, headers: HTTPHeaders) -> bytes:
    lines = [f"GET {_target(url)} HTTP/1.1", f"Host: {url.netloc.rpartition('@')[2]}"]
    lines += [f"{name}: {value}" for name, value in headers.get_all()]
    # No visitor gets a line of their own into the request.
    text = "\r\n".join(line.translate(_CONTROLS) for line in lines)
    return f"{text}\r\n\r\n".encode("latin-1", "replace")


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


def _origin(url: SplitResult) -> Origin:
    return (url.scheme, url.hostname, url.port or _PORTS.get(url.scheme))


def _target(url: SplitResult) -> str:
    target = url.path or "/"
    return quote(f"{target}?{url.query}" if url.query else target, safe=_IN_TARGETS)
