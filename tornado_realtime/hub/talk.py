"""What v1 says and hears beyond subscriptions: a welcome, pongs, errors that count, logins, publications."""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from tornado_realtime.connection import Phase
from tornado_realtime.errors import (
    AuthBusyError,
    AuthError,
    AuthRefusedError,
    BrokerClosedError,
    BrokerError,
    BrokerUnavailableError,
)
from tornado_realtime.hub.heart import login_end
from tornado_realtime.publication import Publication, Sender
from tornado_realtime.wire.base import Farewell
from tornado_realtime.wire.commands import (
    ChannelCommand,
    ConnectionCommand,
    Ping,
    Publish,
    Refresh,
    RefreshChannel,
)
from tornado_realtime.wire.publish_request import client_key
from tornado_realtime.wire.v1 import V1, Fault, Welcome, codes

if TYPE_CHECKING:
    from tornado_realtime.connection import Connection, Limits
    from tornado_realtime.hub.gate import Reply
    from tornado_realtime.hub.heart import Heart
    from tornado_realtime.metrics import Counters
    from tornado_realtime.publication import Taken

logger = logging.getLogger(__name__)

# More errors than that in one minute of the hub's clock, and a client is closed.
MOST_ERRORS = 100
ERROR_SECONDS = 60.0
NAME_BYTES = 9

Renew = Callable[[str, "Connection"], Awaitable[Any]]
"""Who a token says it is that the client of a connection shows; raises AuthError."""


class Host(Protocol):
    """What is asked of the hub."""

    async def publish(self, publication: Publication, key: str = "") -> Taken:
        """Publish; raises BrokerError."""
        ...

    def publish_now(self, publication: Publication, key: str = "") -> Taken | None:
        """Publish without waiting, if that can be done."""
        ...

    def renewed(self, connection: Connection) -> None:
        """A client has another login."""

    def flooded(self, connection: Connection, why: str, farewell: Farewell) -> None:
        """A client sends more than it may: end it."""


