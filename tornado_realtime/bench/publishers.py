"""Connections that publish: as fast as a window allows, or at a rate."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Sequence

from tornado_realtime.bench.http import Answer, read_answer
from tornado_realtime.bench.message import Stamp
from tornado_realtime.bench.target import Target
from tornado_realtime.errors import BenchError

_HINTS = {
    403: "give the server's broadcast_secret with --secret, or publish from its own host",
    404: "publishing is not at this path: name it with --publish-path, or its listener with --publish-port",
}


class Press:
    """All publishers.

    Args:
        target: The server.
        address: Where it is.
        stamp: Makes the messages.
        channels: Published to in turns.
        listeners: Subscribers of each channel.
        secret: For publishing; empty for none.
        tls: For a server that speaks TLS.
    """

    def __init__(
        self,
        target: Target,
        address: str,
        stamp: Stamp,
        channels: Sequence[str],
        listeners: Sequence[int],
        secret: str,
        tls: ssl.SSLContext | None,
    ) -> None:
        self.published = 0
        self.expected = 0
        self.error: BenchError | None = None
        self.on_event: Callable[[], None] = lambda: None
        self._target, self._address, self._stamp, self._tls = target, address, stamp, tls
        self._channels, self._listeners = channels, listeners
        secret_header = f"X-Broadcast-Secret: {secret}\r\n" if secret else ""
        self._head = (
            f"POST {target.prefix}{target.publish_path} HTTP/1.1\r\nHost: {target.authority}\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\n{secret_header}Content-Length: "
        ).encode("latin-1")
        self._idle: deque[Publisher] = deque()
        self._members: list[Publisher] = []

    async def join(self) -> None:
        """Connect one more publisher.

        Raises:
            BenchError: Nobody is there.
        """
        loop, member = asyncio.get_running_loop(), Publisher(self)
        port = self._target.publish_port or self._target.port
        host = self._target.host if self._tls else None
        try:
            await loop.create_connection(
                lambda: member, self._address, port, ssl=self._tls, server_hostname=host
            )
        except OSError as error:
            raise BenchError(f"no connection to port {port} for publishing: {error}") from error
        self._members.append(member)
        self._idle.append(member)

    @property
    def has_idle(self) -> bool:
        """Whether somebody could publish now."""
        return bool(self._idle)

    @property
    def is_quiet(self) -> bool:
        """Whether every publication has been answered."""
        return len(self._idle) == len(self._members)

    def reset(self) -> None:
        """Forget what was published."""
        self.published = self.expected = 0

    def publish(self, due: float) -> None:
        """Publish one message, due at ``due`` in seconds of the loop's clock; somebody must be idle."""
        channel = self.published % len(self._channels)
        body = self._stamp.form(self._channels[channel], due)
        self.published += 1
        self.expected += self._listeners[channel]
        self._idle.popleft().send(b"%b%d\r\n\r\n%b" % (self._head, len(body), body))

    def answered(self, publisher: Publisher) -> None:
        """Called by members."""
        self._idle.append(publisher)
        self.on_event()

    def failed(self, error: BenchError) -> None:
        """Called by members."""
        self.error = self.error or error
        self.on_event()

    def leave(self) -> None:
        """Hang up."""
        for member in self._members:
            member.leave()


def _why(answer: Answer) -> str:
    hint = _HINTS.get(answer.status, "")
    return " - ".join(part for part in (answer.first_line, hint) if part) or "no reason given"


class Publisher(asyncio.Protocol):
    """One kept connection with at most one request under way."""

    def __init__(self, press: Press) -> None:
        self._press = press
        self._held = b""
        self._is_leaving = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send(self, request: bytes) -> None:
        """Send one request; its answer is reported to the press."""
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        try:
            answer = read_answer(self._held + data)
            if answer is None:
                self._held += data
                return
            self._held = b""
            if not 200 <= answer.status < 300:
                raise BenchError(f"publishing was refused with {answer.status}: {_why(answer)}")
            self._press.answered(self)
        except BenchError as error:
            self._press.failed(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        if not self._is_leaving:
            self._press.failed(BenchError(f"the server hung up on a publisher{f': {exc}' if exc else ''}"))

    def leave(self) -> None:
        """Hang up."""
        self._is_leaving = True
        self._transport.close()
