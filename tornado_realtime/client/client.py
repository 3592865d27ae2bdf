"""A client of a realtime server: one connection, kept by one task, over which channels come in."""

from __future__ import annotations

import asyncio
import inspect
import logging
import secrets
import ssl
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from enum import Enum
from types import TracebackType
from typing import Any, Self

from tornado_realtime.client.address import socket_url
from tornado_realtime.client.backoff import Backoff
from tornado_realtime.client.channel import Channel
from tornado_realtime.client.desk import Desk
from tornado_realtime.client.dialing import Ended, Socket, Target, dial, encoded
from tornado_realtime.client.requests import Frame, Requests
from tornado_realtime.client.subscription import Subscription
from tornado_realtime.client.values import History, Present, Welcome, history_from, present_from, welcome_from
from tornado_realtime.errors import (
    ClientError,
    ConnectError,
    ConnectionClosedError,
    ConnectRefusedError,
    DisconnectedError,
    NoAnswerError,
    PublicationTooLargeError,
)
from tornado_realtime.publication import Position

logger = logging.getLogger(__name__)

Token = str | Callable[[], "str | Awaitable[str]"]

# Seconds of silence after a ping was due.
_SILENCE = 10.0
# Seconds that the server has to say the first word, and to answer a good-bye.
_FIRST_WORD = 10.0
_LAST_WORD = 2.0
# A status by which a server says that it may be another one later.
_LATER = frozenset({408, 425, 429})
# What an id adds to a request.
_ID_BYTES = 32
_FINAL_CODES = range(4000, 4100)


class State(Enum):
    """Where a client stands."""

    CONNECTED = "connected"
    WAITING = "waiting"
    """The connection was lost, and is made again after some seconds."""
    CLOSED = "closed"


