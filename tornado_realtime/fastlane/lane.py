"""One accepted connection, until it is upgraded, handed over, or closed."""

from __future__ import annotations

import logging
import socket
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from tornado_realtime.connection import tune
from tornado_realtime.fastlane.greeting import Greeting, greet
from tornado_realtime.fastlane.head import END, LINE, may_go_on, read_fields
from tornado_realtime.fastlane.publishing import Permit, permit
from tornado_realtime.handlers.entrance import adopt
from tornado_realtime.wire.handshake import response_101

if TYPE_CHECKING:
    from tornado_realtime.fastlane.door import LaneDoor
    from tornado_realtime.fastlane.plan import LanePath

logger = logging.getLogger(__name__)

# As much as a Tornado stream takes in one read, so that nothing of what is handed over stays behind.
BUFFER_BYTES = 64 * 1024
_431 = b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_408 = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

# Where a publish request's body begins and ends.
Span = tuple[int, int]


class State(IntEnum):
    """What a lane waits for, or how it ends."""

    REQUEST = 0
    HEAD = 1
    BODY = 2
    CLOSE = 3  # the request was refused; the peer takes the answer and closes
    TORNADO = 4
    TOO_LARGE = 5
    DONE = 6


# Looking a member up costs Python 3.11 as much as a system call.
_REQUEST, _HEAD, _BODY, _CLOSE, _TORNADO, _TOO_LARGE, _DONE = State


