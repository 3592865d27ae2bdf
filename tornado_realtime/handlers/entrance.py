"""How a client comes in, whatever it speaks: origin, room, login; then its socket leaves Tornado."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, ClassVar, NoReturn

from tornado.iostream import IOStream, StreamClosedError
from tornado.util import ObjectDict
from tornado.web import Finish

from tornado_realtime.auth import Authenticator, User, peer_of
from tornado_realtime.auth.revocations import Revocations
from tornado_realtime.auth.tickets import NO_TICKET, NewTicket, Tickets
from tornado_realtime.auth.visitor import Visitor
from tornado_realtime.connection import (
    PLAIN_STREAMS,
    Connection,
    LeanConnection,
    LeanEventConnection,
    StreamConnection,
    StreamEventConnection,
    tune,
    watch,
)
from tornado_realtime.errors import AuthBusyError, AuthError
from tornado_realtime.handlers.plain import PlainHandler
from tornado_realtime.hub import Hub
from tornado_realtime.hub.admission import Full
from tornado_realtime.hub.heart import login_end
from tornado_realtime.origins import origin_allowed
from tornado_realtime.peers import HeaderLines, Network, forwarded_client, plain_address
from tornado_realtime.wire.base import Wire

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SocketDoor:
    """What a handshake needs.

    Attributes:
        hub: Takes the connection.
        authenticator: Tells who it is.
        wire: What clients without a subprotocol speak.
        origins: Allowed origins; empty for "the same host".
        revocations: Whose logins do not count any more.
        proxies: Whose word about the visitor's address is believed.
        client_ip_headers: Where they give it.
        tickets: Makes resume tickets; None if there are none.
        keeps_visitors: Whether the application may be asked about a connection's channels later.
    """

    hub: Hub
    authenticator: Authenticator
    wire: Wire
    origins: Sequence[str] = ()
    revocations: Revocations = field(default_factory=Revocations)
    proxies: Sequence[Network] = ()
    client_ip_headers: Sequence[str] = ()
    tickets: Tickets | None = None
    keeps_visitors: bool = False

    def address(self, peer: str, headers: HeaderLines) -> str:
        """The visitor's address, as far as it matters to anybody; empty for a Unix socket."""
        if not self.hub.admission.quotas.by_address:
            return ""
        return forwarded_client(plain_address(peer), headers, self.proxies, self.client_ip_headers)

    def ticket(
        self, headers: HeaderLines, user: User, peer: str, *, is_tls: bool, path: str = ""
    ) -> NewTicket:
        """The resume ticket that whoever is let in gets, if any. See Tickets.answer."""
        if self.tickets is None:
            return NO_TICKET
        ticket = self.tickets.answer(headers, user, peer, is_tls=is_tls, path=path)
        if ticket.value:
            self.hub.metrics.counters.tickets_issued += 1
        return ticket

    def kept(self, user: User, peer: str, headers: HeaderLines) -> User:
        """``user`` as the connection keeps it."""
        if not self.keeps_visitors:
            return user
        return replace(user, visitor=Visitor.of(headers, peer, self.proxies))


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A client that was let in.

    Attributes:
        user: Whose it is.
        wire: What it will speak.
        address: The visitor's, as far as it matters.
        ticket: What it gets to come back with.
    """

    user: User
    wire: Wire
    address: str
    ticket: NewTicket = NO_TICKET


class EntranceHandler(PlainHandler):
    """Lets a client in. It is a handler only until then."""

    SUPPORTED_METHODS = (*PlainHandler.SUPPORTED_METHODS, "TRACE", "CONNECT")
    refusal_fields: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Header fields of refusals that follow from what a client speaks, underscores for hyphens."""

    def initialize(self, door: Callable[[], SocketDoor]) -> None:
        """Called by Tornado with the route's arguments; ``door`` raises BrokerClosedError if it is shut."""
        self._open_door = door
        self._asking: asyncio.Task[User] | None = None

    async def admitted(self) -> tuple[SocketDoor, User, str]:
        """Who comes, where to, and from which address; whoever may not is refused.

        What follows has to be done in the same turn of the loop.
        """
        door = self.enter(self._open_door)
        self.judge_origin(door)
        address = door.address(peer_of(self.request), self.request.headers)
        self._check_room(door, address, door.hub.admission.before_login(address))
        door.hub.admission.begun(address)
        user = await self.authenticate(door)
        self.check_request()
        # Meanwhile the instance may have been closed, or started anew, the user revoked, and others let in.
        door = self.enter(self._open_door)
        if door.revocations.refuses(user):
            self.refuse(401)
        self._check_room(door, address, door.hub.admission.after_login(address, user.id))
        return door, user, address

    def check_request(self) -> None:
        """Refuse what cannot be served, now that it is known who asks."""

    def newcomer(self, door: SocketDoor, user: User, address: str, wire: Wire) -> Newcomer:
        """The client, and what it is given."""
        headers, peer = self.request.headers, peer_of(self.request)
        is_tls, path = self.request.protocol == "https", self.request.path if wire.one_way else ""
        ticket = door.ticket(headers, user, peer, is_tls=is_tls, path=path)
        return Newcomer(door.kept(user, peer, headers), wire, address, ticket)

    def answer_and_leave(self, door: SocketDoor, head: bytes, newcomer: Newcomer) -> Connection | None:
        """Send a finished head, and make a connection of the stream; None if the client is gone."""
        stream = self.detach()
        # A handler that finishes does this; without it each handshake leaves 14 KiB to the collector.
        self.ui = ObjectDict()
        try:
            stream.write(head)
        except StreamClosedError:
            return None
        return connect(door.hub, stream, newcomer)

    def on_connection_close(self) -> None:
        """The visitor left before the answer: nobody needs to be asked any more."""
        if self._asking is not None:
            self._asking.cancel()

    def judge_origin(self, door: SocketDoor) -> None:
        """Refuse pages that may not come."""
        origins = self.request.headers.get_list("Origin")
        if not origin_allowed(origins[0] if origins else None, self.request.host, door.origins):
            self.refuse_origin(door)

    def refuse_origin(self, door: SocketDoor) -> NoReturn:
        """Refuse a page."""
        door.hub.metrics.counters.origins_refused += 1
        self.refuse(403, **self.refusal_fields)

    def _check_room(self, door: SocketDoor, address: str, full: Full | None) -> None:
        if full is not None:
            door.hub.admission.refused(full, address)
            self.refuse(full.status, full.text, Retry_After=str(full.retry_after))

    async def authenticate(self, door: SocketDoor) -> User:
        """Who comes; whoever nobody knows is refused."""
        self._asking = asyncio.ensure_future(door.authenticator.authenticate(self.request))
        try:
            return await self._asking
        except AuthBusyError as error:
            self.refuse(error.status, Retry_After=str(math.ceil(error.retry_after)))
        except AuthError as error:
            self.refuse(error.status, "Invalid auth response" if error.status == 500 else "")
        except asyncio.CancelledError:
            if self._asking.cancelled():
                self.set_status(499, "Client Closed Request")  # for the access log; nobody reads it
                raise Finish from None
            raise
        finally:
            self._asking = None


