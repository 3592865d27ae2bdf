"""Clients that listen, and count."""

from __future__ import annotations

import asyncio
import json
import ssl
from base64 import b64encode
from collections.abc import Callable, Sequence
from os import urandom

from tornado_realtime.bench.frames import CLOSE, PING, PONG, TEXT, FrameReader, client_frame
from tornado_realtime.bench.http import Answer, read_answer
from tornado_realtime.bench.message import Stamp
from tornado_realtime.bench.statistics import Durations
from tornado_realtime.bench.target import Target
from tornado_realtime.errors import BenchError
from tornado_realtime.wire.handshake import accept_value

TIMED_EVERY = 16
_NO_SOCKET = "there is no WebSocket at this path: name it with --socket-path"
_HINTS = {
    200: _NO_SOCKET,
    401: "the server wants a login: give it with --cookie NAME=VALUE or --header 'Authorization: Bearer ...'",
    403: "the server refuses this origin: give an allowed one with --header 'Origin: ...', or none",
    404: _NO_SOCKET,
}


class Crowd:
    """All subscribers, and what they heard together.

    Args:
        target: The server.
        address: Where it is.
        stamp: Tells our messages from others.
        headers: Sent with every handshake.
        tls: For a server that speaks TLS.
    """

    def __init__(
        self, target: Target, address: str, stamp: Stamp, headers: Sequence[str], tls: ssl.SSLContext | None
    ) -> None:
        self.stamp = stamp
        self.latency = Durations()
        self.delivered = 0
        self.ready = 0
        self.error: BenchError | None = None
        self.on_event: Callable[[], None] = lambda: None
        self.clock = asyncio.get_running_loop().time
        self._target, self._address, self._tls = target, address, tls
        self._headers = "".join(f"{header}\r\n" for header in headers)
        self._members: list[Subscriber] = []

    def request(self, key: str) -> bytes:
        """The opening handshake."""
        target = self._target
        return (
            f"GET {target.prefix}{target.socket_path} HTTP/1.1\r\nHost: {target.authority}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key}\r\n{self._headers}\r\n"
        ).encode("latin-1")

    async def join(self, channel: str) -> None:
        """Connect one more subscriber, and wait until it is subscribed.

        Raises:
            BenchError: The server refused, or went away.
        """
        loop = asyncio.get_running_loop()
        member = Subscriber(self, channel, is_timed=len(self._members) % TIMED_EVERY == 0)
        self._members.append(member)
        host = self._target.host if self._tls else None
        try:
            await loop.create_connection(
                lambda: member, self._address, self._target.port, ssl=self._tls, server_hostname=host
            )
        except OSError as error:
            raise BenchError(f"no connection to {self._target}: {error}") from error
        await member.subscribed

    def reset(self) -> None:
        """Forget what was heard."""
        self.delivered = 0
        self.latency = Durations()

    def count(self, size: int) -> None:
        """Called by members."""
        self.delivered += size
        self.on_event()

    def failed(self, error: BenchError) -> None:
        """Called by members: a subscriber is lost, and the measurement with it."""
        self.error = self.error or error
        self.on_event()

    def leave(self) -> None:
        """Say goodbye and hang up."""
        for member in self._members:
            member.leave()


class Subscriber(asyncio.Protocol):
    """One client on one channel."""

    def __init__(self, crowd: Crowd, channel: str, is_timed: bool) -> None:
        self.subscribed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._crowd = crowd
        self._channel = channel
        self._is_timed = is_timed
        self._key = b64encode(urandom(16)).decode("ascii")
        self._reader = FrameReader()
        self._head: bytes | None = b""
        self._frame_bytes = 0
        self._is_leaving = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._crowd.request(self._key))

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        try:
            if self._head is not None:
                data = self._take_answer(self._head + data)
            if data and not self._count_alike(data):
                self._take_frames(data)
        except BenchError as error:
            self._fail(error)

    def _count_alike(self, data: bytes) -> bool:
        """Count messages without looking at each, where all of ``data`` is frames of the one known size."""
        if self._is_timed or not self._frame_bytes or not self._reader.is_between:
            return False
        size = data.count(self._crowd.stamp.mark)
        if size * self._frame_bytes != len(data):
            return False
        self._crowd.count(size)
        return True

    def _take_answer(self, data: bytes) -> bytes:
        answer = read_answer(data)
        if answer is None:
            self._head = data
            return b""
        _check_101(answer, accept_value(self._key))
        self._head = None
        subscribe = json.dumps({"action": "subscribe", "channel": self._channel}).encode()
        # Frames are handled in order: when the pong is there, so is the subscription.
        self._transport.write(client_frame(TEXT, subscribe) + client_frame(PING))
        return data[answer.size_bytes :]

    def _take_frames(self, data: bytes) -> None:
        heard, now = 0, self._crowd.clock()
        for opcode, payload, size in self._reader.feed(data):
            if opcode == PING:
                self._transport.write(client_frame(PONG, payload))
            elif opcode == PONG and not self.subscribed.done():
                self._crowd.ready += 1
                self.subscribed.set_result(None)
            elif opcode == CLOSE:
                raise BenchError(f"the server closed a subscriber: {_close_words(payload)}")
            elif (due := self._crowd.stamp.due(payload)) is not None:
                heard, self._frame_bytes = heard + 1, size
                if self._is_timed:
                    self._crowd.latency.add(now - due)
        if heard:
            self._crowd.count(heard)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._fail(BenchError(f"the server hung up on a subscriber{f': {exc}' if exc else ''}"))

    def _fail(self, error: BenchError) -> None:
        if self._is_leaving:
            return
        self._is_leaving = True
        self._transport.abort()
        if self.subscribed.done():
            self._crowd.failed(error)
        else:
            self.subscribed.set_exception(error)

    def leave(self) -> None:
        """Say goodbye (1000) and hang up."""
        if self._is_leaving or not hasattr(self, "_transport"):
            return
        self._is_leaving = True
        self._transport.write(client_frame(CLOSE, (1000).to_bytes(2)))
        self._transport.close()


def _check_101(answer: Answer, accept: str) -> None:
    if answer.status != 101:
        hint = _HINTS.get(answer.status, answer.first_line or "no reason given")
        raise BenchError(f"the handshake was refused with {answer.status}: {hint}")
    if answer.fields.get("sec-websocket-accept") != accept:
        raise BenchError("the handshake was answered with a wrong Sec-WebSocket-Accept")


def _close_words(payload: bytes) -> str:
    if len(payload) < 2:
        return "no reason given (perhaps it was too slow)"
    reason = payload[2:].decode("utf-8", "replace")
    return f"{int.from_bytes(payload[:2])} {reason}".strip()
