"""What the operator wrote as ``redis_address``, read once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from ipaddress import IPv6Address
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple, NoReturn
from urllib.parse import parse_qsl, unquote

from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection, UnixDomainSocketConnection

from tornado_realtime.errors import ConfigError

Value = str | int | bool
Kind = Callable[..., AbstractConnection]

FORMS = (
    "HOST:PORT, redis://, rediss://, unix://, sentinel://HOST:PORT,HOST:PORT/MASTER "
    "or redis-cluster://HOST:PORT,HOST:PORT"
)
MASTER = re.compile(r"[A-Za-z0-9._-]+")  # what Sentinel takes as a name
FILES = ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile")
SECRETS = ("password", "ssl_password", "sentinel_password")
URL = re.compile(r"(?P<scheme>[^:/?#]*)://(?P<netloc>[^/?#]*)(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?")
PLACE = re.compile(r"(?:\[(?P<v6>[^\[\]]*)\]|(?P<host>[^:\[\]]*))(?::(?P<port>[^:]*))?")


class Place(NamedTuple):
    """Where something listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Scheme:
    """What the part before ``://`` says.

    Attributes:
        kind: The class of connection that redis-py offers for it.
        form: One server, or a list of hosts that know where the servers are.
        port: The one that is meant where none is written.
    """

    kind: Kind
    form: Literal["server", "sentinel", "cluster"] = "server"
    port: int = 6379


SCHEMES: Mapping[str, Scheme] = MappingProxyType(
    {
        "redis": Scheme(Connection),
        "rediss": Scheme(SSLConnection),
        "unix": Scheme(UnixDomainSocketConnection),
        "sentinel": Scheme(Connection, "sentinel", 26379),
        "sentinels": Scheme(SSLConnection, "sentinel", 26379),
        "redis-cluster": Scheme(Connection, "cluster"),
        "rediss-cluster": Scheme(SSLConnection, "cluster"),
    }
)
TLS_SCHEMES = {"redis": "rediss", "sentinel": "sentinels", "redis-cluster": "rediss-cluster"}


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """Where Redis is, and how to log in there.

    Attributes:
        shown: The address for logs and errors: no user, no password, no parameters.
        scheme: How it is reached.
        options: Keyword arguments of the connection; of a list of hosts without host and port.
        places: The hosts that are listed: Sentinels, or some nodes of a cluster. Else empty.
        master: Name of what the Sentinels watch.
        sentinel_options: Keyword arguments of connections to Sentinels, without host and port.
        role: What the server there must say that it is; empty for anything.
    """

    shown: str
    scheme: Scheme
    options: Mapping[str, Value] = field(repr=False)
    places: tuple[Place, ...] = ()
    master: str = ""
    sentinel_options: Mapping[str, Value] = field(default_factory=dict, repr=False)
    role: str = ""

    def connection(self, **limits: float | None) -> AbstractConnection:
        """A connection that is not open yet, in the second protocol version (every Redis knows it)."""
        return self.scheme.kind(**self.options, **limits, protocol=2)

    def at(self, place: Place) -> RedisAddress:
        """The server at ``place``, with the same login."""
        return self._single(place, self.options, "master" if self.master else "")

    def sentinel(self, place: Place) -> RedisAddress:
        """The Sentinel at ``place``."""
        return self._single(place, self.sentinel_options, "")

    def _single(self, place: Place, options: Mapping[str, Value], role: str) -> RedisAddress:
        found = MappingProxyType({**options, "host": place.host, "port": place.port})
        return RedisAddress(str(place), Scheme(self.scheme.kind), found, role=role)

    def check_files(self) -> None:
        """Make sure that what the parameters name is there.

        Raises:
            ConfigError: It is not.
        """
        for name in FILES:
            value = self.options.get(name)
            if value and not Path(str(value)).exists():
                raise ConfigError(f"redis_address: {name} names {str(value)!r}, which does not exist")

    def without_secrets(self, text: str) -> str:
        """``text`` as it may be logged: Redis repeats arguments in some of its errors."""
        text = text.partition(", with args beginning with")[0]
        for secret in [
            options.get(name) for options in (self.options, self.sentinel_options) for name in SECRETS
        ]:
            text = text.replace(str(secret), "***") if secret else text
        return text


