"""A client of an event stream (``text/event-stream``): events go out, and nothing comes in."""

from __future__ import annotations

import json
import logging
import secrets
import socket
from abc import abstractmethod
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tornado_realtime.connection.base import Connection, Owner, Phase
from tornado_realtime.connection.lean import LeanConnection
from tornado_realtime.connection.stream import StreamConnection
from tornado_realtime.publication import Position
from tornado_realtime.wire.frames import Batch
from tornado_realtime.wire.sse import NO_IDS, control, read_frames, text_of

if TYPE_CHECKING:
    from tornado.iostream import IOStream

    from tornado_realtime.connection.outbox import Outbox
    from tornado_realtime.poller import Poller
    from tornado_realtime.wire.base import Wire
    from tornado_realtime.wire.sse import Ids

logger = logging.getLogger(__name__)

# Milliseconds after which a client comes back whose stream ended without a word, and as much again at random.
RETRY_MS = 1500
# The same where the server said that the client should not come back; who does nevertheless is judged anew.
UNWANTED_RETRY_MS = 30_000
# Seconds in which a peer's kernel must have acknowledged something. Clients answer nothing, so that one that
# vanished shows by this alone; our kernel would wait for a quarter of an hour.
SIGN_SECONDS = 30

# The first bit of a frame is set, and no event begins so.
_FRAME = 0x80
_WELCOME = b'{"type":"welcome"'
_SUBSCRIBED = b'{"type":"subscribed"'


class EventConnection(Connection):
    """Turns what is said to one client into events.

    What is said to many is an event already, as its wire encodes it so.

    Attributes:
        ids: Which ids the events have.
    """

    __slots__ = ()
    ids: Ids

    # -- out ---------------------------------------------------------------------------------------

    def offer(self, batch: Batch) -> None:
        """See Connection."""
        if batch.data[0] & _FRAME or self.ids.is_own:
            batch = self._as_events(batch)
        super().offer(batch)

    def frames_taken(self, batch: Batch, before: Outbox | None) -> int:
        """See Connection; rather too few, where what was written is not ``batch`` to the byte."""
        if not self.ids.is_own:
            return super().frames_taken(batch, before)
        is_taken = before is None and self.outbox is None and not self._writing()
        return len(batch.ends) if is_taken else 0

    def _as_events(self, batch: Batch) -> Batch:
        events, start = [], 0
        for end in batch.ends:
            frame, start = batch.data[start:end], end
            events.append(self._event(frame) if frame[0] & _FRAME else self.ids.completed(frame))
        joined = Batch.of(events)
        return replace(batch, data=joined.data, ends=joined.ends)

    def _event(self, frame: bytes) -> bytes:
        payload = text_of(frame)
        if payload.startswith(_WELCOME):
            return control(payload, retry=spread(RETRY_MS))
        if payload.startswith(_SUBSCRIBED):
            return control(payload, self._place(json.loads(payload)))
        return control(payload)

    def _place(self, subscribed: dict[str, Any]) -> bytes:
        """Where a client stands that was told that it is subscribed, and nothing else yet."""
        if "offset" not in subscribed:
            return b""
        offset = subscribed["offset"] - subscribed.get("replay", 0)
        return self.ids.begin(subscribed["channel"], Position(subscribed["epoch"], max(0, offset)))

    # -- ids ---------------------------------------------------------------------------------------

    @abstractmethod
    def take(self, ids: Ids) -> None:
        """Have these from now on."""

    def narrow(self) -> None:
        """What it subscribes to from now on has no place in its ids."""
        self.take(self.ids.narrowed())

    # -- in ----------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """See Connection: a client that says something here does not speak HTTP."""
        logger.debug("something came in over an event stream, which is dropped")
        self.abort()

    # -- end ---------------------------------------------------------------------------------------

    def close(self, frame: bytes, *, discard: bool = False) -> None:
        """See Connection; what ``frame`` says comes as an event, then the stream ends."""
        if self.phase is Phase.OPEN:
            super().close(_farewell(frame), discard=discard)
            self._end_if_written()

    def _end_if_written(self) -> None:
        if self.outbox is None and not self._writing() and self.phase is Phase.CLOSING:
            self._hang_up()


class LeanEventConnection(EventConnection, LeanConnection):
    """One client on a bare socket."""

    __slots__ = ("ids",)
    ids: Ids

    def __init__(self, owner: Owner, wire: Wire, user: Any, fd: int, poller: Poller) -> None:
        super().__init__(owner, wire, user, fd, poller)
        self.ids = NO_IDS

    def take(self, ids: Ids) -> None:
        """See EventConnection."""
        self.ids = ids


class StreamEventConnection(EventConnection, StreamConnection):
    """One client on an IOStream."""

    __slots__ = ("ids",)
    ids: Ids

    def __init__(self, owner: Owner, wire: Wire, user: Any, stream: IOStream) -> None:
        super().__init__(owner, wire, user, stream)
        self.ids = NO_IDS

    def take(self, ids: Ids) -> None:
        """See EventConnection."""
        self.ids = ids


def watch(sock: socket.socket) -> None:
    """Have the kernel notice within ``SIGN_SECONDS`` that the peer is gone, where it can."""
    if sock.family in (socket.AF_INET, socket.AF_INET6) and hasattr(socket, "TCP_USER_TIMEOUT"):
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SIGN_SECONDS * 1000)


def _farewell(frames: bytes) -> bytes:
    """The event for a disconnect and its close frame."""
    payload = next((payload for _, payload in read_frames(frames) if payload.startswith(b"{")), b"{}")
    after = json.loads(payload).get("after", UNWANTED_RETRY_MS)
    return control(payload, retry=spread(after))


def spread(milliseconds: int) -> int:
    """So long, and up to as long again: not everybody comes back at once."""
    return milliseconds + secrets.randbelow(milliseconds + 1)