class Talk:
    """Serves the connections whose wire talks.

    For an idle one its public name is kept, and nothing else.

    Args:
        host: Takes what clients publish.
        heart: Pings, and knows when logins run out.
        limits: Bounds of one client.
        counters: Where to count.
        renew: Tells whose a token is that prolongs a login; None if none can be.
        session_of: By what a client that talks by other requests is known again, by its public name.
        features: What clients are told that this server can do, beyond publishing and logins.
    """

    def __init__(
        self,
        host: Host,
        heart: Heart,
        limits: Limits,
        counters: Counters,
        renew: Renew | None = None,
        session_of: Callable[[str], str] | None = None,
        features: Sequence[str] = (),
    ) -> None:
        self._session_of = session_of
        self._host = host
        self._heart = heart
        self._limits = limits
        self._counters = counters
        self._renew = renew
        self._features = (*features, "publish", *(() if renew is None else ("refresh",)))
        self._clock = asyncio.get_running_loop().time
        self._names: dict[Connection, str] = {}
        self._connections: dict[str, Connection] = {}
        self._refreshing: dict[Connection, asyncio.Task[None]] = {}
        self._errors: dict[Connection, int] = {}
        self._tickets: dict[Connection, str] = {}
        self._minute = 0

    # -- life --------------------------------------------------------------------------------------

    def ticketed(self, connection: Connection, ticket: str) -> None:
        """It will be welcomed with a ticket."""
        self._tickets[connection] = ticket

    def begun(self, connection: Connection) -> None:
        """It reads: welcome it."""
        name = secrets.token_urlsafe(NAME_BYTES)
        self._names[connection] = name
        self._connections[name] = connection
        welcome = Welcome(
            name,
            _user_id(connection),
            self._heart.talk_interval,
            self._ttl(connection),
            self._limits.channels_size,
            self._features,
            self._tickets.pop(connection, ""),
            self._session_of(name) if self._session_of is not None and connection.wire.one_way else "",
        )
        connection.send(V1.welcome(welcome))

    def closing(self, connection: Connection) -> None:
        """It is over: what it waits for is not needed any more."""
        self._connections.pop(self._names.pop(connection, ""), None)
        self._errors.pop(connection, None)
        self._tickets.pop(connection, None)
        refreshing = self._refreshing.pop(connection, None)
        if refreshing is not None:
            refreshing.cancel()

    def find(self, name: str) -> Connection | None:
        """The open connection that is called ``name``."""
        return self._connections.get(name)

    def name_of(self, connection: Connection) -> str:
        """What an open connection is called; empty if it has no name."""
        return self._names.get(connection, "")

    def expiring(self, connection: Connection) -> None:
        """Its login runs out soon."""
        connection.send(V1.expiring(self._ttl(connection) or 0))

    # -- errors ------------------------------------------------------------------------------------

    def failed(
        self,
        connection: Connection,
        command: ChannelCommand | Refresh,
        fault: Fault,
        after: int | None = None,
    ) -> None:
        """Tell a client that what it asked for is not done."""
        connection.send(V1.failed(command, fault, after))
        self.erred(connection)

    def erred(self, connection: Connection) -> None:
        """A client was told of an error: one more than it may get, and it is closed."""
        if connection.phase is not Phase.OPEN:
            return
        minute = int(self._clock() / ERROR_SECONDS)
        if minute != self._minute:
            self._minute = minute
            self._errors.clear()
        count = self._errors[connection] = self._errors.get(connection, 0) + 1
        if count > MOST_ERRORS:
            why = f"it makes more than {MOST_ERRORS} errors in a minute"
            self._host.flooded(connection, why, Farewell.ERRORS)

    # -- what is about the connection ----------------------------------------------------------------

    def take(self, connection: Connection, command: ConnectionCommand) -> None:
        """Answer a command."""
        if isinstance(command, Ping):
            connection.send(V1.pong(command))
        elif isinstance(command, Refresh):
            self._refresh(connection, command)

    def _refresh(self, connection: Connection, command: Refresh) -> None:
        if self._renew is None:
            self.failed(connection, command, codes.NOT_AVAILABLE)
        elif connection in self._refreshing:
            self.failed(connection, command, codes.BUSY)
        else:
            refreshing = asyncio.ensure_future(self._read(connection, command, self._renew))
            self._refreshing[connection] = refreshing
            refreshing.add_done_callback(partial(self._read_through, connection))

    def _read_through(self, connection: Connection, refreshing: asyncio.Task[None]) -> None:
        if self._refreshing.get(connection) is refreshing:
            del self._refreshing[connection]

    async def _read(self, connection: Connection, command: Refresh, renew: Renew) -> None:
        """Have a token read, and prolong the login if it is the same user's."""
        try:
            user = await renew(command.token, connection)
        except AuthRefusedError as error:
            fault = codes.TOKEN_EXPIRED if error.kind == "expired" else codes.UNAUTHORIZED
            self.failed(connection, command, fault)
        except AuthBusyError as error:
            self.failed(connection, command, codes.BUSY, int(error.retry_after * 1000))
        except AuthError:
            self.failed(connection, command, codes.INTERNAL)
        except Exception:
            logger.exception("a login could not be prolonged")
            self.failed(connection, command, codes.INTERNAL)
        else:
            self._prolong(connection, command, user)

    def _prolong(self, connection: Connection, command: Refresh, user: Any) -> None:
        if user.id != _user_id(connection):
            self.failed(connection, command, codes.UNAUTHORIZED)
            return
        visitor = connection.user.visitor
        # Whoever is asked about channels later is told of the login that counts now.
        told = None if visitor is None else visitor.showing(command.token)
        connection.user = user if told is None else replace(user, visitor=told)
        self._heart.renewed(connection, login_end(user, self._clock()))
        connection.send(V1.refreshed(command, self._ttl(connection)))
        self._host.renewed(connection)

    def prolonged(self, connection: Connection, command: RefreshChannel, ttl: int | None) -> None:
        """A subscription lasts longer now."""
        connection.send(V1.refreshed(command, ttl))

    def _ttl(self, connection: Connection) -> int | None:
        if connection.expires is None:
            return None
        return max(0, math.ceil(connection.expires - self._clock()))

    # -- what clients publish ------------------------------------------------------------------------

    def publish(self, connection: Connection, command: Publish) -> asyncio.Future[Reply] | None:
        """See gate.Steps."""
        if len(command.data) > self._limits.publication_bytes:
            self._counters.client_publications_refused += 1
            self.failed(connection, command, codes.LIMIT)
            return None
        name = self._names[connection]
        publication = Publication(
            command.channel,
            command.data,
            sender=Sender(_user_id(connection), name),
            exclude="" if command.echo else name,
        )
        key = client_key(command.key, _user_id(connection), name)
        try:
            if (taken := self._host.publish_now(publication, key)) is not None:
                self._published(connection, command, taken)
                return None
        except BrokerClosedError:
            self.failed(connection, command, codes.UNDELIVERED)
            return None
        return asyncio.ensure_future(self._publish(connection, command, publication, key))

    async def _publish(
        self, connection: Connection, command: Publish, publication: Publication, key: str
    ) -> Reply:
        """Wait for the broker; what to tell the client then."""
        try:
            taken = await self._host.publish(publication, key)
        except BrokerUnavailableError as error:
            doubtful = codes.DOUBTFUL_ONCE if key else codes.DOUBTFUL
            fault = doubtful if error.outcome == "unknown" else codes.UNDELIVERED
            return partial(self.failed, connection, command, fault, int(error.retry_after * 1000))
        except BrokerError:
            return partial(self.failed, connection, command, codes.UNDELIVERED)
        except Exception:
            logger.exception("a client's publication failed unexpectedly")
            return partial(self.failed, connection, command, codes.INTERNAL)
        return partial(self._published, connection, command, taken)

    def _published(self, connection: Connection, command: Publish, taken: Taken) -> None:
        self._counters.client_publications += 1
        if command.id is not None:
            connection.send(V1.published(command, taken.position))


def _user_id(connection: Connection) -> str:
    return getattr(connection.user, "id", "") or ""
