"""One accepted connection, until it is upgraded, handed over, or closed."""

from __future__ import annotations

import logging
import re
import socket
from typing import TYPE_CHECKING, Any

from tornado_realtime.connection import tune
from tornado_realtime.errors import AuthError, BrokerClosedError, HandshakeError, PublishError
from tornado_realtime.fastlane.head import (
    END,
    HEAD_BYTES,
    PUBLISH_FIELDS,
    UPGRADE_FIELDS,
    Fields,
    Head,
    read_head,
)
from tornado_realtime.handlers.broadcast import PublishDoor
from tornado_realtime.handlers.websocket import adopt
from tornado_realtime.wire.form import FORM_TYPE, media_type, publication_from_form
from tornado_realtime.wire.handshake import check_upgrade, origin_allowed, response_101

if TYPE_CHECKING:
    from tornado_realtime.fastlane.door import LaneDoor, LanePath

logger = logging.getLogger(__name__)

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_TIMEOUT = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
READ_BYTES = 64 * 1024
BODY_BYTES = 64 * 1024
_HOST = re.compile(r"[A-Za-z0-9.\-]+(?::[0-9]{1,5})?|\[[0-9a-fA-F:.]+\](?::[0-9]{1,5})?")


class Lane:
    """Reads whole requests and serves them, or lets Tornado have the socket with everything read so far.

    Nothing is decided here that the ordinary handlers do not decide, too: the same functions judge,
    and whenever one of them would refuse, the request is Tornado's to answer.
    """

    __slots__ = ("_address", "_buffer", "_door", "_memo", "_sock", "_waiting", "peer")

    def __init__(self, door: LaneDoor, sock: socket.socket, address: Any, peer: str) -> None:
        self._door = door
        self._sock = sock
        self._address = address
        self._buffer = b""
        self._memo: tuple[bytes, int, Head, PublishDoor] | None = None
        self._waiting = False
        self.peer = peer

    # -- what the poller tells ---------------------------------------------------------------------

    def on_readable(self) -> None:
        """Read once, and serve what is whole."""
        try:
            data = self._sock.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.abort()
            return
        self._buffer = self._buffer + data if self._buffer else data
        self._serve()

    def on_writable(self) -> None:
        """Never asked for: an answer that the socket does not take at once is Tornado's to finish."""

    def abort(self) -> None:
        """Close at once. Idempotent."""
        if self._sock.fileno() >= 0:
            self._door.forget(self, self._sock.fileno())
            self._sock.close()

    @property
    def begun(self) -> bool:
        """Whether part of a request is there."""
        return bool(self._buffer)

    def expire(self) -> None:
        """Time is up: 408 for half a head; Tornado waits in its own way for the rest of a body."""
        if not self._buffer:
            self.abort()
        elif END in self._buffer:
            self._hand_over(0, 0)
        else:
            self._refuse(_TIMEOUT)

    def leave(self) -> None:
        """The listener is closing."""
        if self._buffer:
            self._hand_over(0, 0)
        else:
            self.abort()

    def _refuse(self, answer: bytes) -> None:
        try:
            self._sock.send(answer)
        except OSError as error:
            logger.debug("a refusal could not be sent: %s", error)
        self.abort()

    # -- requests ----------------------------------------------------------------------------------

    def _serve(self) -> None:
        """Serve every whole request in the buffer; their answers go out together."""
        served = position = 0
        while position < len(self._buffer):
            end = self._buffer.find(END, position)
            if end < 0:
                break
            line, _, lines = self._buffer[position:end].partition(b"\r\n")
            path = self._door.paths.get(line)
            if path is None:
                return self._hand_over(served, position)
            if path.is_upgrade:
                return self._upgrade(path, lines, served, position, end + len(END))
            used = self._publish(path, lines, end + len(END))
            if used == 0:
                break
            if used < 0:
                return self._hand_over(served, position)
            served += 1
            position = used
        self._answer(served, position)
        return None

    def _answer(self, served: int, position: int) -> None:
        """Send the answers of what was served, and look at what is left."""
        if served and not self._send(served, position):
            return
        rest = self._buffer = self._buffer[position:]
        if rest and END not in rest:
            if not self._door.may_become_ours(rest):
                self._hand_over(0, 0)
                return
            if len(rest) > HEAD_BYTES:
                self._refuse(_TOO_LARGE)
                return
        if served or not self._waiting:
            self._waiting = bool(rest)
            self._door.wait(self)

    def _send(self, served: int, position: int) -> bool:
        """Send ``served`` answers; False if the connection is not the lane's any more."""
        answers = self._door.accepted() * served
        try:
            sent = self._sock.send(answers)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.abort()
            return False
        if sent == len(answers):
            return True
        # A publisher that does not read its answers: Tornado's stream waits for it.
        self._leave(self._buffer[position:], answers[sent:])
        return False

    def _hand_over(self, served: int, position: int) -> None:
        unsent = self._door.accepted() * served
        if unsent:
            try:
                unsent = unsent[self._sock.send(unsent) :]
            except BlockingIOError:
                pass
            except OSError:
                self.abort()
                return
        self._leave(self._buffer[position:], unsent)

    def _leave(self, unread: bytes, unsent: bytes) -> None:
        self._door.forget(self, self._sock.fileno())
        self._buffer = b""
        self._door.hand_over(self._sock, self._address, unread, unsent)

    # -- publishing --------------------------------------------------------------------------------

    def _publish(self, path: LanePath, lines: bytes, begin: int) -> int:
        """Publish one form; where it ends, 0 if it is not all there yet, -1 if it is for Tornado."""
        memo = self._memo
        if memo is not None and memo[0] == lines and memo[1] == self._door.generation:
            head, door = memo[2], memo[3]
        else:
            judged = self._judge(path, lines)
            if judged is None:
                return -1
            head, door = judged
            self._memo = (lines, self._door.generation, head, door)
        end = begin + head.body_bytes
        if len(self._buffer) < end:
            return 0
        try:
            publication = publication_from_form(self._buffer[begin:end], b"", door.publication_bytes)
            return end if door.hub.publish_now(publication) else -1
        except (PublishError, BrokerClosedError):
            return -1

    def _judge(self, path: LanePath, lines: bytes) -> tuple[Head, PublishDoor] | None:
        """The head and where to publish, if the sender may; None when Tornado has to see it."""
        head = read_head(lines, PUBLISH_FIELDS)
        if head is None or not _is_plain_form(head.fields) or head.body_bytes > BODY_BYTES:
            return None
        realtime = self._door.admits(path, "POST", head.fields, self.peer)
        if realtime is None:
            return None
        try:
            door = realtime.publish_door()
        except BrokerClosedError:
            return None
        return None if door.rule.judge(self.peer, "HTTP/1.1", head.fields) else (head, door)

    # -- handshakes --------------------------------------------------------------------------------

    def _upgrade(self, path: LanePath, lines: bytes, served: int, position: int, begin: int) -> None:
        head = read_head(lines, UPGRADE_FIELDS)
        host = head.fields.get("host") if head is not None else ""
        if head is None or not _HOST.fullmatch(host) or "content-length" in head.fields or served:
            return self._hand_over(served, position)
        realtime = self._door.admits(path, "GET", head.fields, self.peer)
        try:
            if realtime is None:
                return self._hand_over(served, position)
            door = realtime.socket_door()
            origin = head.fields.get_list("origin")
            user = door.authenticator.authenticate_now(head.fields)
            accept = check_upgrade("GET", head.fields)
        except (AuthError, BrokerClosedError, HandshakeError):
            return self._hand_over(served, position)
        if user is None or not origin_allowed(origin[0] if origin else None, host, door.origins):
            return self._hand_over(served, position)
        try:
            self._sock.send(response_101(accept))
        except OSError:
            return self.abort()
        early = self._buffer[begin:]
        self._door.forget(self, self._sock.fileno())
        tune(self._sock)
        adopt(door, self._sock.detach(), user, early)
        return None


def _is_plain_form(fields: Fields) -> bool:
    """A form with a length, to a plain host, on a connection that stays."""
    if not _HOST.fullmatch(fields.get("host")) or "content-length" not in fields:
        return False
    if fields.get("connection", "keep-alive").lower() != "keep-alive":
        return False
    try:
        return media_type(fields.get("content-type") or None) == FORM_TYPE
    except PublishError:
        return False