def parse_address(text: str) -> RedisAddress:
    """Read ``redis_address``.

    Args:
        text: Empty for localhost:6379, ``HOST``, ``HOST:PORT``, ``[IPV6]:PORT``,
            ``redis://[USER:PASSWORD@]HOST[:PORT][/DB]``, or ``unix://[USER:PASSWORD@]/PATH``;
            ``sentinel://[USER:PASSWORD@]HOST[:PORT],.../MASTER``, where user and password are the
            master's, or ``redis-cluster://[USER:PASSWORD@]HOST[:PORT],...``. ``rediss://``,
            ``sentinels://`` and ``rediss-cluster://`` mean the same over TLS. All but the first three
            may carry ``?db=`` and the parameters in ``PARAMETERS``.

    Raises:
        ConfigError: Without a place, which the caller knows. The message never repeats what may
            hold a password.
    """
    url = _split(text)
    scheme = SCHEMES[url["scheme"]]
    options = _parameters(url["scheme"], scheme, url["query"] or "")
    login, _, netloc = url["netloc"].rpartition("@")
    options.update(_login(login))
    if url["scheme"] == "unix":
        options["path"] = _socket_path(netloc, url["path"])
        return RedisAddress(f"unix:{options['path']}", scheme, MappingProxyType(options))
    if scheme.form == "server":
        place = _place(netloc, scheme)
        options.update(host=place.host, port=place.port)
        if url["path"] not in ("", "/"):
            options["db"] = _database(url["path"][1:])
        return RedisAddress(str(place), scheme, MappingProxyType(options))
    return _listed(scheme, netloc, url["path"], options)


def _listed(scheme: Scheme, netloc: str, path: str, options: dict[str, Value]) -> RedisAddress:
    places = tuple(_place(text, scheme) for text in netloc.split(","))
    shown = ",".join(map(str, places))
    if scheme.form == "cluster":
        if path not in ("", "/") or "db" in options:
            _refuse("a cluster has no databases")
        return RedisAddress(shown, scheme, MappingProxyType(options), places)
    master = unquote(path[1:])
    if not MASTER.fullmatch(master):
        _refuse("the name of the master is missing or none: write sentinel://HOST:PORT,HOST:PORT/MASTER")
    logins = {name: options.pop(f"sentinel_{name}", "") for name in ("username", "password")}
    tls = {name: value for name, value in options.items() if name.startswith("ssl_")}
    found = MappingProxyType({name: value for name, value in logins.items() if value} | tls)
    return RedisAddress(f"{master} ({shown})", scheme, MappingProxyType(options), places, master, found)


def _split(text: str) -> Mapping[str, str]:
    if any(letter.isspace() or not letter.isprintable() for letter in text):
        _refuse("it contains a space or an unprintable character")
    if "://" not in text:
        if any(letter in text for letter in "@/?#"):
            _refuse(
                "user, password, database and parameters need the form redis://USER:PASSWORD@HOST:PORT/DB"
            )
        text = f"redis://{text}"
    url = URL.fullmatch(text)
    if url is None or "@" in (url["query"] or ""):
        _refuse("it contains a # or ? that does not belong there; in a password they are written %23 and %3F")
    if url["scheme"] not in SCHEMES:
        near = get_close_matches(url["scheme"], SCHEMES, 1)
        _refuse(
            f"the scheme must be one of {', '.join(SCHEMES)}" + (f"; did you mean {near[0]}?" if near else "")
        )
    return url.groupdict()


def _place(text: str, scheme: Scheme) -> Place:
    if "," in text:
        _refuse("several hosts need sentinel://HOST:PORT,HOST:PORT/MASTER or redis-cluster://")
    found = PLACE.fullmatch(text)
    if found is None and "[" not in text and "]" not in text:
        _refuse("an IPv6 address is written in brackets, as in [::1]:6379")
    try:
        host = str(IPv6Address(unquote(found["v6"]))) if found and found["v6"] is not None else ""
    except ValueError:
        found = None
    if found is None:
        _refuse("the part in [brackets] is not an IPv6 address")
    host = host or unquote(found["host"]).lower()
    if not host and scheme.form != "server":
        _refuse("a host is missing in the list")
    return Place(host or "localhost", _port(found["port"], scheme))


def _port(text: str | None, scheme: Scheme) -> int:
    if not text:
        return scheme.port
    port = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
    if not 0 < port < 65536:
        _refuse("the port is not a number from 1 to 65535 (in a password / is written %2F, ? %3F and # %23)")
    return port


def _socket_path(netloc: str, path: str) -> str:
    path = unquote(path)
    if netloc or not path.strip("/"):
        _refuse("a Unix socket is written unix:///PATH with three slashes")
    return path


def _login(text: str) -> dict[str, Value]:
    username, _, password = text.partition(":")
    login = {"username": username, "password": password}
    return {name: unquote(value) for name, value in login.items() if value}


def _parameters(name_of_scheme: str, scheme: Scheme, query: str) -> dict[str, Value]:
    options: dict[str, Value] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in PARAMETERS:
            near = get_close_matches(name, PARAMETERS, 1)
            _refuse(f"unknown parameter {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
        if name.startswith("ssl_") and scheme.kind is not SSLConnection:
            _refuse(f"the parameter {name!r} needs {TLS_SCHEMES.get(name_of_scheme, 'rediss')}://")
        if name.startswith("sentinel_") and scheme.form != "sentinel":
            _refuse(f"the parameter {name!r} needs sentinel://")
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
        "sentinel_username": _text,
        "sentinel_password": _text,
    }
)
