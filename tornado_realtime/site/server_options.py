"""The global option ``servers``: time limits, sizes and whom to trust, for all servers or one listener."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from tornado_realtime.caddyfile.directive import Directive, Token
from tornado_realtime.peers import PRIVATE_RANGES, Network, parse_network
from tornado_realtime.site.arguments import (
    choice,
    converted,
    expect,
    flag,
    no_block,
    one_word,
    seconds,
    size_bytes,
    some_words,
    unknown,
    wrong_count,
)
from tornado_realtime.site.logspec import Warn


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How one server treats its connections.

    Attributes:
        directive: Where it was written; None for the defaults.
        address: The listener it is for, as ``:8080``; empty for every server that has no options of its own.
        name: Name for logs and reports; empty for the default one.
        read_body: Seconds a request body may take; None without limit.
        read_header: Seconds a request head may take; None for the server's default.
        write: Seconds an answer may take; None without limit.
        idle: Seconds a kept connection may wait for its next request; None for the default, 5 minutes.
        max_header_bytes: Largest request head; None for the server's default.
        trusted_proxies: Networks whose forwarding headers are believed.
        trusted_proxies_strict: Whether to read those headers from the right, stopping at the first
            address that is not trusted.
        client_ip_headers: Headers that carry the client's address, first that has one wins.
        log_credentials: Whether access logs show Cookie and Authorization.
    """

    directive: Directive | None = None
    address: str = ""
    name: str = ""
    read_body: float | None = None
    read_header: float | None = None
    write: float | None = None
    idle: float | None = None
    max_header_bytes: int | None = None
    trusted_proxies: tuple[Network, ...] = ()
    trusted_proxies_strict: bool = False
    client_ip_headers: tuple[str, ...] = ("X-Forwarded-For",)
    log_credentials: bool = False


def parse_servers(line: Directive, warn: Warn) -> ServerOptions:
    """Read ``servers [ADDRESS] { ... }``.

    Raises:
        ConfigError: For an option that does not exist, or a wrong value.
    """
    words = expect(line, 0, 1, "servers [ADDRESS] { ... }")
    options = ServerOptions(line, words[0] if words else "")
    for option in line.block or ():
        read = _READERS.get(option.word)
        if read is not None:
            options = read(options, option, warn)
        elif option.word in _WITHOUT_EFFECT:
            warn(option.name, f"servers option {option.word} has no effect here")
        else:
            raise unknown(option.name, "servers option", (*_READERS, *_WITHOUT_EFFECT))
    return options


def _name(options: ServerOptions, line: Directive, warn: Warn) -> ServerOptions:
    if not options.address:
        raise line.error("a server's name needs an address: write servers ADDRESS { name NAME }")
    return replace(options, name=one_word(line, "name NAME"))


def _timeouts(options: ServerOptions, line: Directive, warn: Warn) -> ServerOptions:
    expect(line, 0, 0, "timeouts { read_header 10s }")
    for option in line.block or ():
        if option.word in _LACKING_TIMEOUTS:
            warn(option.name, f"timeouts option {option.word} has no effect here")
            continue
        if option.word not in _TIMEOUTS:
            raise unknown(option.name, "timeouts option", _TIMEOUTS)
        one_word(option, f"{option.word} 10s")
        options = replace(options, **{option.word: seconds(option.args[0])})  # type: ignore[arg-type]
    return options


def _max_header_size(options: ServerOptions, line: Directive, warn: Warn) -> ServerOptions:
    one_word(line, "max_header_size 1MiB")
    return replace(options, max_header_bytes=size_bytes(line.args[0]))


def _trusted_proxies(options: ServerOptions, line: Directive, warn: Warn) -> ServerOptions:
    no_block(line)
    if not line.args:
        raise wrong_count(line, "trusted_proxies static NETWORK...")
    choice(line.args[0], "source of trusted proxies", ("static",))
    networks = tuple(network for token in line.args[1:] for network in parse_networks(token))
    return replace(options, trusted_proxies=(*options.trusted_proxies, *networks))


def parse_networks(token: Token) -> tuple[Network, ...]:
    """The networks that one word stands for: an address, ``ADDRESS/BITS``, or ``private_ranges``.

    Raises:
        ConfigError: When it is none of them.
    """
    if token.text == "private_ranges":
        return tuple(parse_network(network) for network in PRIVATE_RANGES)
    return (converted(token, parse_network),)


def _client_ip_headers(options: ServerOptions, line: Directive, warn: Warn) -> ServerOptions:
    headers = some_words(line, "client_ip_headers NAME...")
    if len({header.lower() for header in headers}) < len(headers):
        raise line.error("a client IP header is given twice")
    return replace(options, client_ip_headers=headers)


def _protocols(options: ServerOptions, line: Directive, warn: Warn) -> ServerOptions:
    no_block(line)
    protocols = tuple(choice(token, "protocol", ("h1", "h2", "h2c", "h3")) for token in line.args)
    if len(set(protocols)) < len(protocols):
        raise line.error("a protocol is given twice")
    if protocols and "h1" not in protocols:
        warn(line.name, "this server speaks HTTP/1.1 only; protocols has no effect")
    return options


def _strict(options: ServerOptions, line: Directive, warn: Warn) -> ServerOptions:
    return replace(options, trusted_proxies_strict=flag(line))


def _log_credentials(options: ServerOptions, line: Directive, warn: Warn) -> ServerOptions:
    return replace(options, log_credentials=flag(line))


_Reader = Callable[[ServerOptions, Directive, Warn], ServerOptions]
_TIMEOUTS = ("read_body", "read_header", "write", "idle")
_LACKING_TIMEOUTS = ("read_body_idle", "write_idle", "write_max_chunk")
_READERS: dict[str, _Reader] = {
    "name": _name,
    "timeouts": _timeouts,
    "max_header_size": _max_header_size,
    "trusted_proxies": _trusted_proxies,
    "trusted_proxies_strict": _strict,
    "client_ip_headers": _client_ip_headers,
    "protocols": _protocols,
    "log_credentials": _log_credentials,
}
_WITHOUT_EFFECT = (
    "0rtt",
    "enable_full_duplex",
    "expected_dot_headers",
    "expected_underscore_headers",
    "keepalive_count",
    "keepalive_idle",
    "keepalive_interval",
    "listener_wrappers",
    "metrics",
    "packet_conn_wrappers",
    "strict_sni_host",
    "trace",
    "trusted_proxies_unix",
)
