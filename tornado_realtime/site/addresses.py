"""Site addresses and the sockets they ask for: ``[scheme://][host][:port][/path]``."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from tornado_realtime.caddyfile.directive import Token
from tornado_realtime.caddyfile.names import did_you_mean

_SCHEMES = ("", "http", "https")
_PLACEHOLDER = re.compile(r"(\{[^{}]*\})")


@dataclass(frozen=True, slots=True)
class Address:
    """One site address.

    Attributes:
        token: As written.
        scheme: ``http``, ``https`` or empty.
        host: Lower case, without brackets; empty for every host.
        port: As given; None when it follows from the scheme.
        path: Deprecated: only requests for this path; empty for all.
    """

    token: Token
    scheme: str = ""
    host: str = ""
    port: int | None = None
    path: str = ""

    def listen_port(self, http_port: int, https_port: int) -> int:
        """The port to listen on.

        Raises:
            ConfigError: When the scheme contradicts it.
        """
        default = http_port if self.scheme == "http" else https_port
        port = default if self.port is None else self.port
        if (self.scheme, port) in (("http", https_port), ("https", http_port)):
            other = "https" if self.scheme == "http" else "http"
            raise self.token.error(
                f"address {self.token.text}: {self.scheme}:// cannot use port {port}, the {other} port"
            )
        return port


@dataclass(frozen=True, slots=True, order=True)
class Listener:
    """Where to listen.

    Attributes:
        host: Host name or address to bind; empty for all interfaces. For a Unix socket its path.
        port: 1..65535; 0 lets the system choose. Not used for a Unix socket.
        network: ``tcp`` or ``unix``.
        mode: For a Unix socket: its permission bits; None leaves them to the umask.
    """

    host: str
    port: int
    network: str = "tcp"
    mode: int | None = None

    def __str__(self) -> str:
        if self.network == "unix":
            return f"unix/{self.host}" + ("" if self.mode is None else f"|{self.mode:04o}")
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class BindSpec:
    """One ``bind`` or ``default_bind`` line: hosts or Unix sockets to bind instead of all interfaces."""

    hosts: tuple[Token, ...]


def parse_address(token: Token) -> Address:
    """Take a site address apart.

    Raises:
        ConfigError: When its scheme or port cannot be, or it has no sense.
    """
    text = token.text.strip()
    scheme, found, rest = text.partition("://")
    if not found:
        scheme, rest = "", text
    _check_scheme(token, scheme.lower())
    authority, slash, path = rest.partition("/")
    host, port = _split_host_port(token, authority)
    if not (scheme or authority or slash):
        raise token.error("empty site address")
    return Address(token, _lower(scheme), _normal_host(_lower(host)), port, slash + path)


def _check_scheme(token: Token, scheme: str) -> None:
    if scheme in ("ws", "wss"):
        plain = "http" if scheme == "ws" else "https"
        raise token.error(f"{scheme}:// is a scheme for browsers only; write {plain}:// here")
    if scheme not in _SCHEMES:
        raise token.error(f"unknown scheme {scheme}:// in a site address{did_you_mean(scheme, _SCHEMES[1:])}")


def _split_host_port(token: Token, authority: str) -> tuple[str, int | None]:
    if authority.startswith("["):
        host, closed, rest = authority[1:].partition("]")
        if not closed or (rest and not rest.startswith(":")):
            raise token.error(f"address {token.text}: an IPv6 address is written [ADDRESS] or [ADDRESS]:PORT")
        return host, _port(token, rest[1:])
    if _outside_braces(authority).count(":") != 1:
        return authority, None
    host, _, port = authority.rpartition(":")
    return host, _port(token, port)


def _outside_braces(text: str) -> str:
    return _PLACEHOLDER.sub("", text)


def _port(token: Token, text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.removeprefix("-").isdigit() and len(text) < 12):
        raise token.error(f"address {token.text}: invalid port {text!r}; write a number from 0 to 65535")
    if not 0 <= int(text) <= 65535:
        raise token.error(
            f"address {token.text}: port {text} is out of range; write a number from 0 to 65535"
        )
    return int(text)


def _lower(text: str) -> str:
    """Lower case, but not inside ``{...}``: names of placeholders keep their case."""
    return "".join(part if part.startswith("{") else part.lower() for part in _PLACEHOLDER.split(text))


def _normal_host(host: str) -> str:
    try:
        return str(ipaddress.IPv6Address(host))
    except ValueError:
        return host


def parse_bind_host(token: Token, port: int) -> Listener:
    """One word of ``bind`` together with the site's port.

    ``tcp/HOST`` and ``HOST`` are the same; ``unix//path|0222`` is a Unix socket with permission bits.

    Raises:
        ConfigError: When it names a port or a network that cannot be used here.
    """
    network, slash, rest = token.text.partition("/")
    if not slash:
        return Listener(_bind_host(token, token.text), port)
    if network in ("tcp", "tcp4", "tcp6"):
        return Listener(_bind_host(token, rest), port)
    if network == "unix":
        path, _, mode = rest.partition("|")
        return Listener(path, 0, "unix", _socket_mode(token, mode))
    raise token.error(
        f"bind {token.text}: network {network} is not supported; use a host, tcp/HOST or unix//PATH"
    )


def _socket_mode(token: Token, text: str) -> int | None:
    if not text:
        return None
    if not (3 <= len(text) <= 4 and set(text) <= set("01234567")):
        raise token.error(
            f"bind {token.text}: {text!r} is not a file mode: write an octal number such as 0222"
        )
    return int(text, 8)


def _bind_host(token: Token, text: str) -> str:
    host = text.removeprefix("[").removesuffix("]")
    if text.startswith("[") != text.endswith("]") or (":" in host and not _is_ipv6(host)):
        raise token.error(
            f"bind {token.text}: write a host without a port; the port comes from the site address"
        )
    return host


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True


def specificity(text: str) -> int:
    """How much a host or path pattern pins down: its length without wildcards and placeholders."""
    return len(_PLACEHOLDER.sub("", text).replace("*", ""))
