"""Reading a segment's words: how many there are, what they may be, and what to say when they are wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from tornado_realtime.caddyfile.directive import Directive, Token
from tornado_realtime.caddyfile.names import did_you_mean
from tornado_realtime.errors import ConfigError
from tornado_realtime.units import parse_duration, parse_size

T = TypeVar("T")


def wrong_count(segment: Directive, usage: str = "") -> ConfigError:
    """The error for too few or too many arguments; ``usage`` shows how it is written."""
    way_out = f"; write: {usage}" if usage else ""
    return segment.error(f"wrong number of arguments after {segment.word}{way_out}")


def expect(segment: Directive, low: int, high: int | None, usage: str = "") -> tuple[str, ...]:
    """The arguments, when there are at least ``low`` and at most ``high`` (None: no limit) of them.

    Raises:
        ConfigError: When there are not.
    """
    if len(segment.args) < low or (high is not None and len(segment.args) > high):
        raise wrong_count(segment, usage)
    return segment.words


def no_block(segment: Directive) -> None:
    """Refuse braces after this segment.

    Raises:
        ConfigError: When there are some.
    """
    if segment.block is not None:
        raise segment.error(f"{segment.word} takes no block")


def one_word(segment: Directive, usage: str = "") -> str:
    """The only argument of a line without a block.

    Raises:
        ConfigError: When there is not exactly one, or a block.
    """
    no_block(segment)
    return expect(segment, 1, 1, usage)[0]


def some_words(segment: Directive, usage: str = "") -> tuple[str, ...]:
    """The arguments, at least one, of a line without a block.

    Raises:
        ConfigError: When there is none, or a block.
    """
    no_block(segment)
    return expect(segment, 1, None, usage)


def flag(segment: Directive) -> bool:
    """True, when the line is nothing but its name.

    Raises:
        ConfigError: When there is more.
    """
    no_block(segment)
    expect(segment, 0, 0, segment.word)
    return True


def seconds(token: Token) -> float:
    """A duration of zero or more, in seconds.

    Raises:
        ConfigError: When it is none.
    """
    value = converted(token, parse_duration)
    if value < 0:
        raise token.error(f"duration {token.text!r} must not be negative")
    return value


def size_bytes(token: Token) -> int:
    """A size in bytes.

    Raises:
        ConfigError: When it is none.
    """
    return converted(token, parse_size)


def integer(token: Token, low: int | None = None, high: int | None = None) -> int:
    """A decimal integer in a range.

    Raises:
        ConfigError: When it is none, or out of the range.
    """
    text = token.text
    if not text.isascii() or not text.removeprefix("-").isdigit() or len(text) > 18:
        raise token.error(f"{text!r} is not a whole number")
    value = int(text)
    if (low is not None and value < low) or (high is not None and value > high):
        raise token.error(f"{value} is out of range" + _range_hint(low, high))
    return value


def _range_hint(low: int | None, high: int | None) -> str:
    if low is not None and high is not None:
        return f": it must be between {low} and {high}"
    return f": it must be at least {low}" if low is not None else f": it must be at most {high}"


def converted(token: Token, convert: Callable[[str], T]) -> T:
    """What ``convert`` makes of the word, its ValueError turned into an error with file and line.

    Raises:
        ConfigError: When ``convert`` refuses it.
    """
    try:
        return convert(token.text)
    except ValueError as exc:
        raise token.error(str(exc)) from exc


def choice(token: Token, what: str, known: Iterable[str]) -> str:
    """The word, when it is one of ``known``.

    Raises:
        ConfigError: When it is not.
    """
    words = tuple(known)
    if token.text not in words:
        raise unknown(token, what, words, listed=True)
    return token.text


def unknown(token: Token, what: str, known: Iterable[str], *, listed: bool = False) -> ConfigError:
    """The error for a word that is not known, with the nearest that is.

    Args:
        token: The word.
        what: What it should have been: ``directive``, or ``option of log``.
        known: The words that would have been right.
        listed: Whether to name them all when none is near.
    """
    words = tuple(known)
    kind, of, owner = what.partition(" of ")
    hint = did_you_mean(token.text, words) or _listing(words, listed)
    return token.error(f"unknown {kind} {token.text}{of}{owner}{hint}")


def _listing(words: tuple[str, ...], listed: bool) -> str:
    return f": it must be one of {', '.join(words)}" if listed and words else ""
