"""One client after its handshake: frames in, frames out, a bounded outbox, one way to end."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Protocol

from tornado_realtime.connection.outbox import Outbox
from tornado_realtime.errors import ProtocolError
from tornado_realtime.rates import Rate
from tornado_realtime.wire.decoder import Close, Decoder, Message, Ping, Pong
from tornado_realtime.wire.frames import Batch, close_frame, pong_frame

if TYPE_CHECKING:
    from tornado_realtime.wire.base import Wire

logger = logging.getLogger(__name__)

# One read serves one client this much, so that a flooding one cannot hold the loop for long.
READ_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one client, shared by all connections of a hub.

    Attributes:
        message_bytes: Longest message a client may send, over all its fragments.
        outbox_frames: Most frames that may wait for a client's socket.
        outbox_bytes: Most bytes that may wait; one longer publication still goes to an empty outbox.
        channels_size: Most channels that a client may be subscribed to.
        messages: How often a client may send something; None for any time.
        publication_bytes: Longest message that a client may publish.
    """

    message_bytes: int = 512
    outbox_frames: int = 256
    outbox_bytes: int = 1024 * 1024
    channels_size: int = 128
    messages: Rate | None = None
    publication_bytes: int = 1024 * 1024


class Phase(IntEnum):
    """Where a connection stands; it only ever moves down this list."""

    OPEN = 0
    CLOSING = 1  # our close frame is on its way; nothing but the peer's answer is awaited
    CLOSED = 2


class Owner(Protocol):
    """What a connection tells; the hub is one. None of these may raise or wait."""

    limits: Limits

    def begun(self, connection: Connection) -> None:
        """It is watched now, and nothing was read yet."""

    def received(self, connection: Connection, message: bytes, is_text: bool) -> None:
        """A whole message came in."""

    def pinged(self, connection: Connection) -> bool:
        """A ping came in, or a pong that nobody asked for; whether a ping is to be answered."""

    def overflowed(self, connection: Connection) -> None:
        """The outbox is full: a slow consumer, to be closed. The frames offered last need not be queued."""

    def dropped(self, connection: Connection, frames: int) -> None:
        """So many publications that waited in the outbox were dropped."""

    def backlogged(self, connection: Connection) -> None:
        """The socket refused bytes: an outbox exists from now on."""

    def drained(self, connection: Connection) -> None:
        """The outbox is empty and gone."""

    def closing(self, connection: Connection) -> None:
        """It left OPEN: nothing may be offered to it any more."""

    def closed(self, connection: Connection) -> None:
        """Its socket is released."""


