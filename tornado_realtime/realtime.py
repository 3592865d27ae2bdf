"""The plugin: settings in; hub, broker, authenticator and Tornado routes out, started and stopped in order.

::

    realtime = Realtime(auth_endpoint="http://localhost:8000/me")
    application = tornado.web.Application([*my_routes, *realtime.routes])
    await realtime.start()
    await realtime.publish("news", "hello")
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import os
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from tornado.routing import Rule

from tornado_realtime.auth import (
    Authenticate,
    Authenticator,
    Authorize,
    Authorizer,
    Login,
    User,
)
from tornado_realtime.auth.revocations import Revocations
from tornado_realtime.bounds import limits_of, quotas_of
from tornado_realtime.brokers.base import Broker
from tornado_realtime.caddyfile import parse_block
from tornado_realtime.carriers import check_broker, make_broker
from tornado_realtime.channels import BAD_NAME, is_good_name
from tornado_realtime.connection import Connection
from tornado_realtime.errors import (
    AuthUnavailableError,
    BrokerClosedError,
    ConfigError,
    InvalidPublicationError,
    PublicationTooLargeError,
    RealtimeError,
)
from tornado_realtime.handlers.broadcast import PublishDoor
from tornado_realtime.handlers.disconnect import DisconnectDoor
from tornado_realtime.handlers.disconnecting import Disconnector
from tornado_realtime.handlers.entrance import SocketDoor
from tornado_realtime.handlers.internal import InternalRule
from tornado_realtime.handlers.routes import RouteTable
from tornado_realtime.hub import Hub
from tornado_realtime.logins import make_authenticator, make_authorizer, make_tickets, read_keys
from tornado_realtime.peers import is_within
from tornado_realtime.publication import Position, Publication
from tornado_realtime.settings import (
    Settings,
    settings_from_directive,
    settings_from_options,
    with_own_options,
)
from tornado_realtime.settings.risks import check_judges, check_risks
from tornado_realtime.wire.base import Farewell
from tornado_realtime.wire.dialects import DIALECTS
from tornado_realtime.wire.publish_request import application_key, checked_client, checked_key

logger = logging.getLogger(__name__)

# Seconds that clients have to take their goodbye when the application does not say.
GRACE_PERIOD = 10.0


class Realtime:
    """One realtime instance for one Tornado application: its own hub, its own broker.

    It may be made anywhere (also before a fork); ``start`` binds it to the running event loop.

    Args:
        settings: Ready settings; else they are made from ``options``.
        authenticate: A function ``request -> user or None``, plain or async, that is asked instead of
            ``auth_endpoint``. It returns a user id, ``{"id", "info"?, "exp"?, "ttl"?}``, a ``User`` or None.
        authorize: A function ``user, channel, action -> bool``, plain or async, that decides who may;
            channel blocks beside it say other things only.
        options: The options of go_handler by name, and ``prefix`` (``""``), ``socket_path`` (``/ws``),
            ``publish_path`` (``/internal/broadcast``), ``trusted_proxies`` (``()``).

    Raises:
        ConfigError: An option is unknown or has a value that cannot be used.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        authenticate: Authenticate | None = None,
        authorize: Authorize | None = None,
        **options: Any,
    ) -> None:
        if settings is not None and options:
            raise ConfigError("give settings or options, not both")
        self.settings = settings if settings is not None else settings_from_options(**options)
        if authorize is not None:
            check_judges(self.settings)
        self._authenticate = authenticate
        self._authorize = authorize
        self._keeps_visitors = bool(self.settings.asks_channels("endpoint"))
        self._wire = DIALECTS[self.settings.wire]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = 0
        self._closing: asyncio.Future[None] | None = None
        self._is_draining = False
        self._hub: Hub | None = None
        self._login: Login | None = None
        self._authenticator: Authenticator | None = None
        self._authorizer: Authorizer | None = None
        self._disconnector: Disconnector | None = None
        self.revocations = Revocations()
        # Where tornado_realtime.testing plugs in.
        self._broker_maker: Callable[[Settings], Broker] = make_broker
        self._authenticator_wrapper: Callable[[Authenticator], Authenticator] | None = None
        self._paths = RouteTable(self.settings, self)
        self._keys = read_keys(self.settings)
        check_risks(self.settings)
        self._tickets = make_tickets(self.settings, authenticate)
        check_broker(self.settings)

    @classmethod
    def from_caddyfile(
        cls,
        text: str,
        *,
        authenticate: Authenticate | None = None,
        authorize: Authorize | None = None,
        env: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Self:
        """An instance from the text of one ``go_handler { ... }`` block, or from a file that holds just that.

        Args:
            text: The block; or the path of the file, if there is no brace and no line break in it.
            authenticate: See the class.
            authorize: See the class.
            env: For ``{$NAME}``; the process environment when left out.
            options: ``prefix``, ``socket_path``, ``publish_path`` and ``trusted_proxies``, see the class.

        Raises:
            ConfigError: With file and line.
        """
        file = "go_handler"
        if "{" not in text and "\n" not in text and text.strip() != "go_handler":
            file, text = text, _read(text)
        directive = parse_block(text, file, os.environ if env is None else env)
        if directive.word != "go_handler":
            raise directive.error(f"a go_handler block is needed here, not {directive.word}")
        if directive.args:
            raise directive.error("go_handler takes no arguments here: paths are settings of the plugin")
        settings = with_own_options(settings_from_directive(directive), **options)
        return cls(settings, authenticate=authenticate, authorize=authorize)

    def suits(self, settings: Settings) -> bool:
        """Whether an instance of these settings would be like this one, key files included."""
        return self.settings == settings and self._keys == read_keys(settings)

    def inherit(self, previous: Realtime) -> None:
        """Refuse what ``previous`` refuses, if both know the same users."""
        if (previous.settings.auth_endpoint, previous.settings.jwt) == (
            self.settings.auth_endpoint,
            self.settings.jwt,
        ):
            for revocation in previous.revocations:
                self.revocations.add(revocation)

    # -- routes ------------------------------------------------------------------------------------

    @property
    def routes(self) -> list[Rule]:
        """Tornado rules for this instance's paths, to be put among an application's own."""
        return self._paths.for_clients()

    @property
    def publish_routes(self) -> list[Rule]:
        """Those of the application's paths, for a listener of their own (``broadcast_listen``)."""
        return self._paths.for_application()

    @property
    def socket_path(self) -> str:
        """Where WebSocket clients connect, prefix included."""
        return self.settings.prefix + self.settings.socket_path

    @property
    def publish_path(self) -> str:
        """Where applications publish, prefix included."""
        return self.settings.prefix + self.settings.publish_path

    def serves(self, path: str) -> bool:
        """Whether a decoded path is one of this instance's; compared exactly, case included."""
        return self._paths.serves(path)

    # -- life --------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Serve on the running event loop from now on. Nothing happens if it does already.

        Raises:
            BrokerError: The broker cannot be started at all; ``start`` may be tried again.
            RealtimeError: It runs on another event loop, or was started before this process was forked.
        """
        if self._hub is not None:
            self._check_home()
            return
        self._loop, self._process = asyncio.get_running_loop(), os.getpid()
        self._is_draining = False
        self._hub = self._make_hub()
        metrics, wrap = self._hub.metrics, self._authenticator_wrapper
        login = make_authenticator(
            self.settings, self._keys, self._authenticate, self._tickets, self.revocations, metrics
        )
        self._authenticator = authenticator = wrap(login) if wrap is not None else login
        self._login = login
        self._disconnector = Disconnector(self._hub, self.revocations, authenticator.forget)
        try:
            await self._hub.start()
            if self.settings.driver != "memory":  # else there are no other nodes
                self._disconnector.learn()
        except BaseException:
            await self.close(timeout=0)
            raise

    @property
    def trouble(self) -> str:
        """Why no client should be sent here now, as one line for an operator; empty if they may come."""
        if self._is_draining:
            return "the server is stopping"
        return self._hub.broker.health.reason if self._hub is not None else "not started, or closed"

    def drain(self) -> None:
        """Say from now on that this instance is not ready, so that load balancers send nobody more.

        Everything else goes on; ``close`` is what follows, some time later.
        """
        self._is_draining = True

    def _check_home(self) -> None:
        if self._process != os.getpid():
            raise RealtimeError("started before this process was forked: start it in every child instead")
        if self._loop is not asyncio.get_running_loop():
            raise RealtimeError("started on another event loop: close it there first")

    async def close(self, farewell: Farewell = Farewell.SHUTDOWN, timeout: float = GRACE_PERIOD) -> None:
        """Tell every client goodbye and release everything; works after a failed ``start``. Idempotent.

        From the call on nobody is let in. A second call waits for what the first one does, and an
        impatient caller may cancel: what is under way goes on.

        Args:
            farewell: What the clients are told.
            timeout: Seconds they have to take it.
        """
        hub, self._hub = self._hub, None
        authenticator, self._authenticator, self._login = self._authenticator, None, None
        disconnector, self._disconnector = self._disconnector, None
        authorizer, self._authorizer = self._authorizer, None
        for part in (authenticator, authorizer):
            if part is not None:
                part.close()
        if disconnector is not None:
            disconnector.close()
        if hub is not None:
            self._closing = asyncio.ensure_future(hub.close(farewell, timeout))
        if self._closing is not None and not self._closing.done():
            await asyncio.shield(self._closing)

    # -- users -------------------------------------------------------------------------------------

    async def disconnect(self, user: str, *, before: float | None = None) -> int:
        """Close every connection of a user, on every node; how many they were.

        May be awaited on any event loop in any thread.

        Args:
            user: Its id.
            before: Unix time; logins that were made before it are refused from now on, for seven days.

        Raises:
            BrokerUnavailableError: Not all nodes could be told.
            BrokerClosedError: Not started, or closed.
        """
        disconnecting = self.disconnect_door().disconnector.disconnect(user, before)
        if asyncio.get_running_loop() is self._loop:
            return (await disconnecting).closed
        assert self._loop is not None
        elsewhere = asyncio.run_coroutine_threadsafe(disconnecting, self._loop)
        return (await asyncio.wrap_future(elsewhere)).closed

    # -- publishing --------------------------------------------------------------------------------

    async def publish(
        self, channel: str, message: str | bytes, *, key: str = "", exclude: str = ""
    ) -> Position | None:
        """Publish ``message`` on ``channel``; returning means that the broker took it.

        May be awaited on any event loop in any thread.

        Args:
            channel: Its name.
            message: Text, or bytes that are UTF-8.
            key: Of what was published on the channel under the same key within five minutes, only the first
                is published; the others return the same.
            exclude: The public name of a client (``welcome`` tells it) that does not get it.

        Returns:
            Where it stands in the channel's history; None on a channel without one.

        Raises:
            InvalidPublicationError: No message, bytes that are not UTF-8, or a bad name of a channel, key
                or client.
            PublicationTooLargeError: Longer than ``max_publication_size``.
            BrokerUnavailableError: The broker is away, or did not answer; see its ``outcome``.
            BrokerClosedError: Not started, or closed.
        """
        publishing = self._publishing(channel, message, key, exclude)
        if asyncio.get_running_loop() is self._loop:
            return await publishing
        return await asyncio.wrap_future(self._from_elsewhere(publishing))

    def publish_threadsafe(
        self, channel: str, message: str | bytes, *, key: str = "", exclude: str = ""
    ) -> concurrent.futures.Future[Position | None]:
        """Publish from a thread without an event loop; ``.result(timeout)`` waits, raises as ``publish``."""
        return self._from_elsewhere(self._publishing(channel, message, key, exclude))

    def _from_elsewhere(
        self, publishing: Coroutine[Any, Any, Position | None]
    ) -> concurrent.futures.Future[Position | None]:
        if self._loop is None:
            publishing.close()
            raise BrokerClosedError("the realtime instance is not started: await its start() first")
        try:
            return asyncio.run_coroutine_threadsafe(publishing, self._loop)
        except RuntimeError as error:
            publishing.close()
            raise BrokerClosedError("the event loop of the realtime instance is closed") from error

    def _publishing(
        self, channel: str, message: str | bytes, key: str, exclude: str
    ) -> Coroutine[Any, Any, Position | None]:
        """What will publish, once awaited; what makes no sense is refused at once."""
        if not isinstance(key, str) or not isinstance(exclude, str):
            raise InvalidPublicationError("key and exclude must be strings")
        publication = self._publication(channel, message)
        if exclude:
            publication = replace(publication, exclude=checked_client(exclude))
        return self._publish(publication, application_key(checked_key(key) if key else ""))

    async def _publish(self, publication: Publication, key: str) -> Position | None:
        return (await self.hub.publish(publication, key)).position

    def _publication(self, channel: str, message: str | bytes) -> Publication:
        if not isinstance(channel, str) or not isinstance(message, str | bytes | bytearray | memoryview):
            raise InvalidPublicationError("channel must be a string, message a string or bytes")
        if not channel or not message:
            raise InvalidPublicationError("channel and message must not be empty")
        try:
            channel.encode("utf-8")
            data = message.encode("utf-8") if isinstance(message, str) else bytes(message)
            data.decode("utf-8")
        except UnicodeError as error:
            raise InvalidPublicationError("channel and message must be UTF-8 text") from error
        if not is_good_name(channel):
            raise InvalidPublicationError(BAD_NAME)
        if len(data) > self.settings.max_publication_size_bytes:
            raise PublicationTooLargeError(f"message of {len(data)} bytes is above max_publication_size")
        return Publication(channel, data)

    # -- parts -------------------------------------------------------------------------------------

    @property
    def hub(self) -> Hub:
        """The running hub.

        Raises:
            BrokerClosedError: Not started, or closed.
        """
        if self._hub is None:
            raise BrokerClosedError("the realtime instance is not started: await its start() first")
        return self._hub

    def socket_door(self) -> SocketDoor:
        """What a handshake needs.

        Raises:
            BrokerClosedError: Not started, or closed.
        """
        hub = self.hub
        assert self._authenticator is not None
        settings = self.settings
        return SocketDoor(
            hub,
            self._authenticator,
            self._wire,
            settings.allowed_origins,
            self.revocations,
            settings.trusted_proxies,
            settings.client_ip_headers,
            self._tickets,
            self._keeps_visitors,
        )

    def disconnect_door(self) -> DisconnectDoor:
        """What disconnecting needs.

        Raises:
            BrokerClosedError: Not started, or closed.
        """
        if self._disconnector is None:
            raise BrokerClosedError("the realtime instance is not started: await its start() first")
        return DisconnectDoor(self._disconnector, InternalRule(self.settings.broadcast_secret))

    def publish_door(self) -> PublishDoor:
        """What publishing needs.

        Raises:
            BrokerClosedError: Not started, or closed.
        """
        return PublishDoor(
            self.hub, InternalRule(self.settings.broadcast_secret), self.settings.max_publication_size_bytes
        )

    def _make_hub(self) -> Hub:
        broker = self._broker_maker(self.settings)
        return Hub(
            broker,
            limits_of(self.settings),
            authorizer=self._make_authorizer(),
            quotas=quotas_of(self.settings),
            renew=self._renew,
            presence_delay=self.settings.presence_delay,
        )

    async def _renew(self, token: str, connection: Connection) -> User:
        """Who a token says it is that a client shows to prolong its login."""
        if self._login is None:
            raise AuthUnavailableError("the realtime instance is closed")
        visitor, peer = connection.user.visitor, connection.peer
        if visitor is not None:
            peer = visitor.address
        elif is_within(peer, self.settings.trusted_proxies):
            peer = ""  # whom it spoke for is not kept
        return await self._login.renew(token, peer)

    def _make_authorizer(self) -> Authorizer:
        self._authorizer = make_authorizer(self.settings, self._keys, self._authorize)
        return self._authorizer


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot be read: {error}", path) from error
