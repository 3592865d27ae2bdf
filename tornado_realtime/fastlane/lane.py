"""One accepted connection, until it is upgraded, handed over, or closed."""

from __future__ import annotations

import logging
import re
import socket
from dataclasses import dataclass
from enum import Enum, IntEnum, auto
from typing import TYPE_CHECKING, Any

from tornado_realtime.connection import tune
from tornado_realtime.errors import AuthError, BrokerClosedError, HandshakeError, PublishError
from tornado_realtime.fastlane.head import END, LINE, Fields, may_go_on, read_fields
from tornado_realtime.handlers.broadcast import PublishDoor
from tornado_realtime.handlers.websocket import SocketDoor, adopt
from tornado_realtime.wire.form import FORM_TYPE, media_type, publication_from_form
from tornado_realtime.wire.handshake import check_upgrade, origin_allowed, response_101

if TYPE_CHECKING:
    from tornado_realtime.auth import User
    from tornado_realtime.fastlane.door import LaneDoor
    from tornado_realtime.fastlane.plan import LanePath

logger = logging.getLogger(__name__)

# As much as a Tornado stream takes in one read, so that nothing of what is handed over stays behind.
BUFFER_BYTES = 64 * 1024
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_TIMEOUT = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]+)", re.IGNORECASE)
_MOST_DIGITS = 8

# Where a publish request's body begins and ends, and where it goes.
Publish = tuple[int, int, PublishDoor]


class Wait(IntEnum):
    """What a lane waits for."""

    REQUEST = 0
    HEAD = 1
    BODY = 2
    CLOSE = 3  # the request was refused; the peer takes the answer and closes


class Exit(Enum):
    """How a lane ends."""

    TORNADO = auto()
    TOO_LARGE = auto()
    DONE = auto()


