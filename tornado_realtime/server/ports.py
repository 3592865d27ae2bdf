"""Every listening socket of the server, kept open over reloads."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.web import Application

from tornado_realtime.errors import ListenError
from tornado_realtime.fastlane import LanePlan, publish_paths
from tornado_realtime.poller import Poller, make_poller
from tornado_realtime.realtime import Realtime
from tornado_realtime.server.generation import Generation
from tornado_realtime.server.listener import Acceptor, HttpDoor, bind, bind_unix
from tornado_realtime.server.tls import make_context
from tornado_realtime.site.addresses import Listener
from tornado_realtime.site.front import SiteFront
from tornado_realtime.site.plan import ServerPlan

logger = logging.getLogger(__name__)

# Seconds a kept connection may wait for its next request; as in Caddy.
IDLE_TIMEOUT = 300.0
HEADER_BYTES = 64 * 1024


@dataclass(slots=True)
class Wanted:
    """What shall be served on one listener.

    Attributes:
        listener: Where.
        server: The HTTP server.
        lane: What the fast lane serves.
        tls: Certificates; None for plain HTTP.
        front: The sites; None on a listener for publishing.
    """

    listener: Listener
    server: HTTPServer
    lane: LanePlan = field(default_factory=LanePlan)
    tls: ssl.SSLContext | None = None
    front: SiteFront | None = None


@dataclass(slots=True)
class _Port:
    """One listener that is open."""

    acceptor: Acceptor
    door: HttpDoor
    front: SiteFront | None


def wanted_by(generation: Generation) -> list[Wanted]:
    """Every listener of a configuration, with what it serves.

    Raises:
        ConfigError: A certificate cannot be used, or ``broadcast_listen`` clashes with another listener.
    """
    found: dict[tuple[str, str, int], Wanted] = {}
    for server, answer, options in generation.sites:
        tls = make_context(server)
        lane = generation.lane(server)
        for listener in server.listeners:
            front = SiteFront(answer, options)
            found[_key(listener)] = Wanted(listener, _http_server(front, server), lane, tls, front)
    for realtime in generation.realtimes:
        if realtime.settings.broadcast_listen:
            wanted = _publish_listener(realtime)
            if _key(wanted.listener) in found:
                raise _clash(realtime)
            found[_key(wanted.listener)] = wanted
    return list(found.values())


def _key(listener: Listener) -> tuple[str, str, int]:
    return (listener.network, listener.host, listener.port)


def _http_server(front: SiteFront, server: ServerPlan) -> HTTPServer:
    options = server.options
    idle = options.idle if options.idle is not None else IDLE_TIMEOUT
    return HTTPServer(
        front,
        max_header_size=options.max_header_bytes or HEADER_BYTES,
        # Tornado has one time limit for the wait for a request and for its head.
        idle_connection_timeout=idle if options.read_header is None else min(idle, options.read_header),
        body_timeout=options.read_body,
    )


def _publish_listener(realtime: Realtime) -> Wanted:
    host, _, port = realtime.settings.broadcast_listen.rpartition(":")
    application = Application(list(realtime.publish_routes), log_function=lambda _handler: None)
    return Wanted(
        Listener(host.strip("[]"), int(port)),
        HTTPServer(application, idle_connection_timeout=IDLE_TIMEOUT),
        LanePlan(publish_paths(realtime)),
    )


def _clash(realtime: Realtime) -> Exception:
    directive = realtime.settings.directive
    assert directive is not None
    message = (
        f"broadcast_listen {realtime.settings.broadcast_listen} is used by another listener of this file"
    )
    return (realtime.settings.place("broadcast_listen") or directive).error(message)


class Ports:
    """Opens, swaps and closes listeners.

    Args:
        default_hosts: Where a listener without a host binds; empty for all interfaces.
    """

    def __init__(self, default_hosts: Sequence[str] = ()) -> None:
        self._default_hosts = tuple(default_hosts)
        self._open: dict[tuple[str, str, int], _Port] = {}
        self._retired: list[_Port] = []
        self._poller: Poller | None = None

    @property
    def addresses(self) -> list[Any]:
        """What is listened on now."""
        return [address for port in self._open.values() for address in port.acceptor.addresses]

    def bind(self, wanted: Sequence[Wanted]) -> dict[tuple[str, str, int], list[socket.socket]]:
        """Bind what is not open yet; nothing is accepted there before ``switch``.

        Raises:
            ListenError: One cannot be bound; none is bound then.
        """
        bound: dict[tuple[str, str, int], list[socket.socket]] = {}
        try:
            for want in wanted:
                if _key(want.listener) not in self._open:
                    bound[_key(want.listener)] = self._bind(want.listener)
        except ListenError:
            unbind(bound)
            raise
        return bound

    def _bind(self, listener: Listener) -> list[socket.socket]:
        if listener.network == "unix":
            return bind_unix(listener.host, listener.mode)
        if listener.host or not self._default_hosts:
            return bind(listener.host, listener.port)
        port, sockets = listener.port, []
        for host in self._default_hosts:
            sockets += bind(host, port, is_optional=True)
            port = sockets[0].getsockname()[1] if sockets else port
        if not sockets:
            raise ListenError(f"this host has none of the addresses {', '.join(self._default_hosts)}")
        return sockets

    def switch(
        self, wanted: Sequence[Wanted], bound: dict[tuple[str, str, int], list[socket.socket]]
    ) -> None:
        """Serve ``wanted`` from now on: new requests go to it, also on connections that are open."""
        keys = {_key(want.listener) for want in wanted}
        for key in [key for key in self._open if key not in keys]:
            self._retire(self._open.pop(key))
        for want in wanted:
            key = _key(want.listener)
            port = self._open.get(key)
            if port is None:
                self._open[key] = _opened(bound[key], want, self._lane_poller())
            else:
                _swap(port, want)

    def renew_certificates(self, generation: Generation) -> None:
        """Load the certificates of this generation anew, for connections that come from now on.

        Raises:
            ConfigError: One cannot be used; nothing is changed then.
        """
        renewed = {
            _key(listener): context
            for server, _answer, _options in generation.sites
            if (context := make_context(server)) is not None
            for listener in server.listeners
        }
        for key, context in renewed.items():
            if key in self._open:
                self._open[key].door.tls = context

    def _lane_poller(self) -> Poller:
        if self._poller is None:
            self._poller = make_poller(asyncio.get_running_loop())
        return self._poller

    def _retire(self, port: _Port) -> None:
        port.acceptor.stop()
        port.door.lane.close()
        self._retired.append(port)

    async def close(self, timeout: float) -> None:
        """Accept no more, wait for the requests in flight, then close every HTTP connection.

        Args:
            timeout: Seconds the requests have.
        """
        for port in self._open.values():
            self._retire(port)
        self._open.clear()
        retired, self._retired = self._retired, []
        await asyncio.gather(*(_drain(port, timeout) for port in retired))
        if self._poller is not None:
            self._poller.close()
            self._poller = None


def unbind(bound: dict[tuple[str, str, int], list[socket.socket]]) -> None:
    """Give sockets of ``Ports.bind`` up that will not be used."""
    for sockets in bound.values():
        for sock in sockets:
            sock.close()


def _opened(sockets: Sequence[socket.socket], want: Wanted, poller: Poller) -> _Port:
    door = HttpDoor(want.server, want.tls, poller)
    door.lane.follow(want.lane)
    acceptor = Acceptor(sockets, door.serve)
    acceptor.start()
    for place in dict.fromkeys(_place(address, want) for address in acceptor.addresses):
        logger.info("listening on %s", place)
    _tell_of_shut_lanes(want)
    return _Port(acceptor, door, want.front)


def _place(address: Any, want: Wanted) -> str:
    """Where to point a browser."""
    if not isinstance(address, tuple):
        return f"unix/{address}"
    scheme = "https" if want.tls is not None else "http"
    purpose = "" if want.front is not None else ", for publishing"
    if address[0] in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        return f"{scheme}://localhost:{address[1]} (all interfaces{purpose})"
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    return f"{scheme}://{host}:{address[1]}{purpose}"


def _swap(port: _Port, want: Wanted) -> None:
    """New connections get the new server; requests on open ones get the new sites from their next one on."""
    if port.front is not None and want.front is not None:
        port.front.answer, port.front.options = want.front.answer, want.front.options
        want.server.request_callback = port.front
        want.front = port.front
    port.front = want.front
    port.door.server, port.door.tls = want.server, want.tls
    port.door.lane.follow(want.lane)
    _tell_of_shut_lanes(want)


def _tell_of_shut_lanes(want: Wanted) -> None:
    for reason in want.lane.shut:
        logger.info("no fast lane on %s for %s", want.listener, reason)


async def _drain(port: _Port, timeout: float) -> None:
    if port.front is not None:
        await port.front.drain(timeout)
        await port.front.cancel()
    await port.door.server.close_all_connections()