class Client:
    """One connection to a server, made again whenever it is lost.

    Args:
        url: Of the server, such as ``https://example.com``; without a path ``/ws`` is meant.
        token: What is shown after ``Authorization: Bearer``: text, or a function, plain or async, that is
            asked before each handshake and when the login runs out. While it raises, it is tried again as a
            server is that is away.
        cookie: ``NAME=VALUE``, or several with ``; `` between them.
        headers: More header fields of the handshake.
        tls: What is trusted, for ``https``; the system's authorities when left out.
        timeout: Seconds that a handshake, or the answer to a request, may take.
        on_state: Told whenever the state changes, with a line for people about why.

    Attributes:
        welcome: What the server said first; None before.
        state: Where it stands.

    Raises:
        ValueError: The URL cannot be used.
    """

    def __init__(
        self,
        url: str,
        *,
        token: Token = "",
        cookie: str = "",
        headers: Mapping[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
        timeout: float = 10.0,
        on_state: Callable[[State, str], None] | None = None,
    ) -> None:
        fields = dict(headers or {})
        if cookie:
            fields["Cookie"] = cookie
        self.welcome: Welcome | None = None
        self.state = State.CLOSED
        self._target = Target(socket_url(url), fields, tls, timeout)
        self._token = token
        self._on_state = on_state
        self._backoff = Backoff()
        self._requests = Requests()
        self._desk = Desk(self._send, self._ask, self._requests.ids)
        self._socket: Socket | None = None
        self._error: Exception | None = None
        self._advice: Frame = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._keeping: asyncio.Task[None] | None = None
        self._connecting = asyncio.Lock()

    # -- life --------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def connect(self) -> None:
        """Connect for the first time; later the client does that by itself.

        Raises:
            ConnectError: The server cannot be reached, or is not one.
            ConnectRefusedError: It refused; ``status`` says why.
            ConnectionClosedError: The client was closed.
        """
        # Whoever comes meanwhile waits for the same connection.
        async with self._connecting:
            if self._error is None and self._keeping is None:
                socket = await self._connected()
                self._keeping = asyncio.create_task(self._keep(socket))
        if self._error is not None:
            raise self._error

    async def close(self) -> None:
        """Say good-bye; whoever iterates or waits for an answer gets ConnectionClosedError. Idempotent."""
        self._fail(ConnectionClosedError("the client was closed"))
        async with self._connecting:
            keeping, self._keeping = self._keeping, None
        tasks = [task for task in (keeping, *self._tasks) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        socket, self._socket = self._socket, None
        if socket is not None:
            socket.close()
            await socket.gone(_LAST_WORD)

    # -- channels ----------------------------------------------------------------------------------

    def subscribe(
        self,
        *channels: str,
        last: int = 0,
        since: Mapping[str, Position] | None = None,
        presence: bool = False,
        tokens: Mapping[str, str] | None = None,
    ) -> Subscription:
        """Some channels, to be iterated over.

        Args:
            channels: Their names; none of them may be subscribed already.
            last: How many of the newest messages of each to begin with, where some are kept.
            since: Where to begin instead, by channel: the ``position`` of the last message that was got.
            presence: Whether to be told who is there, where that is known.
            tokens: What is shown for channels that want one.

        Raises:
            ValueError: No channel, or one that is subscribed already.
        """
        names = dict.fromkeys(channels)
        if not names:
            raise ValueError("subscribe to at least one channel")
        for name in names:
            if name in self._desk:
                raise ValueError(f"channel {name!r} is subscribed already")
        since, tokens = since or {}, tokens or {}
        made = [
            Channel(name, since=since.get(name), last=last, presence=presence, token=tokens.get(name, ""))
            for name in names
        ]
        return Subscription(self, made)

    async def begin(self, subscription: Subscription) -> None:
        """See subscription.Host."""
        await self.connect()
        await self._desk.begin(subscription)

    async def end(self, subscription: Subscription) -> None:
        """See subscription.Host."""
        self._desk.end(subscription)

    # -- requests ----------------------------------------------------------------------------------

    async def publish(
        self, channel: str, payload: Any, *, echo: bool = True, key: str = "", token: str = ""
    ) -> Position | None:
        """Publish a message, where the server lets clients do that.

        Args:
            channel: Where.
            payload: Anything that JSON has.
            echo: Whether this client gets it, too, if it is subscribed.
            key: Names the publication: under the same key a user makes it once only, however often it is
                tried within five minutes. One is made up when there is none, so that it may be sent again
                when a connection is lost.
            token: What is shown for the channel.

        Returns:
            Its position; None on a channel without a history.

        Raises:
            PublicationTooLargeError: It is longer than the messages that the server takes of a client.
            RequestError: The server refused it, or could not publish it.
            NoAnswerError: Nobody knows whether it was published; under the same key it may be tried again.
        """
        frame = {"action": "publish", "channel": channel, "payload": payload}
        if not echo:
            frame["echo"] = False
        answer = await self._ask(frame | {"key": key or secrets.token_urlsafe(12)}, token)
        return Position(answer["epoch"], answer["offset"]) if "offset" in answer else None

    async def history(
        self,
        channel: str,
        *,
        since: Position | None = None,
        last: int = 0,
        limit: int = 100,
        reverse: bool = False,
        token: str = "",
    ) -> History:
        """What is kept of a channel.

        Args:
            channel: Which.
            since: Only what follows this position; with ``reverse`` what came before it.
            last: Only so many of the newest.
            limit: At most so many; the server may give fewer.
            reverse: The newest first.
            token: What is shown for the channel.

        Raises:
            RequestError: Nothing is kept (108), or what follows ``since`` is not kept any more (112).
            NoAnswerError: The answer did not come in time.
        """
        frame: dict[str, Any] = {"action": "history", "channel": channel, "limit": limit}
        if since is not None:
            frame["since"] = {"epoch": since.epoch, "offset": since.offset}
        elif last:
            frame["since"] = {"last": last}
        if reverse:
            frame["reverse"] = True
        return history_from(channel, await self._ask(frame, token))

    async def presence(self, channel: str, *, after: str = "", limit: int = 0, token: str = "") -> Present:
        """Who is present on a channel.

        Args:
            channel: Which.
            after: What the page before this one had as ``next``.
            limit: At most so many users; the server may give fewer.
            token: What is shown for the channel.

        Raises:
            RequestError: The channel does not know (108).
            NoAnswerError: The answer did not come in time.
        """
        frame: dict[str, Any] = {"action": "presence", "channel": channel}
        if after:
            frame["after"] = after
        if limit:
            frame["limit"] = limit
        return present_from(channel, await self._ask(frame, token))

    async def _ask(self, frame: dict[str, Any], token: str = "") -> Frame:
        await self.connect()
        if token:
            frame["token"] = token
        self._check_size(frame)
        asked, answer = self._requests.add(frame)
        self._send(asked)
        try:
            return await asyncio.wait_for(answer, self._target.seconds)
        except TimeoutError:
            what = f"{frame['action']} was not answered within {self._target.seconds:g} s"
            raise NoAnswerError(what) from None

    def _check_size(self, frame: Frame) -> None:
        """A longer message would end the connection, and the next one, on which it is sent again."""
        most = self.welcome.frame_bytes if self.welcome is not None else 0
        size = len(encoded(frame)) + _ID_BYTES
        if size > most:
            raise PublicationTooLargeError(f"the request has {size} bytes; the server takes {most}")

    # -- the connection ------------------------------------------------------------------------------

    async def _keep(self, socket: Socket) -> None:
        """Root of the client's task: serve each connection, and make the next one."""
        try:
            while True:
                begun = time.monotonic()
                ended = await self._serve(socket)
                advised, reason = self._verdict(ended)
                self._backoff.lost(advised, time.monotonic() - begun)
                socket = await self._come_back(reason)
        except (ClientError, ConnectionClosedError) as error:
            self._fail(error)
        except Exception as error:
            logger.exception("the client failed unexpectedly")
            self._fail(ClientError(f"the client failed: {type(error).__name__}"))
            socket.close()

    async def _connected(self) -> Socket:
        socket = await dial(self._target, await self._shown_token())
        try:
            await self._greeted(socket)
        except BaseException:
            socket.close()
            raise
        return socket

    async def _shown_token(self) -> str:
        if isinstance(self._token, str):
            return self._token
        try:
            found = self._token()
            return await found if inspect.isawaitable(found) else found
        except Exception as error:  # the application's own
            raise ConnectError(f"there is no token: {type(error).__name__}") from error

    async def _greeted(self, socket: Socket) -> None:
        """Hear the first word, and say what is to be said."""
        frame = await socket.read(_FIRST_WORD)
        if self._error is not None:
            raise self._error
        if isinstance(frame, Ended) or frame.get("type") != "welcome":
            raise ConnectError(f"{self._target.url} did not say welcome")
        self.welcome, self._socket, self._advice = welcome_from(frame), socket, {}
        self._set_state(State.CONNECTED, f"as {self.welcome.user}" if self.welcome.user else "")
        self._desk.again()
        for asked in self._requests.again():
            self._send(asked)

    async def _serve(self, socket: Socket) -> Ended:
        assert self.welcome is not None
        while True:
            frame = await socket.read(self.welcome.ping + _SILENCE)
            if isinstance(frame, Ended):
                self._socket = None
                socket.close()
                return frame
            await self._take(frame)

    def _verdict(self, ended: Ended) -> tuple[float | None, str]:
        """When to come back, and why it ended.

        Raises:
            DisconnectedError: The client is not wanted back.
        """
        code = self._advice.get("code", ended.code)
        reason = self._advice.get("reason", ended.reason) or "the connection was lost"
        is_wanted = self._advice.get("reconnect", code not in _FINAL_CODES)
        if not is_wanted:
            raise DisconnectedError(code or 0, reason)
        after = self._advice.get("after")
        return (None if after is None else after / 1000), reason

    async def _come_back(self, reason: str) -> Socket:
        at_least = 0.0
        while True:
            seconds = self._backoff.seconds(at_least)
            self._set_state(State.WAITING, f"{reason}; again in {seconds:.1f} s")
            await asyncio.sleep(seconds)
            try:
                return await self._connected()
            except ConnectRefusedError as error:
                if error.status < 500 and error.status not in _LATER:
                    raise
                reason, at_least = str(error), error.retry_after
            except ConnectError as error:
                reason, at_least = str(error), 0.0
            self._backoff.failed()

    # -- what comes ----------------------------------------------------------------------------------

    async def _take(self, frame: Frame) -> None:
        if self._requests.answered(frame):
            return
        match frame.get("type"):
            case "ping":
                self._send({"action": "pong"})
            case "disconnect":
                self._advice = frame
            case "expiring":
                self._start(self._refresh())
            case _:
                await self._desk.take(frame)

    async def _refresh(self) -> None:
        """The login runs out soon: show another token, if there may be one; else the server will end it."""
        if isinstance(self._token, str) or self.welcome is None or "refresh" not in self.welcome.features:
            return
        try:
            await self._ask({"action": "refresh", "token": await self._shown_token()})
        except (ClientError, ConnectionClosedError) as error:
            logger.warning("the login could not be prolonged: %s", error)

    def _send(self, frame: Frame) -> None:
        if self._socket is not None:
            self._socket.send(frame)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- the end -------------------------------------------------------------------------------------

    def _fail(self, error: Exception) -> None:
        """It is over for good: everybody who waits hears of it. The first reason counts."""
        if self._error is None:
            self._error = error
            self._requests.fail(error)
            self._desk.fail(error)
            self._set_state(State.CLOSED, str(error))

    def _set_state(self, state: State, why: str) -> None:
        self.state = state
        if self._on_state is not None:
            self._on_state(state, why)
