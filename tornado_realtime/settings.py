"""The options of go_handler: one table says everything about each of them.

The Caddyfile, the plugin's keyword arguments and the reference page are three readings of ``OPTIONS``.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, IPv6Network
from typing import Any
from urllib.parse import urlsplit

from tornado_realtime.caddyfile.directive import Directive, Token
from tornado_realtime.errors import ConfigError
from tornado_realtime.peers import PRIVATE_RANGES, Network, parse_network
from tornado_realtime.units import parse_duration, parse_size

DEFAULT_AUTH_ENDPOINT = "http://localhost:8080/auth.php"
JWT_SECRET_BYTES = 32
_LISTEN = re.compile(r"(?:[^\s:/\[\]]*|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})")


@dataclass(frozen=True, slots=True)
class Settings:
    """One realtime instance, validated. Made by ``settings_from_directive`` or ``settings_from_options``.

    The fields up to ``broadcast_listen`` are the options of go_handler (see ``OPTIONS``); the others
    are for Python applications and for the server around the plugin.

    Attributes:
        prefix: Put before both paths, such as ``/realtime``; empty or beginning with a slash.
        socket_path: Where WebSocket clients connect.
        publish_path: Where applications publish.
        trusted_proxies: Peers whose X-Forwarded-For is believed.
        directive: Where it was written; None for a plugin built by keyword arguments.
    """

    driver: str = "memory"
    redis_address: str = ""
    auth_endpoint: str = DEFAULT_AUTH_ENDPOINT
    auth_timeout: float = 5.0
    jwt_secret: str = field(default="", repr=False)
    broadcast_secret: str = field(default="", repr=False)
    broadcast_listen: str = ""
    allowed_origins: tuple[str, ...] = ()
    wire: str = "raw"
    max_message_size_bytes: int = 512
    max_publication_size_bytes: int = 1024 * 1024
    send_queue_frames: int = 256
    send_queue_bytes: int = 1024 * 1024
    slow_consumer: str = "disconnect"
    prefix: str = ""
    socket_path: str = "/ws"
    publish_path: str = "/internal/broadcast"
    trusted_proxies: tuple[Network, ...] = ()
    directive: Directive | None = field(default=None, compare=False, repr=False)
    given: frozenset[str] = field(default=frozenset(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Option:
    """One option of go_handler.

    Attributes:
        name: As written.
        convert: From its words to the Settings fields it sets; raises ValueError with a message that
            says what would be right.
        most: Most words it takes; at least one is always needed. 0 for any number.
        block: The options in its braces; an option with a block takes no words.
        words: How the words are called in the reference.
        default: As one would write it; empty when there is none.
        purpose: One sentence for the reference.
    """

    name: str
    convert: Callable[[Sequence[str]], dict[str, Any]]
    words: str
    default: str
    purpose: str
    most: int = 1
    block: tuple[Option, ...] = ()


def _one_of(field_name: str, *choices: str) -> Callable[[Sequence[str]], dict[str, Any]]:
    def convert(words: Sequence[str]) -> dict[str, Any]:
        if words[0] not in choices:
            raise ValueError(
                f"must be {' or '.join(choices)}, not {words[0]!r}{_did_you_mean(words[0], choices)}"
            )
        return {field_name: words[0]}

    return convert


def _text(field_name: str) -> Callable[[Sequence[str]], dict[str, Any]]:
    return lambda words: {field_name: words[0]}


def _url(words: Sequence[str]) -> dict[str, Any]:
    try:
        parts = urlsplit(words[0])
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not words[0].isprintable() or " " in words[0]:
        raise ValueError(f"must be an http:// or https:// address, not {words[0]!r}")
    return {"auth_endpoint": words[0]}


def _secret(words: Sequence[str]) -> dict[str, Any]:
    if not words[0]:
        raise ValueError(
            "is empty; set the variable it comes from, or leave the option out to let only this host publish"
        )
    return {"broadcast_secret": words[0]}


def _jwt_secret(words: Sequence[str]) -> dict[str, Any]:
    if len(words[0].encode()) < JWT_SECRET_BYTES:
        raise ValueError(
            f"needs at least {JWT_SECRET_BYTES} bytes for HS256 (RFC 7518 section 3.2); "
            "make one with: openssl rand -hex 32"
        )
    return {"jwt_secret": words[0]}


def _origins(words: Sequence[str]) -> dict[str, Any]:
    for word in words:
        if not word:
            raise ValueError("has an empty origin; write something like https://example.com")
    return {"allowed_origins": tuple(words)}


def _timeout(words: Sequence[str]) -> dict[str, Any]:
    seconds = parse_duration(words[0])
    if seconds <= 0:
        raise ValueError(f"must be longer than nothing, not {words[0]!r}")
    return {"auth_timeout": seconds}


def _size(field_name: str, least: int = 1) -> Callable[[Sequence[str]], dict[str, Any]]:
    def convert(words: Sequence[str]) -> dict[str, Any]:
        size_bytes = parse_size(words[0])
        if size_bytes < least:
            raise ValueError(f"must be at least {least} bytes, not {words[0]!r}")
        return {field_name: size_bytes}

    return convert


def _send_queue(words: Sequence[str]) -> dict[str, Any]:
    if not (words[0].isascii() and words[0].isdigit() and 0 < int(words[0][:10]) <= 1_000_000):
        raise ValueError(f"needs a number of frames from 1 to 1000000, not {words[0]!r}")
    found: dict[str, Any] = {"send_queue_frames": int(words[0])}
    if len(words) > 1:
        found |= _size("send_queue_bytes", 1024)(words[1:])
    return found


def _listen(words: Sequence[str]) -> dict[str, Any]:
    found = _LISTEN.fullmatch(words[0])
    if found is None or not 0 < int(found["port"]) <= 65535:
        raise ValueError(f"needs an address like 127.0.0.1:8081, [::1]:8081 or :8081, not {words[0]!r}")
    return {"broadcast_listen": words[0]}


OPTIONS: tuple[Option, ...] = (
    Option(
        "driver",
        _one_of("driver", "memory", "redis"),
        "memory|redis",
        "memory",
        "What carries publications: `memory` serves one process, `redis` joins many nodes.",
    ),
    Option(
        "redis_address",
        _text("redis_address"),
        "ADDRESS",
        "localhost:6379",
        "Where Redis is, for `driver redis`: `host:port`, `redis://`, `rediss://` or `unix://`.",
    ),
    Option(
        "auth_endpoint",
        _url,
        "URL",
        DEFAULT_AUTH_ENDPOINT,
        "Asked with a GET who the visitor is, before every WebSocket handshake; 200 and "
        '`{"id": "..."}` lets them in.',
    ),
    Option(
        "auth_timeout",
        _timeout,
        "DURATION",
        "5s",
        "How long the auth endpoint may take, redirects included; then the visitor gets 504.",
    ),
    Option(
        "jwt",
        lambda words: {},
        "{ secret SECRET }",
        "",
        "Reads the login here instead of asking `auth_endpoint`: a JWT (HS256) in the cookie `AUTH_TOKEN` or "
        "after `Authorization: Bearer`; `sub` is the user, `exp` ends the connection.",
        block=(
            Option(
                "secret", _jwt_secret, "SECRET", "", "The key the token is signed with, at least 32 bytes."
            ),
        ),
    ),
    Option(
        "broadcast_secret",
        _secret,
        "SECRET",
        "",
        "What publishers must send as `X-Broadcast-Secret`. Without it only this host may publish.",
    ),
    Option(
        "broadcast_listen",
        _listen,
        "ADDRESS",
        "",
        "Moves publishing to a listener of its own; every other one answers 404 for `/internal/*`.",
    ),
    Option(
        "allowed_origins",
        _origins,
        "ORIGIN...",
        "",
        "Origins whose pages may connect, compared exactly. Without it: pages of the same host and port.",
        most=0,
    ),
    Option(
        "wire",
        _one_of("wire", "raw", "envelope"),
        "raw|envelope",
        "raw",
        "What clients without a subprotocol speak: `raw`, as FrankenPHP Realtime's older version, or "
        "`envelope`, as its newer one.",
    ),
    Option(
        "max_message_size",
        _size("max_message_size_bytes"),
        "SIZE",
        "512",
        "Longest message a client may send, over all its fragments; above it: close 1009.",
    ),
    Option(
        "max_publication_size",
        _size("max_publication_size_bytes"),
        "SIZE",
        "1MiB",
        "Longest message that may be published; above it: 413.",
    ),
    Option(
        "send_queue",
        _send_queue,
        "FRAMES [SIZE]",
        "256 1MiB",
        "What may wait for one client's socket; who would exceed it is a slow consumer.",
        most=2,
    ),
    Option(
        "slow_consumer",
        _one_of("slow_consumer", "disconnect", "drop_oldest"),
        "disconnect|drop_oldest",
        "disconnect",
        "What happens to a slow consumer: `disconnect` closes it, `drop_oldest` drops what waited longest.",
    ),
)
"""Everything that may stand in a go_handler block."""

OWN_OPTIONS = ("prefix", "socket_path", "publish_path", "trusted_proxies")
"""What Python applications may set besides; in a Caddyfile the site around go_handler decides it."""


def _did_you_mean(word: str, candidates: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, candidates, n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def settings_from_directive(directive: Directive, more: Sequence[str] = ()) -> Settings:
    """Read a ``go_handler [matcher] { options }`` directive; the matcher is the site's affair.

    Args:
        directive: As parsed.
        more: Names that are options elsewhere, for the suggestion after a misspelt one.

    Raises:
        ConfigError: An option is unknown, repeated, has too few or too many words, a nested block, or
            a value that cannot be used; with file and line.
    """
    values, given = _read(directive, OPTIONS, "go_handler", more)
    return Settings(**values, directive=directive, given=given)


def _read(
    directive: Directive, options: Sequence[Option], of: str, more: Sequence[str] = ()
) -> tuple[dict[str, Any], frozenset[str]]:
    """The fields that a block's options set, and the names of those options."""
    by_name = {option.name: option for option in options}
    values: dict[str, Any] = {}
    seen: dict[str, int] = {}
    for segment in directive.block or ():
        if segment.word in seen:
            raise segment.error(f"{segment.word} is given twice (first in line {seen[segment.word]})")
        seen[segment.word] = segment.line
        option = by_name.get(segment.word)
        if option is None:
            hint = _did_you_mean(segment.word, (*by_name, *more))
            raise segment.error(f"unknown option {segment.word} of {of}{hint}")
        values |= _convert_block(segment, option) if option.block else _convert(segment, option)
    return values, frozenset(seen)