@dataclass(frozen=True, slots=True)
class Permit:
    """A publish request's head that was judged; the same one again need not be.

    Attributes:
        before: The head up to the number in Content-Length.
        length: That number; None if nothing that judged the head can have looked at it.
        after: The head behind it, final empty line and all.
        door: Where bodies go.
    """

    before: bytes
    length: bytes | None
    after: bytes
    door: PublishDoor

    def fits(self, buffer: bytes, position: int) -> Publish | None:
        """The request at ``position`` if its head is this one."""
        if not buffer.startswith(self.before, position):
            return None
        start = position + len(self.before)
        stop = buffer.find(b"\r", start, start + _MOST_DIGITS + 1)
        length = buffer[start:stop]
        if stop < 0 or not length.isdigit() or not buffer.startswith(self.after, stop):
            return None
        if self.length is not None and self.length != length:
            return None
        begin = stop + len(self.after)
        return begin, begin + int(length), self.door


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
        self._wait_for(Wait.REQUEST)

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
        elif self._wait is not Wait.CLOSE:
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
        if self._wait is Wait.HEAD:
            self._refuse(_TIMEOUT)
        elif self._wait is Wait.BODY and self._door.plan.body_seconds is None:
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

    def _wait_for(self, what: Wait) -> None:
        self._wait = what
        self.ticks_left = self._door.ticks[what]

    # -- requests ----------------------------------------------------------------------------------

    def _serve(self) -> None:
        """Serve every whole request in the buffer; their answers go out together."""
        buffer = self._buffer
        size = len(buffer)
        position = served = 0
        state: Wait | Exit = Wait.REQUEST
        while position < size:
            request = self._look(position)
            if not isinstance(request, tuple):
                state = request
                break
            begin, end, door = request
            if end > size:
                state = Wait.BODY if end - position <= BUFFER_BYTES else Exit.TORNADO
                break
            if not _publish(door, buffer[begin:end]):
                state = Exit.TORNADO
                break
            position = end
            served += 1
        self._settle(state, position, served)

    def _settle(self, state: Wait | Exit, position: int, served: int) -> None:
        """Send the answers of what was served, and go where the rest leads."""
        if state is Exit.DONE:
            return
        self._buffer = self._buffer[position:]
        unsent = self._answer(served) if served else b""
        if not self._is_open:
            return
        if unsent or state is Exit.TORNADO:
            self._hand_over(unsent)
        elif state is Exit.TOO_LARGE:
            self._refuse(_TOO_LARGE)
        elif isinstance(state, Wait) and (served or state is not self._wait):
            self._wait_for(state)

    def _answer(self, served: int) -> bytes:
        """Send ``served`` answers; what the socket did not take of them."""
        answers = self._door.accepted() * served
        try:
            return answers[self._sock.send(answers) :]
        except BlockingIOError:
            return answers
        except OSError:
            self.abort()
            return b""

    def _hand_over(self, unsent: bytes) -> None:
        self._door.forget(self, self._sock.fileno())
        unread, self._buffer = self._buffer, b""
        self._door.hand_over(self._sock, self._address, unread, unsent)

    def _refuse(self, answer: bytes) -> None:
        """Answer and hang up; the rest is read and dropped, as closing now could destroy the answer."""
        self._buffer = b""
        self._wait_for(Wait.CLOSE)
        try:
            self._sock.send(answer)
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.abort()

    def _look(self, position: int) -> Publish | Wait | Exit:
        """What the request at ``position`` is."""
        buffer, plan = self._buffer, self._door.plan
        known = self._permit.fits(buffer, position) if self._permit is not None else None
        if known is not None:
            return known
        line_end = buffer.find(LINE, position)
        if line_end < 0:
            return Wait.HEAD if plan.may_begin(buffer[position:]) else Exit.TORNADO
        path = plan.paths.get(buffer[position:line_end])
        if path is None:
            return Exit.TORNADO
        end = buffer.find(END, line_end)
        if end < 0:
            return self._look_at_half(path, buffer[line_end + len(LINE) :], len(buffer) - position)
        fields = read_fields(buffer[line_end + len(LINE) : end], path.known)
        if fields is None:
            return Exit.TORNADO
        if end - position > plan.head_bytes:
            return Exit.TOO_LARGE
        judge = self._upgrade if path.purpose.is_upgrade else self._judge
        return judge(path, fields, position, end + len(END))

    def _look_at_half(self, path: LanePath, lines: bytes, size: int) -> Wait | Exit:
        """What a head of which ``size`` bytes are there may become."""
        if not may_go_on(lines, path.known):
            return Exit.TORNADO
        if size > self._door.plan.head_bytes:
            return Exit.TOO_LARGE
        return Wait.HEAD if size < BUFFER_BYTES else Exit.TORNADO

    @property
    def _peer(self) -> str:
        return str(self._address[0])

    # -- publishing --------------------------------------------------------------------------------

    def _judge(self, path: LanePath, fields: Fields, position: int, begin: int) -> Publish | Exit:
        """Whether the sender of this head may publish; Tornado has to see every other one."""
        size = fields.body_bytes
        if size is None or not _is_plain_form(fields):
            return Exit.TORNADO
        plan = self._door.plan
        realtime = plan.admits(path, fields, self._peer)
        try:
            door = realtime.publish_door() if realtime is not None else None
        except BrokerClosedError:
            door = None
        if door is None or door.rule.judge(self._peer, "HTTP/1.1", fields):
            return Exit.TORNADO
        self._remember(self._buffer[position:begin], path, door)
        return begin, begin + size, door

    def _remember(self, head: bytes, path: LanePath, door: PublishDoor) -> None:
        found = _LENGTH.search(head)
        assert found is not None
        start, stop = found.span(1)
        length = None if path.guard.only is not None else head[start:stop]
        self._permit = Permit(head[:start], length, head[stop:], door)

    # -- handshakes --------------------------------------------------------------------------------

    def _upgrade(self, path: LanePath, fields: Fields, position: int, begin: int) -> Exit:
        """Make this a WebSocket, unless answers to requests before it have to go out first."""
        greeting = self._greet(path, fields) if position == 0 else None
        if greeting is None:
            return Exit.TORNADO
        door, user, accept = greeting
        answer = response_101(accept)
        try:
            if self._sock.send(answer) != len(answer):
                raise BrokenPipeError("the socket took half an answer")
            tune(self._sock)
        except BlockingIOError:
            return Exit.TORNADO
        except OSError as error:
            logger.debug("a handshake failed: %s", error)
            self.abort()
            return Exit.DONE
        self._door.forget(self, self._sock.fileno())
        adopt(door, self._sock.detach(), user, self._buffer[begin:])
        return Exit.DONE

    def _greet(self, path: LanePath, fields: Fields) -> tuple[SocketDoor, User, str] | None:
        """What is needed to say 101; None when Tornado has to see the request."""
        if not fields.has_plain_host:
            return None
        realtime = self._door.plan.admits(path, fields, self._peer)
        if realtime is None:
            return None
        try:
            door = realtime.socket_door()
            accept = check_upgrade("GET", fields)
            origin = fields.get("origin") if "origin" in fields else None
            if not origin_allowed(origin, fields.get("host"), door.origins):
                return None
            user = door.authenticator.authenticate_now(fields)
        except (AuthError, BrokerClosedError, HandshakeError):
            return None
        return (door, user, accept) if user is not None else None


def _is_plain_form(fields: Fields) -> bool:
    """A form to a plain host, on a connection that stays."""
    if not fields.has_plain_host or fields.get("connection", "keep-alive").lower() != "keep-alive":
        return False
    try:
        return media_type(fields.get("content-type")) == FORM_TYPE
    except PublishError:
        return False


def _publish(door: PublishDoor, form: bytes) -> bool:
    """Publish one form; False, and nothing done, when Tornado has to see it."""
    try:
        return door.hub.publish_now(publication_from_form(form, b"", door.publication_bytes))
    except (PublishError, BrokerClosedError):
        return False
