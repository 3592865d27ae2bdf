"""What every dialect can do: publications to frames, messages to commands, and how it says good-bye."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType
from typing import ClassVar

from tornado_realtime.members import Listing, Member
from tornado_realtime.publication import Position, Publication
from tornado_realtime.wire.commands import ChannelCommand, Command, Id, Subscribe, Unsubscribe
from tornado_realtime.wire.denial import Denial
from tornado_realtime.wire.frames import PING, Span, close_frame


class Farewell(Enum):
    """Why the server ends a connection that did nothing wrong on the protocol's level."""

    SHUTDOWN = auto()
    """The server stops."""
    RELOAD = auto()
    """The configuration changed; the client may come back at once."""
    EXPIRED = auto()
    """The login ran out; the client needs a new one first."""
    SLOW = auto()
    """The client reads more slowly than its channels are published to."""
    FLOOD = auto()
    """The client sends more than it may."""
    DISCONNECTED = auto()
    """The application ended the user's connections."""
    ERRORS = auto()
    """The client makes one mistake after the other; only v1 tells of mistakes, and counts them."""
    SILENT = auto()
    """The client does not answer pings; only v1 says so."""


FAREWELL_FRAMES: Mapping[Farewell, bytes] = MappingProxyType(
    {
        Farewell.SHUTDOWN: close_frame(1001, "server is shutting down"),
        Farewell.RELOAD: close_frame(1012, "configuration changed"),
        Farewell.EXPIRED: close_frame(4110, "login expired"),
        Farewell.SLOW: close_frame(None),
        Farewell.FLOOD: close_frame(1008, "too many messages"),
        Farewell.DISCONNECTED: close_frame(1008, "disconnected"),
    }
)
"""Finished close frames of the dialects that know no codes of their own (raw, envelope)."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where a subscription to a stream begins.

    Attributes:
        position: Of the last publication before those that come live.
        recovered: Whether what was asked for is complete; None where nothing was.
        replay: How many publications come before the live ones.
    """

    position: Position
    recovered: bool | None = None
    replay: int = 0


class Wire(ABC):
    """One dialect on top of WebSocket messages.

    A wire holds no state of a connection: one value serves all connections that speak it, and what it encodes
    once is sent to all of them. Frames it returns are finished (RFC 6455), ready for the socket.
    """

    name: ClassVar[str]
    """As the option ``wire`` spells it, or the subprotocol itself."""
    subprotocol: ClassVar[str | None] = None
    """What a client offers that wants to speak it; None for those that the configuration chooses."""
    talks: ClassVar[bool] = False
    """Whether it has words for the connection itself: a welcome, pings that pages see, errors that count."""
    one_way: ClassVar[bool] = False
    """Whether it goes to the client only, who says by other requests what it has to say."""
    message_bytes: ClassVar[int | None] = None
    """Longest message of a client; None for what the configuration says."""
    recovers: ClassVar[bool] = False
    """Whether its clients know positions in streams, and get what they missed."""
    ping: ClassVar[bytes] = PING
    """The finished frame that asks whether the client is there."""
    farewells: ClassVar[Mapping[Farewell, bytes]] = FAREWELL_FRAMES

    @abstractmethod
    def encode(self, publication: Publication) -> bytes | None:
        """The frame that carries ``publication``; None when this wire cannot carry it and drops it."""

    @abstractmethod
    def decode(self, message: bytes, is_text: bool) -> Command:
        """What ``message`` asks for. Never raises: what makes no sense is a ``Reject``.

        Args:
            message: A whole message, fragments put together.
            is_text: True for a text message, which is then valid UTF-8 already; False for a binary one.
        """

    @abstractmethod
    def subscribed(self, command: Subscribe, listing: Listing | None = None) -> bytes | None:
        """The frame that confirms a subscription; None when this wire does not confirm.

        Args:
            command: What the client asked for.
            listing: Who is present there, where it asked for that, too.
        """

    def joined(self, command: Subscribe, start: Start, listing: Listing | None = None) -> bytes | None:
        """The frame that confirms a subscription to a stream, where this wire ``recovers``."""
        return self.subscribed(command, listing)

    def skipped(self, publication: Publication) -> bytes | None:
        """The frame for the one client that does not get ``publication``, which has a position.

        None when this wire has no words for it.
        """
        return None

    def turned(self, channel: str, position: Position) -> bytes | None:
        """The frame which says that a stream goes on in another epoch, behind ``position``.

        None when this wire has no words for it.
        """
        return None

    @abstractmethod
    def unsubscribed(self, command: Unsubscribe) -> bytes | None:
        """The frame that confirms the end of a subscription; None when this wire does not confirm."""

    def denied(self, command: ChannelCommand, why: Denial) -> bytes | None:
        """The frame that refuses a command; None, as here, when this wire keeps silent."""
        return None

    def revoked(self, channel: str) -> bytes | None:
        """The frame that says that a subscription is not allowed any more; None if it has no words for it."""
        return None

    def lapsed(self, channel: str) -> bytes | None:
        """The frame that says that what was shown for a channel has run out; None as for ``revoked``."""
        return None

    def missed(self, channel: str) -> bytes | None:
        """The frame that says that publications on ``channel`` may have been missed.

        None when this wire has no words for it, as the older ones.
        """
        return None

    def lost(self, channel: str, span: Span | None) -> bytes | None:
        """The frame that says which publications on ``channel`` a slow client does not get.

        Args:
            channel: Its name.
            span: The first and the last of them; None where they have no positions in one stream.

        Returns:
            None when this wire has no words for it, as the older ones.
        """
        return None

    def present(self, channel: str, listing: Listing, name: Id | None = None) -> bytes | None:
        """The frame that tells one client who is present; None, as here, when this wire has no words for it.

        Args:
            channel: Where.
            listing: Who, or how many.
            name: The request that it answers; None if nobody asked.
        """
        return None

    def listed(self, channel: str, listing: Listing) -> bytes | None:
        """The frame that tells everybody who is present, or how many; None as for ``present``."""
        return None

    def came(self, channel: str, member: Member, count: int) -> bytes | None:
        """The frame that says who came, and how many are present now; None as for ``present``."""
        return None

    def went(self, channel: str, user: str, count: int) -> bytes | None:
        """The frame that says who went, and how many are present now; None as for ``present``."""
        return None

    def farewell(self, why: Farewell) -> bytes:
        """The close frame that tells the client ``why`` it is over."""
        return self.farewells[why]
