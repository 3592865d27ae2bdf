"""A realtime instance under test: it records what is published and lets in whomever the test names."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from tornado.escape import url_escape
from tornado.httputil import HTTPHeaders, HTTPServerRequest

from tornado_realtime.auth import Authenticator, User
from tornado_realtime.auth.function import Answer, FunctionAuthenticator
from tornado_realtime.brokers.memory import MemoryBroker
from tornado_realtime.carriers import traits_of
from tornado_realtime.client import Client as V1Client
from tornado_realtime.errors import BrokerUnavailableError
from tornado_realtime.peers import HeaderLines
from tornado_realtime.publication import Publication, Taken
from tornado_realtime.realtime import Realtime
from tornado_realtime.testing.client import Client
from tornado_realtime.traits import TraitsTable

TICKET_HEADER = "X-Realtime-Test-Ticket"


class Published(NamedTuple):
    """One publication that was taken."""

    channel: str
    message: str


class Harness:
    """Puts itself around an instance that is not started yet.

    Args:
        realtime: The application's.

    Attributes:
        realtime: The same.
        published: Every publication that was taken, in order, whether by ``publish`` or over HTTP.
        clients: Every client that ``connect`` made.
    """

    def __init__(self, realtime: Realtime) -> None:
        self.realtime = realtime
        self.published: list[Published] = []
        self.clients: list[Client] = []
        self._v1_clients: list[V1Client] = []
        self._tickets: dict[str, Answer] = {}
        self._outage = ""
        realtime._broker_maker = lambda settings: _RecordingBroker(self, traits_of(settings))
        realtime._authenticator_wrapper = lambda inner: _TicketAuthenticator(inner, self._tickets)

    async def start(self) -> None:
        """Start the instance on the running loop."""
        await self.realtime.start()

    async def close(self) -> None:
        """Close every client, then the instance; no client is waited for."""
        for client in self.clients:
            client.connection.close()
        self.clients.clear()
        for each in self._v1_clients:
            await each.close()
        self._v1_clients.clear()
        await self.realtime.close(timeout=0.5)

    async def connect(
        self, base_url: str, user: Answer, headers: Mapping[str, str] | HTTPHeaders | None = None
    ) -> Client:
        """A client that is connected.

        Args:
            base_url: The server, as ``http://host:port`` or ``https://host:port``.
            user: Who it is: anything that an ``authenticate`` function may return. None asks the
                application's own way of telling users, with ``headers``.
            headers: More headers for the handshake, such as Cookie or Origin.

        Raises:
            tornado.httpclient.HTTPClientError: The handshake was refused; ``code`` is the status.
        """
        fields = HTTPHeaders(headers or {})
        fields.update(self._fields(user, None))
        client = await Client.open(self._url(base_url), fields, self.realtime.settings.wire)
        self.clients.append(client)
        return client

    def client(self, base_url: str, user: Answer, headers: Mapping[str, str] | None = None) -> V1Client:
        """A client of ``tornado_realtime.client``, not connected yet.

        Args:
            base_url: See ``connect``.
            user: See ``connect``.
            headers: More header fields of its handshakes.
        """
        client = V1Client(self._url(base_url), headers=self._fields(user, headers))
        self._v1_clients.append(client)
        return client

    def _fields(self, user: Answer, headers: Mapping[str, str] | None) -> dict[str, str]:
        fields = dict(headers or {})
        if user is not None:
            fields[TICKET_HEADER] = ticket = secrets.token_hex(8)
            self._tickets[ticket] = user
        return fields

    def _url(self, base_url: str) -> str:
        path = url_escape(self.realtime.socket_path, plus=False).replace("%2F", "/")
        return base_url.replace("http", "ws", 1) + path

    @contextmanager
    def outage(self, reason: str = "the broker is away") -> Iterator[None]:
        """Inside, nothing can be published: BrokerUnavailableError, over HTTP 503 with ``reason``."""
        self._outage = reason
        try:
            yield
        finally:
            self._outage = ""


class _RecordingBroker(MemoryBroker):
    """Notes what it takes."""

    def __init__(self, harness: Harness, traits: TraitsTable) -> None:
        super().__init__(traits)
        self._harness = harness

    async def publish(self, publication: Publication, key: str = "") -> Taken:
        if self._harness._outage:
            raise BrokerUnavailableError(self._harness._outage)
        return await super().publish(publication, key)

    def publish_now(self, publication: Publication, key: str = "") -> Taken | None:
        if self._harness._outage:
            return None
        taken = super().publish_now(publication, key)
        if taken is not None and not taken.repeated:
            self._harness.published.append(Published(publication.channel, publication.data.decode()))
        return taken


class _TicketAuthenticator:
    """Knows whoever comes with a ticket of the test; asks the application about everybody else."""

    def __init__(self, inner: Authenticator, tickets: Mapping[str, Answer]) -> None:
        self._inner = inner
        self._tickets = tickets

    async def authenticate(self, request: HTTPServerRequest) -> User:
        ticket = request.headers.get(TICKET_HEADER)
        if ticket is None:
            return await self._inner.authenticate(request)
        answer = self._tickets.get(ticket)
        return await FunctionAuthenticator(lambda request: answer, 0).authenticate(request)

    def authenticate_now(self, headers: HeaderLines, peer: str) -> User | None:
        return None

    def forget(self, user: str) -> None:
        self._inner.forget(user)

    def close(self) -> None:
        self._inner.close()


def options_or_instance(realtime: Realtime | None, options: Mapping[str, Any]) -> Realtime:
    """``realtime``, or a new instance from ``options``.

    Raises:
        TypeError: Both are given.
        ConfigError: An option cannot be used.
    """
    if realtime is None:
        return Realtime(**options)
    if options:
        raise TypeError(f"an instance and options for one ({', '.join(options)}): give one of them")
    return realtime
