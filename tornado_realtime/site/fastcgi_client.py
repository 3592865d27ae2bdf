"""Asks a FastCGI responder over a Unix or TCP socket, one connection for each request.

Bare non-blocking sockets rather than streams: nothing is read before somebody wants it, so a slow visitor
slows PHP down instead of filling our memory, and an answer can still be read when PHP refuses the rest of
a request body (a stream would drop both directions at the first failed write).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tornado_realtime.errors import GatewayError
from tornado_realtime.site.fastcgi import CgiBody, CgiEvent, CgiHead, CgiLogLine, CgiReader
from tornado_realtime.site.fastcgi_wire import (
    encode_abort,
    encode_begin,
    encode_params,
    encode_stdin,
    encode_stdin_end,
)

logger = logging.getLogger(__name__)

READ_BYTES = 64 * 1024
SEND_BYTES = 256 * 1024
MAX_LOG_LINES = 100

_BACKLOG_RETRY_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class FastCgiAddress:
    """Where a FastCGI responder listens: the ``path`` of a Unix socket, or ``host`` and ``port``."""

    path: str = ""
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        if self.path:
            return f"unix/{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """How long and how much.

    Attributes:
        connect_timeout: Seconds until a connection must stand; then 504.
        write_timeout: Seconds that the responder may take no byte of a request body; then 504.
        read_timeout: Seconds without a single byte of an answer, or waiting for a turn; then 504 or 503.
        max_running: Requests spoken at the same time; more than the responder has workers, because the rest
            waits in its backlog, and fewer than that backlog holds.
        max_waiting: Requests that may wait here beyond those; the next one gets 503.
    """

    connect_timeout: float = 5.0
    write_timeout: float = 60.0
    read_timeout: float = 60.0
    max_running: int = 100
    max_waiting: int = 1000


class FastCgiAnswer:
    """One answer: its head, then its body by ``async for``, read only as fast as somebody takes it.

    Raises:
        GatewayError: While iterating, 502 for a broken or cut-off answer, 504 when PHP is silent too long.
    """

    def __init__(self, sock: socket.socket, limits: ClientLimits) -> None:
        self._sock = sock
        self._limits = limits
        self._reader = CgiReader()
        self._head: CgiHead | None = None
        self._bodies: deque[bytes] = deque()
        self._log_lines = 0
        self._sending: asyncio.Task[None] | None = None

    @property
    def head(self) -> CgiHead:
        """Status and header fields."""
        if self._head is None:
            raise GatewayError(502, "PHP has not answered yet")
        return self._head

    @property
    def complete(self) -> bool:
        """Whether everything has come in: what is left of the body is in memory."""
        return self._reader.ended

    @property
    def buffered_bytes(self) -> int:
        """Size of what has come in and was not taken yet."""
        return sum(map(len, self._bodies))

    def __aiter__(self) -> FastCgiAnswer:
        return self

    async def __anext__(self) -> bytes:
        while not self._bodies:
            if self._reader.ended:
                raise StopAsyncIteration
            await self._receive()
        return self._bodies.popleft()

    async def begin(self, request: bytes, body: AsyncIterable[bytes] | None) -> None:
        """Send the request, what the socket does not take at once in the background; wait for the head."""
        rest = self._send_now(request)
        if rest or body is not None:
            self._sending = asyncio.create_task(self._send(rest, body))
        while self._head is None:
            await self._receive()

    async def close(self) -> None:
        """Free the connection; a responder that is not done learns that nobody waits any more."""
        try:
            if self._sending is not None:
                self._sending.cancel()
                await asyncio.wait((self._sending,))
            if self._all_sent() and not self._reader.ended:
                self._send_now(encode_abort())
        finally:
            self._sock.close()

    def _all_sent(self) -> bool:
        task = self._sending
        return task is None or not (task.cancelled() or task.exception())

    def _send_now(self, data: bytes) -> bytes:
        """What the socket did not take; a broken connection shows when the answer is read."""
        try:
            return data[self._sock.send(data) :]
        except BlockingIOError:
            return data
        except OSError:
            return b""

    async def _send(self, rest: bytes, body: AsyncIterable[bytes] | None) -> None:
        try:
            await self._send_all(rest)
            if body is not None:
                async for chunk in body:
                    await self._send_all(encode_stdin(chunk))
                await self._send_all(encode_stdin_end())
        except Exception:
            # Wakes the reader, which then reports this error instead of waiting for an answer.
            with contextlib.suppress(OSError):
                self._sock.shutdown(socket.SHUT_RD)
            raise

    async def _send_all(self, data: bytes) -> None:
        while data:
            sent = data[:SEND_BYTES]
            data = data[SEND_BYTES:]
            await self._send_piece(sent)

    async def _send_piece(self, data: bytes) -> None:
        try:
            async with asyncio.timeout(self._limits.write_timeout):
                await asyncio.get_running_loop().sock_sendall(self._sock, data)
        except TimeoutError as exc:
            raise GatewayError(504, "PHP does not take the request body") from exc
        except OSError:
            # PHP may answer without reading all of the body: its answer decides, not our failed write.
            return

    async def _receive(self) -> None:
        data = await self._read()
        if not data:
            self._raise_send_error()
            self._reader.feed_eof()
        for event in self._reader.feed(data):
            self._take(event)

    async def _read(self) -> bytes:
        try:
            async with asyncio.timeout(self._limits.read_timeout):
                return await asyncio.get_running_loop().sock_recv(self._sock, READ_BYTES)
        except TimeoutError as exc:
            raise GatewayError(504, f"PHP was silent for {self._limits.read_timeout:g} seconds") from exc
        except OSError:
            return b""

    def _raise_send_error(self) -> None:
        if self._sending is not None and self._sending.done() and not self._sending.cancelled():
            self._sending.result()

    def _take(self, event: CgiEvent) -> None:
        match event:
            case CgiHead():
                self._head = event
            case CgiBody():
                self._bodies.append(event.data)
            case CgiLogLine():
                self._log(event.text)

    def _log(self, line: str) -> None:
        self._log_lines += 1
        if self._log_lines <= MAX_LOG_LINES:
            logger.warning("%s", line)
        elif self._log_lines == MAX_LOG_LINES + 1:
            logger.warning(
                "PHP wrote more than %d log lines in one request; the rest is dropped", MAX_LOG_LINES
            )


class FastCgiClient:
    """Asks FastCGI responders.

    Args:
        addresses: Where they listen; they take turns, and one that cannot be reached is passed over.
        limits: Times and numbers.

    Attributes:
        problem: Always empty: somebody else runs it, so there is PHP as far as we know.
    """

    def __init__(self, *addresses: FastCgiAddress, limits: ClientLimits | None = None) -> None:
        self._addresses = deque(addresses)
        self._limits = limits or ClientLimits()
        self.problem = ""
        self._turns = asyncio.Semaphore(self._limits.max_running)
        self._waiting = 0

    @asynccontextmanager
    async def open(
        self, params: Mapping[str, str], body: bytes | AsyncIterable[bytes] = b""
    ) -> AsyncIterator[FastCgiAnswer]:
        """Send one request; the value is its answer with the head read.

        Leaving the context frees the connection, and tells the responder to stop when it is not done.

        Args:
            params: CGI variables; CONTENT_LENGTH must be the length of ``body``.
            body: All at once, or in pieces that are sent as fast as the responder takes them.

        Raises:
            GatewayError: 502 when it cannot be reached or answers rubbish, 503 when too many requests wait,
                504 when it takes too long.
            HandlerError: 431 when a variable is too long.
        """
        request = encode_begin() + encode_params(params)
        pieces = None if isinstance(body, bytes) else body
        if isinstance(body, bytes):
            request += encode_stdin(body) + encode_stdin_end()
        async with self._turn():
            answer = FastCgiAnswer(await self._connect_any(), self._limits)
            try:
                await answer.begin(request, pieces)
                yield answer
            finally:
                await answer.close()

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self._turns.locked():
            await self._wait_for_turn()
        else:
            await self._turns.acquire()
        try:
            yield
        finally:
            self._turns.release()

    async def _wait_for_turn(self) -> None:
        if self._waiting >= self._limits.max_waiting:
            raise GatewayError(503, "too many requests wait for PHP")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._limits.read_timeout):
                await self._turns.acquire()
        except TimeoutError as exc:
            raise GatewayError(503, "all PHP workers were busy for too long") from exc
        finally:
            self._waiting -= 1

    async def _connect_any(self) -> socket.socket:
        self._addresses.rotate(-1)
        *others, last = self._addresses
        for address in others:
            try:
                return await self._connect(address)
            except GatewayError as error:
                logger.warning("%s", error)
        return await self._connect(last)

    async def _connect(self, address: FastCgiAddress) -> socket.socket:
        try:
            async with asyncio.timeout(self._limits.connect_timeout):
                return await (_connect_unix(address) if address.path else _connect_tcp(address))
        except TimeoutError as exc:
            raise GatewayError(504, f"PHP at {address} did not accept the connection in time") from exc
        except OSError as exc:
            raise GatewayError(502, f"cannot reach PHP at {address}: {exc.strerror or exc}") from exc


async def _connect_unix(address: FastCgiAddress) -> socket.socket:
    sock = _new_socket(socket.AF_UNIX)
    try:
        # The kernel offers no event for room in a backlog, hence the polling.
        while not _connected(sock, address.path):  # noqa: ASYNC110
            await asyncio.sleep(_BACKLOG_RETRY_SECONDS)
    except BaseException:
        sock.close()
        raise
    return sock


async def _connect_tcp(address: FastCgiAddress) -> socket.socket:
    loop = asyncio.get_running_loop()
    places = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    error: OSError = OSError("it has no address")
    for family, _, _, _, place in places:
        try:
            return await _connect_to(family, place)
        except OSError as exc:
            error = exc
    raise error


def _new_socket(family: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    return sock


def _connected(sock: socket.socket, path: str) -> bool:
    """Connect now; False when the backlog is full, of which a Unix socket never tells later (EAGAIN)."""
    try:
        sock.connect(path)
    except BlockingIOError:
        return False
    return True


async def _connect_to(family: int, address: tuple[object, ...]) -> socket.socket:
    sock = _new_socket(family)
    try:
        await asyncio.get_running_loop().sock_connect(sock, address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return sock
