"""A WebSocket client for tests, on Tornado's own client."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable
from typing import Any

from tornado.httpclient import HTTPRequest
from tornado.httputil import HTTPHeaders
from tornado.websocket import WebSocketClientConnection, WebSocketClosedError, websocket_connect

from tornado_realtime.errors import ConnectionClosedError

TIMEOUT = 5.0


class Client:
    """One client, made by ``connect``. All waiting ends with TimeoutError after ``timeout`` seconds.

    Attributes:
        connection: Tornado's, for whatever is not offered here.
        timeout: Seconds; change it at will.
    """

    def __init__(self, wire: str) -> None:
        self.connection: WebSocketClientConnection
        self.timeout = TIMEOUT
        self._wire = wire
        self._messages: deque[str | bytes] = deque()
        self._pongs = 0
        self._is_closed = False
        self._news = asyncio.Event()

    @classmethod
    async def open(cls, url: str, headers: HTTPHeaders, wire: str) -> Client:
        """Connect.

        Args:
            url: ``ws://`` or ``wss://``.
            headers: For the handshake.
            wire: What the server speaks: ``raw`` or ``envelope``.

        Raises:
            tornado.httpclient.HTTPClientError: The handshake was refused; ``code`` is the status.
        """
        client = cls(wire)
        request = HTTPRequest(url, headers=headers, connect_timeout=TIMEOUT, request_timeout=TIMEOUT)
        client.connection = await websocket_connect(request, on_message_callback=client._arrived)
        client.connection.on_pong = client._ponged  # type: ignore[method-assign]
        return client

    # -- what a page does --------------------------------------------------------------------------

    async def subscribe(self, channel: str) -> None:
        """Subscribe; when this returns the server has done it, and nothing published from now on is missed.

        Raises:
            AssertionError: The server refused.
            ConnectionClosedError: The connection is closed.
        """
        await self._order("subscribe", channel)

    async def unsubscribe(self, channel: str) -> None:
        """Unsubscribe; when this returns the server has done it. Raises as ``subscribe``."""
        await self._order("unsubscribe", channel)

    async def send(self, message: str | bytes | dict[str, Any]) -> None:
        """Send one message as it is: text, binary, or an object as JSON.

        Raises:
            ConnectionClosedError: The connection is closed.
        """
        try:
            await self.connection.write_message(message, binary=isinstance(message, bytes))
        except WebSocketClosedError as error:
            raise self._closed() from error

    async def receive(self) -> str | bytes:
        """The next message: on the raw wire what was published, on the envelope wire the whole envelope.

        Raises:
            ConnectionClosedError: None came and none will.
            TimeoutError: None came in time.
        """
        await self._until(lambda: self._messages, "a message")
        return self._messages.popleft()

    async def receive_json(self) -> Any:
        """The next message, read as JSON. Raises as ``receive``."""
        return json.loads(await self.receive())

    async def receive_nothing(self) -> None:
        """Make sure that no message is there or on its way, without a pause.

        The server answers a ping behind everything that was published before it.

        Raises:
            AssertionError: There is one.
            ConnectionClosedError: The connection is closed.
        """
        await self._settle()
        assert not self._messages, f"received {self._messages[0]!r}"

    # -- the end -----------------------------------------------------------------------------------

    async def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Say goodbye, and wait until the server has answered. Idempotent."""
        self.connection.close(code, reason)
        await self.wait_closed()

    async def wait_closed(self) -> tuple[int | None, str | None]:
        """Wait until the connection is closed; the code and the reason that the server gave.

        Raises:
            TimeoutError: It was not closed in time.
        """
        while not self._is_closed:
            await self._wait("the end of the connection")
        # Otherwise Tornado complains that nobody closed its side.
        self.connection.close()
        return self.connection.close_code, self.connection.close_reason

    # -- within --------------------------------------------------------------------------------------

    async def _order(self, action: str, channel: str) -> None:
        await self.send({"action": action, "channel": channel})
        await self._settle()
        if self._wire == "envelope":
            self._take_answer(f"{action}d", channel)

    def _take_answer(self, kind: str, channel: str) -> None:
        for message in reversed(self._messages):
            answer = json.loads(message)
            if answer.get("type") == kind and answer.get("channel") == channel:
                self._messages.remove(message)
                return
            assert answer.get("type") != "error", answer["error"]
        raise AssertionError(f"the server did not say {kind} {channel!r}")

    async def _settle(self) -> None:
        """A pong means that the server has dealt with all that was sent before the ping."""
        wanted = self._pongs + 1
        try:
            self.connection.ping()
        except WebSocketClosedError as error:
            raise self._closed() from error
        await self._until(lambda: self._pongs >= wanted, "a pong")

    async def _until(self, is_there: Callable[[], object], what: str) -> None:
        while not is_there():
            if self._is_closed:
                raise self._closed()
            await self._wait(what)

    async def _wait(self, what: str) -> None:
        self._news.clear()
        try:
            await asyncio.wait_for(self._news.wait(), self.timeout)
        except TimeoutError:
            raise TimeoutError(f"{what} did not come within {self.timeout:g} s") from None

    def _closed(self) -> ConnectionClosedError:
        code, reason = self.connection.close_code, self.connection.close_reason
        return ConnectionClosedError(f"the connection is closed: {code or 'no code'} {reason or ''}".rstrip())

    def _arrived(self, message: str | bytes | None) -> None:
        if message is None:
            self._is_closed = True
        else:
            self._messages.append(message)
        self._news.set()

    def _ponged(self, data: bytes) -> None:
        self._pongs += 1
        self._news.set()