def _convert_block(segment: Directive, option: Option) -> dict[str, Any]:
    if segment.args or segment.block is None:
        raise segment.error(f"{option.name} needs a block: write {option.name} {option.words}")
    values, given = _read(segment, option.block, option.name)
    for inner in option.block:
        if inner.name not in given:
            raise segment.error(
                f"{option.name} needs {inner.name}: write {inner.name} {inner.words} in its block"
            )
    return values


def _convert(segment: Directive, option: Option) -> dict[str, Any]:
    if segment.block is not None:
        raise segment.error(f"{option.name} takes no block: write {option.name} {option.words}")
    if not segment.args or (option.most and len(segment.args) > option.most):
        raise segment.error(
            f"wrong number of arguments after {option.name}: write {option.name} {option.words}"
        )
    try:
        return option.convert(segment.words)
    except ValueError as error:
        raise segment.args[0].error(f"{option.name} {error}") from error


def settings_from_options(**options: Any) -> Settings:
    """Settings for a plugin built by keyword arguments.

    Args:
        options: Options of go_handler by name, as in a Caddyfile (``auth_timeout="5s"``), as lists of
            words (``allowed_origins=["https://a.example"]``) or plain numbers (seconds, bytes); and
            those of ``with_own_options``.

    Raises:
        ConfigError: A name is unknown, or a value cannot be used.
    """
    own = {name: options.pop(name) for name in OWN_OPTIONS if name in options}
    block = tuple(_segment(name, value) for name, value in options.items())
    settings = settings_from_directive(Directive(Token("go_handler", "", 0), (), block), OWN_OPTIONS)
    return with_own_options(replace(settings, directive=None), **own)