class Connection(ABC):
    """One client. Many thousands of these are alive, hence the slots and the absence of tasks and timers.

    Attributes:
        user: Whoever the authenticator said it is.
        channels: Names it is subscribed to; kept by the hub.
        due: The second in which the hub looks at it again; kept by the hub's heart.
        expires: Loop time at which its login runs out, or None.
        pinged: The hub's heart sent a ping and looks for the answer next.
        awaiting_pong: No pong answered that ping yet.
    """

    __slots__ = (
        "_decoder",
        "_owner",
        "_peer_closed",
        "awaiting_pong",
        "channels",
        "due",
        "expires",
        "outbox",
        "phase",
        "pinged",
        "user",
        "wire",
    )

    def __init__(self, owner: Owner, wire: Wire, user: Any) -> None:
        self._owner = owner
        self._decoder = Decoder(wire.message_bytes or owner.limits.message_bytes)
        self._peer_closed = False
        self.wire = wire
        self.user = user
        self.channels: set[str] = set()
        self.outbox: Outbox | None = None
        self.phase = Phase.OPEN
        self.pinged = False
        self.awaiting_pong = False
        self.due = 0
        self.expires: float | None = None

    @abstractmethod
    def begin(self, early: bytes = b"") -> None:
        """Start to read. The owner must know the connection by now: it may end inside this call.

        Args:
            early: What the peer sent right behind its handshake, read already.
        """

    @property
    def peer(self) -> str:
        """Address of the socket's other end; empty if that is not known, or a Unix socket."""
        return ""

    # -- out ---------------------------------------------------------------------------------------

    def offer(self, batch: Batch) -> None:
        """Write ``batch``, or queue what the socket refuses. Never waits, never raises.

        Nothing is ever written past a backlog, so frames keep their order. An outbox that would grow
        over its bounds makes this a slow consumer: the owner is told that, or what was dropped.
        """
        outbox = self.outbox
        if outbox is None:
            self._put(batch)
        elif self._has_room(outbox, batch):
            self._push(outbox, batch)
        else:
            self._overflow(outbox, batch)

    def send(self, frame: bytes) -> None:
        """Offer one finished frame that answers the client, or asks for its answer; it is never dropped."""
        self.offer(Batch.of((frame,), kept=True))

    def frames_taken(self, batch: Batch, before: Outbox | None) -> int:
        """How many frames of a batch that was offered a moment ago the kernel has taken whole.

        Args:
            batch: What was offered last.
            before: The outbox that was there when it was offered.
        """
        if before is not None or self._writing():
            return 0
        if self.outbox is None:
            return len(batch.ends)
        return batch.frames_between(0, self.outbox.written_bytes)

    def on_writable(self) -> None:
        """The kernel takes bytes again."""
        outbox = self.outbox
        if outbox is None:
            self._end_if_written()
            return
        try:
            while outbox:
                views = outbox.views()
                written = self._writev(views)
                outbox.advance(written)
                if written < sum(map(len, views)):
                    return
        except BlockingIOError:
            return
        except OSError:
            self.abort()
            return
        self._forget_outbox()

    def _put(self, batch: Batch) -> None:
        data = batch.data
        try:
            sent = self._write(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.abort()
            return
        if sent != len(data):
            outbox = self.outbox = Outbox()
            self._push(outbox, batch, sent)
            self._want_write(True)
            self._owner.backlogged(self)

    def _push(self, outbox: Outbox, batch: Batch, sent: int = 0) -> None:
        dropped = outbox.push(batch, sent)
        if dropped:
            self._owner.dropped(self, dropped)

    def _has_room(self, outbox: Outbox, batch: Batch) -> bool:
        limits = self._owner.limits
        return (
            outbox.frames + len(batch.ends) <= limits.outbox_frames
            and outbox.size_bytes + len(batch.data) <= limits.outbox_bytes
        )

    def _overflow(self, outbox: Outbox, batch: Batch) -> None:
        """Drop what a slow consumer may lose; if that is not enough, it loses its connection."""
        limits = self._owner.limits
        bounds = limits.outbox_frames, limits.outbox_bytes
        # A larger publication may be on its way; what the client is answered meanwhile is not its fault.
        is_excused = batch.kept and outbox.size_bytes > limits.outbox_bytes
        dropped = outbox.push(batch) + outbox.drop_oldest(*bounds)
        if dropped:
            self._owner.dropped(self, dropped)
        if batch.source is not None or outbox.is_within(*bounds):
            return
        # Who asks and asks and does not read the answers is not spared.
        if not (batch.kept and outbox.keeps_within(*bounds, replies_only=is_excused)):
            self._owner.overflowed(self)

    def _forget_outbox(self) -> None:
        self.outbox = None
        self._want_write(False)
        self._owner.drained(self)
        self._end_if_written()

    # -- in ----------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Take bytes from the peer, whole frames or not."""
        decoder = self._decoder
        if decoder.failure is not None:
            return
        for event in decoder.feed(data):
            match event:
                case Message(message, is_text):
                    if self.phase is Phase.OPEN:
                        self._owner.received(self, message, is_text)
                case Pong() if self.awaiting_pong:
                    self.awaiting_pong = False
                case Pong():
                    # Nobody asked for it: that is allowed, but not for ever and ever.
                    if self.phase is Phase.OPEN:
                        self._owner.pinged(self)
                case Ping(payload):
                    if self.phase is Phase.OPEN and self._owner.pinged(self):
                        self.send(pong_frame(payload))
                case Close(code):
                    self._close_by_peer(code)
            if self._is_closed():
                return
        self._end_if_broken()

    def _end_if_broken(self) -> None:
        """The peer broke a rule: say which by the close code, and read nothing more (RFC 6455, 7.1.7)."""
        failure = self._decoder.failure
        if failure is not None:
            logger.debug("protocol error: %s", failure)
            self.close(close_frame(failure.code), discard=True)
            self._end_if_written()

    @property
    def failure(self) -> ProtocolError | None:
        """Which rule of the protocol the peer broke; None if it broke none."""
        return self._decoder.failure

    def _is_closed(self) -> bool:
        return self.phase is Phase.CLOSED

    def _close_by_peer(self, code: int | None) -> None:
        """Answer the peer's close frame with the same code (RFC 6455 section 5.5.1), then let go."""
        if self.phase is Phase.OPEN:
            self.close(close_frame(code), discard=True)
        self._peer_closed = True
        self._end_if_written()

    def _end_if_written(self) -> None:
        """Let go as soon as our last word is out, if the peer has nothing to say to it.

        After a broken rule only our half is closed: closing a socket that holds unread bytes would
        destroy what is under way to the peer, the close frame among it.
        """
        if self.outbox is not None or self._writing() or self.phase is not Phase.CLOSING:
            return
        if self._peer_closed:
            self.abort()
        elif self._decoder.failure is not None:
            self._hang_up()

    # -- end ---------------------------------------------------------------------------------------

    def close(self, frame: bytes, *, discard: bool = False) -> None:
        """Say goodbye with a finished close frame; the socket is released when the peer answered.

        The owner bounds how long that may take. Idempotent: only the first reason is sent.

        Args:
            frame: The close frame.
            discard: Drop what is queued before it, except a frame half sent.
        """
        if self.phase is not Phase.OPEN:
            return
        self.phase = Phase.CLOSING
        self._owner.closing(self)
        if discard and self.outbox is not None:
            self.outbox.keep_begun()
            if not self.outbox:
                self._forget_outbox()
        batch = Batch.of((frame,))
        if self.outbox is not None:
            self.outbox.push(batch)
        else:
            self._put(batch)

    def abort(self) -> None:
        """Release the socket at once. Idempotent."""
        if self.phase is Phase.CLOSED:
            return
        was_open = self.phase is Phase.OPEN
        self.phase = Phase.CLOSED
        if was_open:
            self._owner.closing(self)
        if self.outbox is not None:
            self.outbox = None
            self._owner.drained(self)
        self._release()
        self._owner.closed(self)

    # -- the socket --------------------------------------------------------------------------------

    @abstractmethod
    def _write(self, data: bytes) -> int:
        """Write without waiting; how much was taken.

        Raises:
            BlockingIOError: Nothing was.
            OSError: The peer is gone.
        """

    @abstractmethod
    def _writev(self, views: Sequence[memoryview]) -> int:
        """The same for several pieces."""

    def _writing(self) -> bool:
        """Whether bytes that ``_write`` took are still on this side of the socket."""
        return False

    @abstractmethod
    def _want_write(self, wanted: bool) -> None:
        """Have ``on_writable`` called when bytes are taken again, or no more."""

    @abstractmethod
    def _hang_up(self) -> None:
        """Tell the peer that nothing more comes; it is expected to close then."""

    @abstractmethod
    def _release(self) -> None:
        """Close the socket. Called once."""
