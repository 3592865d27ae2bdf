"""Addresses of other servers, as reverse_proxy and php_fastcgi name them."""

from __future__ import annotations

from dataclasses import dataclass

from tornado_realtime.caddyfile.directive import Token
from tornado_realtime.errors import ConfigError

_PORTS = {"": "80", "http": "80", "h2c": "80", "https": "443"}


@dataclass(frozen=True, slots=True)
class Upstream:
    """One server to ask.

    Attributes:
        scheme: ``http``, ``https`` or empty.
        host: Name or address without brackets; may have placeholders. For a Unix socket its path.
        port: A number or a placeholder; empty for a Unix socket, or when the host is a placeholder that
            brings its own.
        network: ``tcp`` or ``unix``.
    """

    scheme: str
    host: str
    port: str
    network: str = "tcp"

    def __str__(self) -> str:
        if self.network == "unix":
            return f"unix/{self.host}"
        host = f"[{self.host}]" if ":" in self.host and "{" not in self.host else self.host
        return f"{host}:{self.port}" if self.port else host


def parse_upstream(token: Token) -> Upstream:
    """Read ``host``, ``host:port``, ``:port``, ``scheme://host:port`` or ``unix//path``.

    Raises:
        ConfigError: When it is none of them, or its scheme is not supported.
    """
    scheme, found, rest = token.text.partition("://")
    if found:
        return _with_scheme(token, scheme.lower(), rest)
    network, slash, path = token.text.partition("/")
    if slash and network == "unix":
        return Upstream("", path, "", "unix")
    if slash and network not in ("tcp", "tcp4", "tcp6"):
        raise _bad(token, "write HOST:PORT without a path, http://HOST:PORT or unix//PATH")
    return _host_and_port(token, "", path if slash else token.text)


def _with_scheme(token: Token, scheme: str, rest: str) -> Upstream:
    if scheme in ("ws", "wss"):
        raise _bad(token, f"{scheme}:// is for browsers only; write http{scheme[2:]}://")
    if scheme == "h2c":
        raise _bad(token, "HTTP/2 to upstreams is not supported; write http://")
    if scheme not in ("http", "https"):
        raise _bad(token, "the scheme must be http or https")
    if "{" in rest:
        raise _bad(token, "placeholders cannot be used together with a scheme")
    if set(rest) & set("/?#"):
        raise _bad(token, "only scheme, host and port are allowed here; use rewrite for the path")
    upstream = _host_and_port(token, scheme, rest)
    if (scheme, upstream.port) in (("http", "443"), ("https", "80")):
        raise _bad(token, f"scheme {scheme}:// contradicts port {upstream.port}")
    return upstream


def _host_and_port(token: Token, scheme: str, text: str) -> Upstream:
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    elif text.count(":") == 1 or (":" in text and "{" in text):
        host, _, port = text.rpartition(":")
    else:
        host, port = text, ""
    if not port and "{" not in host:
        port = _PORTS[scheme]
    if not host and not token.text.startswith(":"):
        raise _bad(token, "the host is missing")
    _check_port(token, port)
    return Upstream(scheme, host or "localhost", port)


def _check_port(token: Token, port: str) -> None:
    if "-" in port and "{" not in port:
        raise _bad(token, "ranges of ports are known but not supported; name each upstream")
    if port and "{" not in port and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) <= 65535):
        raise _bad(token, f"{port!r} is no port")


def _bad(token: Token, way_out: str) -> ConfigError:
    return token.error(f"upstream {token.text}: {way_out}")
