"""What the operator wrote as ``redis_address``, read once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import MappingProxyType
from typing import NoReturn
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection, UnixDomainSocketConnection

from tornado_realtime.errors import ConfigError

Value = str | int | bool

DEFAULT_PORT = 6379
FORMS = "HOST:PORT, redis://, rediss:// or unix://"
KINDS: Mapping[str, Callable[..., AbstractConnection]] = MappingProxyType(
    {"redis": Connection, "rediss": SSLConnection, "unix": UnixDomainSocketConnection}
)


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """Where Redis is, and how to log in there.

    Attributes:
        shown: The address for logs and errors: no user, no password, no parameters.
        kind: The class of connection that redis-py offers for it.
        options: Keyword arguments of ``kind``.
    """

    shown: str
    kind: Callable[..., AbstractConnection]
    options: Mapping[str, Value] = field(repr=False)

    def connection(self, **limits: float | None) -> AbstractConnection:
        """A connection that is not open yet, in the second protocol version (every Redis knows it)."""
        return self.kind(**self.options, **limits, protocol=2)

    def without_secrets(self, text: str) -> str:
        """``text`` as it may be logged: Redis repeats arguments in some of its errors."""
        text = text.partition(", with args beginning with")[0]
        for name in ("password", "ssl_password"):
            secret = self.options.get(name)
            text = text.replace(str(secret), "***") if secret else text
        return text


def parse_address(text: str) -> RedisAddress:
    """Read ``redis_address``.

    Args:
        text: Empty for localhost:6379, ``HOST``, ``HOST:PORT``, ``[IPV6]:PORT``,
            ``redis://[USER:PASSWORD@]HOST[:PORT][/DB]``, ``rediss://`` likewise over TLS, or
            ``unix://[USER:PASSWORD@]/PATH``; the last three may carry ``?db=`` and the parameters
            in ``PARAMETERS``.

    Raises:
        ConfigError: Without a place, which the caller knows. The message never repeats what may
            hold a password.
    """
    url = _split(text)
    options = _parameters(url)
    options.update(_login(url))
    if url.scheme == "unix":
        options["path"] = _socket_path(url)
        return RedisAddress(f"unix:{options['path']}", KINDS["unix"], MappingProxyType(options))
    options["host"], options["port"] = unquote(url.hostname or "localhost"), _port(url)
    if url.path not in ("", "/"):
        options["db"] = _database(url.path[1:])
    return RedisAddress(_shown(options), KINDS[url.scheme], MappingProxyType(options))


def _split(text: str) -> SplitResult:
    if any(letter.isspace() or not letter.isprintable() for letter in text):
        _refuse("it contains a space or an unprintable character")
    if "://" not in text:
        if any(letter in text for letter in "@/?#"):
            _refuse(
                "user, password, database and parameters need the form redis://USER:PASSWORD@HOST:PORT/DB"
            )
        text = f"redis://{text or 'localhost'}"
    try:
        url = urlsplit(text)
    except ValueError:
        _refuse("the part in [brackets] is not an IPv6 address")
    if url.scheme not in KINDS:
        near = get_close_matches(url.scheme, KINDS, 1)
        _refuse(
            f"the scheme must be one of {', '.join(KINDS)}" + (f"; did you mean {near[0]}?" if near else "")
        )
    if url.fragment or "@" in url.query:
        _refuse("it contains a # or ? that does not belong there; in a password they are written %23 and %3F")
    return url


def _port(url: SplitResult) -> int:
    place = url.netloc.rpartition("@")[2]
    if "[" not in place and place.count(":") > 1:
        _refuse("an IPv6 address is written in brackets, as in [::1]:6379")
    try:
        port = DEFAULT_PORT if url.port is None else url.port
    except ValueError:
        port = 0
    if not port:
        _refuse("the port is not a number from 1 to 65535 (in a password / is written %2F, ? %3F and # %23)")
    return port


def _socket_path(url: SplitResult) -> str:
    path = unquote(url.path)
    if url.hostname or not path.strip("/"):
        _refuse("a Unix socket is written unix:///PATH with three slashes")
    return path


def _login(url: SplitResult) -> dict[str, Value]:
    login = {"username": url.username, "password": url.password}
    return {name: unquote(value) for name, value in login.items() if value}


def _parameters(url: SplitResult) -> dict[str, Value]:
    options: dict[str, Value] = {}
    for name, value in parse_qsl(url.query, keep_blank_values=True):
        if name not in PARAMETERS:
            near = get_close_matches(name, PARAMETERS, 1)
            _refuse(f"unknown parameter {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
        if name.startswith("ssl_") and url.scheme != "rediss":
            _refuse(f"the parameter {name!r} needs rediss://")
        options[name] = PARAMETERS[name](value)
    return options


def _database(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        _refuse("the database is a number, as in redis://localhost:6379/0")
    return int(text)


def _text(text: str) -> str:
    return text or _refuse("a parameter is empty")


def _switch(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        _refuse("ssl_check_hostname is true or false")
    return text.lower() == "true"


def _requirement(text: str) -> str:
    if text not in ("none", "optional", "required"):
        _refuse("ssl_cert_reqs is none, optional or required")
    return text


def _shown(options: Mapping[str, Value]) -> str:
    host = f"[{options['host']}]" if ":" in str(options["host"]) else options["host"]
    return f"{host}:{options['port']}"


def _refuse(reason: str) -> NoReturn:
    raise ConfigError(f"redis_address is no usable address: {reason}. Forms: {FORMS}")


PARAMETERS: Mapping[str, Callable[[str], Value]] = MappingProxyType(
    {
        "db": _database,
        "username": _text,
        "password": _text,
        "client_name": _text,
        "ssl_ca_certs": _text,
        "ssl_ca_path": _text,
        "ssl_certfile": _text,
        "ssl_keyfile": _text,
        "ssl_password": _text,
        "ssl_cert_reqs": _requirement,
        "ssl_check_hostname": _switch,
    }
)