class Lane:
    """Reads whole requests and serves them, or lets Tornado have the socket with everything read so far.

    Nothing is decided here that the ordinary handlers do not decide, too: the same functions judge,
    and whenever one of them would refuse, the request is Tornado's to answer.

    Attributes:
        ticks_left: Of the door's clock, before ``expire`` is called; kept by the door.
    """

    __slots__ = ("_address", "_buffer", "_door", "_permit", "_sock", "_wait", "ticks_left")

    def __init__(self, door: LaneDoor, sock: socket.socket, address: Any) -> None:
        self._door = door
        self._sock = sock
        self._address = address
        self._buffer = b""
        self._permit: Permit | None = None
        self._wait_for(_REQUEST)

    # -- what poller and door tell -----------------------------------------------------------------

    def on_readable(self) -> None:
        """Read once, and serve what is whole."""
        try:
            data = self._sock.recv(BUFFER_BYTES - len(self._buffer))
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.abort()
        elif self._wait is not _CLOSE:
            self._buffer += data
            self._serve()

    def on_writable(self) -> None:
        """Never asked for: an answer that the socket does not take at once is Tornado's to finish."""

    def abort(self) -> None:
        """Close at once. Idempotent."""
        if self._is_open:
            self._door.forget(self, self._sock.fileno())
            self._sock.close()

    def expire(self) -> None:
        """Time is up: 408 for half a head; for half a body what the site's own limit does."""
        if self._wait is _HEAD:
            self._refuse(_408)
        elif self._wait is _BODY and self._door.plan.body_seconds is None:
            self._hand_over(b"")
        else:
            self.abort()

    def leave(self) -> None:
        """The listener is closing: what the peer sent already is served, or Tornado's to finish."""
        self.on_readable()
        if self._is_open:
            if self._buffer:
                self._hand_over(b"")
            else:
                self.abort()

    def judge_again(self) -> None:
        """What was allowed once is allowed no more: there is another plan."""
        self._permit = None

    @property
    def _is_open(self) -> bool:
        """Whether the socket is still the lane's."""
        return self in self._door.lanes

    def _wait_for(self, what: State) -> None:
        self._wait = what
        self.ticks_left = self._door.ticks[what]

    # -- requests ----------------------------------------------------------------------------------

    def _serve(self) -> None:
        """Serve every whole request in the buffer; their answers go out together."""
        buffer = self._buffer
        size = len(buffer)
        position = served = 0
        state: State = _REQUEST
        while position < size:
            span = self._look(position)
            if not isinstance(span, tuple):
                state = span
                break
            begin, end = span
            if end > size:
                state = _BODY if end - position <= BUFFER_BYTES else _TORNADO
                break
            if self._permit is None or not self._permit.publish(buffer[begin:end]):
                state = _TORNADO
                break
            position = end
            served += 1
        self._settle(state, position, served)

    def _settle(self, state: State, position: int, served: int) -> None:
        """Send the answers of what was served, and go where the rest leads."""
        if state is _DONE:
            return
        self._buffer = self._buffer[position:]
        unsent = self._answer(served) if served else b""
        if unsent is None:
            self.abort()
        elif unsent or state is _TORNADO:
            self._hand_over(unsent)
        elif state is _TOO_LARGE:
            self._refuse(_431)
        elif served or state is not self._wait:
            self._wait_for(state)

    def _answer(self, served: int) -> bytes | None:
        """Send ``served`` answers; what the socket did not take of them, or None if it is broken."""
        answers = self._door.accepted() * served
        try:
            return answers[self._sock.send(answers) :]
        except BlockingIOError:
            return answers
        except OSError:
            return None

    def _hand_over(self, unsent: bytes) -> None:
        self._door.forget(self, self._sock.fileno())
        unread, self._buffer = self._buffer, b""
        self._door.hand_over(self._sock, self._address, unread, unsent)

    def _refuse(self, answer: bytes) -> None:
        """Answer and hang up; the rest is read and dropped, as closing now could destroy the answer."""
        self._buffer = b""
        self._wait_for(_CLOSE)
        try:
            self._sock.send(answer)
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.abort()

    def _look(self, position: int) -> Span | State:
        """What the request at ``position`` is: the body of one that the lane holds a permit for, or else."""
        buffer, plan = self._buffer, self._door.plan
        known = self._permit.fits(buffer, position) if self._permit is not None else None
        if known is not None:
            return known
        line_end = buffer.find(LINE, position)
        if line_end < 0:
            return _HEAD if plan.may_begin(buffer[position:]) else _TORNADO
        path = plan.paths.get(buffer[position:line_end])
        if path is None:
            return _TORNADO
        end = buffer.find(END, line_end)
        if end < 0:
            return self._look_at_half(path, buffer[line_end + len(LINE) :], len(buffer) - position)
        fields = read_fields(buffer[line_end + len(LINE) : end], path.known)
        if fields is None:
            return _TORNADO
        if end - position > plan.head_bytes:
            return _TOO_LARGE
        if not path.purpose.is_upgrade:
            self._permit = permit(buffer[position : end + len(END)], fields, path, plan, self._peer)
            return (self._permit and self._permit.fits(buffer, position)) or _TORNADO
        # Answers to requests before it have to go out first.
        greeting = greet(fields, path, plan, self._peer) if position == 0 else None
        return _TORNADO if greeting is None else self._upgrade(greeting, end + len(END))

    def _look_at_half(self, path: LanePath, lines: bytes, size: int) -> State:
        """What a head of which ``size`` bytes are there may become."""
        if not may_go_on(lines, path.known):
            return _TORNADO
        if size > self._door.plan.head_bytes:
            return _TOO_LARGE
        return _HEAD if size < BUFFER_BYTES else _TORNADO

    @property
    def _peer(self) -> str:
        return str(self._address[0])

    def _upgrade(self, greeting: Greeting, begin: int) -> State:
        """Make this a WebSocket, whose first bytes may be there already, from ``begin`` on."""
        newcomer = greeting.newcomer
        answer = response_101(greeting.accept, newcomer.wire.subprotocol, newcomer.ticket.cookie)
        try:
            if self._sock.send(answer) != len(answer):
                raise BrokenPipeError("the socket took half an answer")
            tune(self._sock)
        except BlockingIOError:
            return _TORNADO
        except OSError as error:
            logger.debug("a handshake failed: %s", error)
            self.abort()
            return _DONE
        self._door.forget(self, self._sock.fileno())
        adopt(greeting.hub, self._sock.detach(), newcomer, self._buffer[begin:])
        return _DONE