def with_own_options(settings: Settings, **own: Any) -> Settings:
    """``settings`` with what only Python applications can set.

    Args:
        settings: What they are added to.
        own: ``prefix``, ``socket_path``, ``publish_path`` (paths) and ``trusted_proxies`` (one address,
            network or ``private_ranges``, or several of them).

    Raises:
        ConfigError: A name is unknown, a value cannot be used, or both paths are the same.
    """
    values: dict[str, Any] = {}
    for name, value in own.items():
        if name not in OWN_OPTIONS:
            raise ConfigError(f"unknown option {name} of go_handler{_did_you_mean(name, OWN_OPTIONS)}")
        values[name] = _networks(value) if name == "trusted_proxies" else _path(name, value)
    found = replace(settings, **values)
    if found.socket_path == found.publish_path:
        raise ConfigError(f"socket_path and publish_path are both {found.socket_path}")
    return found


def _segment(name: str, value: Any) -> Directive:
    if isinstance(value, Mapping):
        inner = tuple(_segment(key, below) for key, below in value.items())
        return Directive(Token(name, "", 0), (), inner)
    return Directive(Token(name, "", 0), _words(name, value))


def _words(name: str, value: Any) -> tuple[Token, ...]:
    if isinstance(value, float | int) and not isinstance(value, bool):
        number = f"{value:f}" if isinstance(value, float) else str(value)
        values = [f"{number}s" if name.endswith("_timeout") else number]
    elif isinstance(value, str):
        values = [value]
    elif isinstance(value, Iterable) and not isinstance(value, bytes | bytearray):
        values = [str(word) for word in value]
    else:
        raise ConfigError(f"{name} must be text, a number or a list of words, not {type(value).__name__}")
    return tuple(Token(word, "", 0) for word in values)


def _path(name: str, value: Any) -> str:
    if not isinstance(value, str) or (value and not value.startswith("/")):
        raise ConfigError(f"{name} must begin with a slash, not {value!r}")
    if "?" in value or "#" in value:
        raise ConfigError(f"{name} must be a path without query or fragment, not {value!r}")
    if name != "prefix" and not value.strip("/"):
        raise ConfigError(f"{name} must name a path, not {value!r}")
    return value.rstrip("/") if name == "prefix" else value


def _networks(given: Any) -> tuple[Network, ...]:
    words: Iterable[Any] = (given,) if isinstance(given, str) or not isinstance(given, Iterable) else given
    try:
        return tuple(network for word in words for network in _network(word))
    except ValueError as error:
        raise ConfigError(f"trusted_proxies: {error}") from error


def _network(word: Any) -> Iterable[Network]:
    if isinstance(word, IPv4Network | IPv6Network):
        return (word,)
    return map(parse_network, PRIVATE_RANGES if word == "private_ranges" else (str(word),))
