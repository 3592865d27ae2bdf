"""Which server is measured, and whether it may be."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from tornado_realtime.errors import BenchError
from tornado_realtime.peers import is_loopback

_SECURE = {"http": False, "ws": False, "https": True, "wss": True}


@dataclass(frozen=True, slots=True)
class Target:
    """A server.

    Attributes:
        is_secure: Whether it speaks TLS.
        host: As in the URL, without brackets; sent as Host.
        port: Its port.
        prefix: What stands before both paths; empty or beginning with a slash.
        socket_path: Where WebSocket clients connect, after the prefix.
        publish_path: Where messages are published, after the prefix.
        publish_port: Where that is, if not at ``port``.
    """

    is_secure: bool
    host: str
    port: int
    prefix: str = ""
    socket_path: str = "/ws"
    publish_path: str = "/internal/broadcast"
    publish_port: int = 0

    @property
    def authority(self) -> str:
        """Host and port as in a Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_secure else 80) else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{'https' if self.is_secure else 'http'}://{self.authority}{self.prefix}"


def parse_target(url: str) -> Target:
    """The server at ``url``: http, https, ws or wss; its path is a prefix of both paths.

    Raises:
        BenchError: It is no such URL.
    """
    parts = urlsplit(url if "//" in url else f"http://{url}")
    try:
        port = parts.port
    except ValueError:
        port = 0
    if parts.scheme not in _SECURE or not parts.hostname or port == 0 or parts.query or parts.fragment:
        raise BenchError(f"{url!r} is no server: write something like http://localhost:8080")
    is_secure = _SECURE[parts.scheme]
    return Target(is_secure, parts.hostname, port or (443 if is_secure else 80), parts.path.rstrip("/"))


def address_of(target: Target, anywhere: bool = False) -> str:
    """The address to connect to.

    Args:
        target: The server.
        anywhere: Whether it may be another machine.

    Raises:
        BenchError: The host is not known; or an address of it is not this machine's own loopback,
            and ``anywhere`` was not said.
    """
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise BenchError(f"the host {target.host} is not known") from error
    addresses = [str(entry[4][0]) for entry in found]
    if not anywhere and not all(map(is_loopback, addresses)):
        raise BenchError(
            f"{target.host} is not this machine: a load test of a server that is not yours is an attack. "
            "If it is yours, and nobody else's network is between, say --i-own-this-server"
        )
    return _listening(addresses, target)


def _listening(addresses: list[str], target: Target) -> str:
    """The first address where somebody listens."""
    reason: OSError | None = None
    for address in addresses:
        try:
            socket.create_connection((address, target.port), timeout=5).close()
            return address
        except OSError as error:
            reason = error
    said = reason.strerror if reason is not None and reason.strerror else "it takes too long"
    raise BenchError(f"nobody answers at {target}: {said}") from reason
