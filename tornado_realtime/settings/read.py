"""From a directive, or from keyword arguments, to settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from tornado_realtime.caddyfile.directive import Directive, Token
from tornado_realtime.errors import ConfigError
from tornado_realtime.peers import PRIVATE_RANGES, Network, parse_network
from tornado_realtime.settings.auth import AUTH_OPTIONS
from tornado_realtime.settings.broker import BROKER_OPTIONS
from tornado_realtime.settings.channels import CHANNEL_OPTIONS
from tornado_realtime.settings.clients import CLIENT_OPTIONS
from tornado_realtime.settings.limits import LIMIT_OPTIONS
from tornado_realtime.settings.option import Block, Option, did_you_mean
from tornado_realtime.settings.publishing import PUBLISHING_OPTIONS
from tornado_realtime.settings.values import Settings

OPTIONS: tuple[Option, ...] = (
    *BROKER_OPTIONS,
    *AUTH_OPTIONS,
    *CHANNEL_OPTIONS,
    *PUBLISHING_OPTIONS,
    *CLIENT_OPTIONS,
    *LIMIT_OPTIONS,
)
"""Everything that may stand in a go_handler block."""

DURATIONS = frozenset(option.name for option in OPTIONS if option.words.startswith("DURATION"))

OWN_OPTIONS = ("prefix", "socket_path", "publish_path", "trusted_proxies")
"""What Python applications may set besides; in a Caddyfile the site around go_handler decides it."""


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
    return _with_endpoint(Settings(**values, directive=directive, given=given))


def _with_endpoint(settings: Settings) -> Settings:
    """An endpoint that is named beside a jwt block is asked, too; in one of the two places only."""
    if settings.jwt is None or "auth_endpoint" not in settings.given:
        return settings
    inner = settings.place("jwt", "auth_endpoint")
    if inner is not None:
        raise inner.error("auth_endpoint is given twice: in the jwt block and beside it")
    return replace(settings, jwt=replace(settings.jwt, asks_endpoint=True))


def _read(
    directive: Directive, options: Sequence[Option], of: str, more: Sequence[str] = ()
) -> tuple[dict[str, Any], frozenset[str]]:
    """The fields that a block's options set, and the names of those options."""
    by_name = {option.name: option for option in options}
    values: dict[str, Any] = {}
    seen: dict[tuple[str, ...], int] = {}
    for segment in directive.block or ():
        option = by_name.get(segment.word)
        _check_once(segment, option, seen)
        if option is None:
            hint = did_you_mean(segment.word, (*by_name, *more))
            raise segment.error(f"unknown option {segment.word} of {of}{hint}")
        if option.block is None:
            values |= _convert(segment, option)
        else:
            _put(values, _convert_block(segment, option, option.block), option.block)
    return values, frozenset(key[0] for key in seen)


def _check_once(segment: Directive, option: Option | None, seen: dict[tuple[str, ...], int]) -> None:
    repeats = option is not None and option.block is not None and option.block.repeats
    key = (segment.word, *segment.words) if repeats else (segment.word,)
    if key in seen:
        raise segment.error(f"{' '.join(key)} is given twice (first in line {seen[key]})")
    seen[key] = segment.line


def _put(values: dict[str, Any], found: Mapping[str, Any], block: Block) -> None:
    """Add what a block sets; what repeated ones set is put together."""
    for name, value in found.items():
        values[name] = (*values.get(name, ()), *value) if block.repeats else value


def _convert_block(segment: Directive, option: Option, block: Block) -> dict[str, Any]:
    if len(segment.args) != block.words or segment.block is None:
        raise segment.error(f"{option.name} needs a block: write {option.name} {option.words}")
    values, given = _read(segment, block.options, option.name)
    for inner in block.options:
        if inner.required and inner.name not in given:
            raise segment.error(
                f"{option.name} needs {inner.name}: write {inner.name} {inner.words} in its block"
            )
    try:
        return block.assemble(segment.words, values)
    except ValueError as error:
        raise segment.error(f"{option.name} {error}") from error


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
    block = tuple(segment for name, value in options.items() for segment in _segments(name, value))
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
            raise ConfigError(f"unknown option {name} of go_handler{did_you_mean(name, OWN_OPTIONS)}")
        values[name] = _networks(value) if name == "trusted_proxies" else _path(name, value)
    found = replace(settings, **values)
    if found.socket_path == found.publish_path:
        raise ConfigError(f"socket_path and publish_path are both {found.socket_path}")
    return found


def _segments(name: str, value: Any) -> tuple[Directive, ...]:
    """An option as it would stand in a Caddyfile; several where words stand before its block.

    A mapping is a block. Where words stand before it, it is one from those words to the block.
    """
    word = Token(name, "", 0)
    if not isinstance(value, Mapping):
        return (Directive(word, _words(name, value)),)
    option = next((option for option in OPTIONS if option.name == name), None)
    if option is None or option.block is None or not option.block.words:
        return (Directive(word, (), _block(value)),)
    return tuple(
        Directive(word, _words(name, before), _block(block) if isinstance(block, Mapping) else None)
        for before, block in value.items()
    )


def _block(options: Mapping[str, Any]) -> tuple[Directive, ...]:
    return tuple(Directive(Token(name, "", 0), _words(name, value)) for name, value in options.items())


def _words(name: str, value: Any) -> tuple[Token, ...]:
    if isinstance(value, float | int) and not isinstance(value, bool):
        number = f"{value:f}" if isinstance(value, float) else str(value)
        values = [f"{number}s" if name in DURATIONS or name.endswith("_timeout") else number]
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
