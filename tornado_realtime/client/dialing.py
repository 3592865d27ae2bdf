"""The handshake of a client, what its failures mean, and the socket that comes of it."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tornado.httpclient import HTTPClientError, HTTPRequest, HTTPResponse
from tornado.httputil import HTTPHeaders
from tornado.iostream import StreamClosedError
from tornado.simple_httpclient import HTTPTimeoutError
from tornado.websocket import (
    WebSocketClientConnection,
    WebSocketClosedError,
    WebSocketError,
    websocket_connect,
)

from tornado_realtime.client.reading import Frame, read_frame
from tornado_realtime.errors import ConnectError, ConnectRefusedError

PROTOCOL = "realtime.v1.json"
# What a server sends at once, at most: a page of a history, whose messages are as long as it lets them be.
MOST_BYTES = 64 * 1024 * 1024
_SHOWN_BYTES = 200
# What Tornado calls an answer that did not come, or made no sense.
_NO_STATUS = 599


@dataclass(frozen=True, slots=True)
class Ended:
    """How a connection ended.

    Attributes:
        code: Of the close frame; None without one.
        reason: For people.
    """

    code: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect, and what to show there.

    Attributes:
        url: ``ws://`` or ``wss://``.
        headers: Header fields of every handshake; they may hold secrets.
        tls: For ``wss://``; None for what the system trusts.
        seconds: That connecting may take.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    tls: ssl.SSLContext | None = None
    seconds: float = 10.0


class Socket:
    """A connection on which both sides say JSON objects."""

    def __init__(self, connection: WebSocketClientConnection) -> None:
        self._connection = connection

    async def read(self, seconds: float) -> Frame | Ended:
        """The next message, or how it ended.

        Args:
            seconds: After which silence means that the connection is dead.
        """
        try:
            async with asyncio.timeout(seconds):
                message = await self._connection.read_message()
        except TimeoutError:
            return Ended(None, "the server is silent")
        if message is None:
            return Ended(self._connection.close_code, self._connection.close_reason or "")
        return read_frame(message)

    def send(self, frame: Mapping[str, Any]) -> None:
        """Send a message; nothing happens if the connection is over, which ``read`` tells."""
        try:
            writing = asyncio.ensure_future(self._connection.write_message(encoded(frame)))
        except WebSocketClosedError:
            return
        writing.add_done_callback(_look_at)

    def close(self) -> None:
        """Say good-bye."""
        self._connection.close(1000)

    async def gone(self, seconds: float) -> None:
        """Wait until the server has answered ``close``."""
        try:
            async with asyncio.timeout(seconds):
                while await self._connection.read_message() is not None:
                    pass
        except TimeoutError:
            return


def encoded(frame: Mapping[str, Any]) -> bytes:
    """A message as it goes over the wire.

    Raises:
        TypeError: Something in it is nothing that JSON has.
        ValueError: Likewise: it has itself in it, or a number that is none.
    """
    text = json.dumps(frame, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "replace")


async def dial(target: Target, token: str) -> Socket:
    """Connect.

    Args:
        target: Where to.
        token: Shown after ``Authorization: Bearer``; empty for none.

    Raises:
        ConnectError: The server cannot be reached, or does not speak ``realtime.v1.json``.
        ConnectRefusedError: It answered with another status than 101.
    """
    headers = HTTPHeaders(dict(target.headers))
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = HTTPRequest(
        target.url,
        headers=headers,
        connect_timeout=target.seconds,
        request_timeout=target.seconds,
        ssl_options=target.tls,
        follow_redirects=False,
    )
    try:
        connection = await websocket_connect(request, subprotocols=[PROTOCOL], max_message_size=MOST_BYTES)
    except HTTPClientError as error:
        if isinstance(error, HTTPTimeoutError):
            raise ConnectError(f"{target.url} does not answer within {target.seconds:g} s") from error
        if error.code == _NO_STATUS:
            raise ConnectError(f"{target.url} cannot be reached: {error.message}") from error
        raise _refused(target, error) from error
    except WebSocketError as error:
        raise ConnectError(f"what answers at {target.url} knows no WebSocket") from error
    except (OSError, StreamClosedError) as error:
        raise ConnectError(f"{target.url} cannot be reached: {why(error)}") from error
    if connection.selected_subprotocol != PROTOCOL:
        connection.close()
        raise ConnectError(f"what answers at {target.url} does not speak {PROTOCOL}")
    return Socket(connection)


def _refused(target: Target, error: HTTPClientError) -> ConnectRefusedError:
    response = error.response
    if response is None:
        return ConnectRefusedError(error.code, error.message or "", target.url)
    return ConnectRefusedError(error.code, reason_of(response), target.url, retry_after(response))


def reason_of(response: HTTPResponse) -> str:
    """What an answer says, in one line for people."""
    # The server's own refusals are one line of text; anything else is somebody else's page.
    if response.headers.get("Content-Type", "").startswith("text/plain"):
        line = (response.body or b"")[:_SHOWN_BYTES].decode("utf-8", "replace").partition("\n")[0]
        if line.isprintable():
            return line
    return response.reason or ""


def retry_after(response: HTTPResponse) -> float:
    """Seconds after which it is worth to try again; 0 if the answer does not say."""
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() else 0.0


def why(error: Exception) -> str:
    """Why nothing could be reached, in one line for people."""
    real = getattr(error, "real_error", None) or error
    if isinstance(real, ssl.SSLError):
        return getattr(real, "verify_message", "") or real.reason or str(real)
    if isinstance(real, socket.gaierror):
        return "there is no such host"
    return getattr(real, "strerror", None) or str(real) or "the connection was closed"


def _look_at(writing: asyncio.Future[None]) -> None:
    """Whether it could be written shows when it is read."""
    if not writing.cancelled():
        writing.exception()