def connect(hub: Hub, stream: IOStream, newcomer: Newcomer) -> Connection | None:
    """Make a connection of a stream on which the handshake is done; None if the client is gone.

    A plain stream is left behind: its socket lives on in a connection of some hundred bytes. Any
    other class (TLS), and a stream that has not written its 101 yet, is kept.
    """
    stream.set_close_callback(None)
    if stream.closed():
        return None
    tune(stream.socket)
    if newcomer.wire.one_way:
        watch(stream.socket)
    if type(stream) not in PLAIN_STREAMS or stream.writing():
        kind = StreamEventConnection if newcomer.wire.one_way else StreamConnection
        return _begin(hub, kind(hub, newcomer.wire, newcomer.user, stream), newcomer, b"")
    early = _take_early_bytes(stream)
    try:
        # A duplicate descriptor outlives the stream; both are documented, no private field is touched.
        fd = stream.socket.dup().detach() if early is not None else -1
    except OSError as error:
        logger.warning("a connection cannot be kept: %s", error)
        early = None
    stream.close()
    return adopt(hub, fd, newcomer, early) if early is not None else None


def adopt(hub: Hub, fd: int, newcomer: Newcomer, early: bytes) -> Connection:
    """Make a connection of a bare descriptor on which the handshake is done; it is the connection's now."""
    kind = LeanEventConnection if newcomer.wire.one_way else LeanConnection
    connection = kind(hub, newcomer.wire, newcomer.user, fd, hub.poller)
    return _begin(hub, connection, newcomer, early)


def _begin(hub: Hub, connection: Connection, newcomer: Newcomer, early: bytes) -> Connection:
    connection.expires = login_end(newcomer.user, asyncio.get_running_loop().time())
    hub.admission.opened(connection, newcomer.address)
    hub.opened(connection, newcomer.ticket.value)
    connection.begin(early)
    return connection


def _take_early_bytes(stream: IOStream) -> bytes | None:
    """What the stream has read already behind the request; None if the client is gone.

    One read is enough: it takes all that is buffered, and only if that is nothing looks at the socket.
    """
    try:
        piece: Any = stream.read_bytes(stream.max_buffer_size, partial=True)
        # Without a byte there, closing the stream ends this read.
        return piece.result() if piece.done() else b""
    except StreamClosedError:
        return None
