"""What an option is, and the converters that many of them share.

A converter turns the words behind an option into the Settings fields that they set; it raises ValueError
with a message that says what would be right.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tornado_realtime.units import parse_duration, parse_size

Converter = Callable[[Sequence[str]], dict[str, Any]]
Assembler = Callable[[Sequence[str], Mapping[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Block:
    """What stands in an option's braces.

    Attributes:
        options: The options that may.
        assemble: From the words before the braces, and what the options in them set, to the fields that
            the whole sets; raises ValueError as a converter does.
        words: How many words stand before the braces.
        repeats: Whether there may be several such blocks, with different words each; the tuples that they
            set are put one after another, in the order they are written in.
    """

    options: tuple[Option, ...]
    assemble: Assembler
    words: int = 0
    repeats: bool = False


@dataclass(frozen=True, slots=True)
class Option:
    """One option of go_handler.

    Attributes:
        name: As written.
        convert: From its words to the Settings fields it sets; raises ValueError with a message that
            says what would be right. Not called for an option with a block.
        most: Most words it takes; at least one is always needed. 0 for any number.
        block: What its braces hold; None when it takes none.
        required: Whether the block that it may stand in is not complete without it.
        words: How the words are called in the reference.
        default: As one would write it; empty when there is none.
        purpose: One sentence for the reference.
    """

    name: str
    convert: Converter
    words: str
    default: str
    purpose: str
    most: int = 1
    block: Block | None = None
    required: bool = False


def no_words(words: Sequence[str]) -> dict[str, Any]:
    """Nothing: the converter of an option that has a block."""
    return {}


def one_of(field_name: str, *choices: str) -> Converter:
    """One of ``choices``."""

    def convert(words: Sequence[str]) -> dict[str, Any]:
        if words[0] not in choices:
            raise ValueError(
                f"must be {' or '.join(choices)}, not {words[0]!r}{did_you_mean(words[0], choices)}"
            )
        return {field_name: words[0]}

    return convert


def text(field_name: str) -> Converter:
    """A word as it is."""
    return lambda words: {field_name: words[0]}


def url(field_name: str) -> Converter:
    """An http or https address with a host."""

    def convert(words: Sequence[str]) -> dict[str, Any]:
        try:
            parts = urlsplit(words[0])
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable or not words[0].isprintable() or " " in words[0]:
            raise ValueError(f"must be an http:// or https:// address, not {words[0]!r}")
        return {field_name: words[0]}

    return convert


def duration(field_name: str) -> Converter:
    """Seconds, more than none."""

    def convert(words: Sequence[str]) -> dict[str, Any]:
        seconds = parse_duration(words[0])
        if seconds <= 0:
            raise ValueError(f"must be longer than nothing, not {words[0]!r}")
        return {field_name: seconds}

    return convert


def size(field_name: str, least: int = 1) -> Converter:
    """Bytes, ``least`` or more."""

    def convert(words: Sequence[str]) -> dict[str, Any]:
        size_bytes = parse_size(words[0])
        if size_bytes < least:
            raise ValueError(f"must be at least {least} bytes, not {words[0]!r}")
        return {field_name: size_bytes}

    return convert


def number(field_name: str, most: int = 1_000_000_000) -> Converter:
    """A whole number from 1 to ``most``."""
    return lambda words: {field_name: read_number(words[0], most)}


def read_number(word: str, most: int = 1_000_000_000) -> int:
    """A whole number from 1 to ``most``.

    Raises:
        ValueError: It is none.
    """
    if not (word.isascii() and word.isdigit() and 0 < int(word[:20]) <= most):
        raise ValueError(f"needs a whole number from 1 to {most}, not {word!r}")
    return int(word)


def did_you_mean(word: str, candidates: Sequence[str]) -> str:
    """The end of an error about ``word``: the candidate that was probably meant, or nothing."""
    near = difflib.get_close_matches(word, candidates, n=1)
    return f" (did you mean {near[0]}?)" if near else ""
