"""Names of channels, and patterns of them.

A pattern is text in which ``*`` stands for any text, none included, and ``{user}`` for the id of a user.
Matching is one pass over the name: no pattern makes it slow, whatever the name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, NamedTuple, TypeVar

NAME_BYTES = 255
"""Longest name of a channel, in UTF-8."""
BAD_NAME = f"a channel's name has 1 to {NAME_BYTES} bytes and no control characters"
"""What is said of a name that is not good."""

_USER = "{user}"
_ANY = "*"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_WILDCARD = re.compile(r"\*|\{user\}")
_BRACE = re.compile(r"[{}]")


def is_good_name(name: str) -> bool:
    """Whether a channel may be called this: 1 to 255 bytes of UTF-8, no control character (Unicode's Cc)."""
    if name.isascii():
        return 0 < len(name) <= NAME_BYTES and (name.isprintable() or not _CONTROL.search(name))
    return (
        len(name) <= NAME_BYTES
        and len(name.encode("utf-8", "surrogatepass")) <= NAME_BYTES
        and not _CONTROL.search(name)
    )


class Match(NamedTuple):
    """How a name matches a pattern.

    Attributes:
        user: What stands where the pattern has ``{user}``; None if it has none.
    """

    user: str | None = None


@dataclass(frozen=True)
class Pattern:
    """One pattern, compared case by case, as a whole.

    Attributes:
        text: As written; made by ``parse_pattern``, which judges it.
    """

    text: str

    def match(self, name: str) -> Match | None:
        """How ``name`` matches; None if it does not.

        ``{user}`` takes at least one character. Where a ``*`` follows later, it ends before the first place
        at which the text between the two occurs.
        """
        first, *middle, last = self._chunks if len(self._chunks) > 1 else (self.text, "")
        if len(self._chunks) == 1:
            return Match() if name == self.text else None
        if not name.startswith(first) or len(name) < len(first) + len(last) or not name.endswith(last):
            return None
        begin, end = len(first), len(name) - len(last)
        user = None
        if self.has_user:
            stop = name.find(middle[0], begin + 1, end) if middle else end
            if stop <= begin:
                return None
            user, begin = name[begin:stop], stop
        for chunk in middle:
            place = name.find(chunk, begin, end)
            if place < 0:
                return None
            begin = place + len(chunk)
        return Match(user)

    @property
    def has_user(self) -> bool:
        """Whether ``{user}`` is in it."""
        return _USER in self.text

    @cached_property
    def prefix(self) -> str:
        """The text before its first wildcard; all of it where there is none."""
        return self._chunks[0]

    @cached_property
    def is_exact(self) -> bool:
        """Whether it is the name of one channel."""
        return len(self._chunks) == 1

    @cached_property
    def rank(self) -> tuple[bool, int, int, bool, int]:
        """How specific it is; of two patterns that match a name, that of the higher rank counts."""
        wildcards = len(self._chunks) - 1
        return (self.is_exact, len(self.prefix), sum(map(len, self._chunks)), self.has_user, -wildcards)

    @cached_property
    def _chunks(self) -> list[str]:
        """The texts around its wildcards."""
        return _WILDCARD.split(self.text)


def parse_pattern(text: str) -> Pattern:
    """Judge a pattern.

    Raises:
        ValueError: It can match no channel, or it would be left open what ``{user}`` stands for.
    """
    if not text:
        raise ValueError("is empty; write a channel's name or a pattern such as news.* or user.{user}.*")
    if not is_good_name(text):
        raise ValueError(f"{text!r} matches no channel: {BAD_NAME}")
    if _BRACE.search(text.replace(_USER, "")):
        raise ValueError(f"{text!r} has a brace that is not part of {_USER}, the one placeholder there is")
    before, found, after = text.partition(_USER)
    if _USER in after:
        raise ValueError(f"{text!r} has {_USER} twice")
    if found and _ANY in before:
        raise ValueError(f"{text!r} leaves open where {_USER} begins: no * may stand before it")
    if found and after.startswith(_ANY):
        raise ValueError(f"{text!r} leaves open where {_USER} ends: write some text between it and the *")
    return Pattern(text)


T = TypeVar("T")


class PatternTable(Generic[T]):
    """Finds what belongs to the most specific pattern that matches a name.

    A pattern without wildcards comes first. Of the others, the one with more text before its first wildcard;
    then the one with more text in all; then one with ``{user}``; then the one with fewer wildcards; then the
    one that stands first. A look-up costs as much for thousands of patterns as for a few, unless many of them
    have the same text before their first wildcard.

    Args:
        entries: Patterns, each with what belongs to it.
    """

    def __init__(self, entries: Iterable[tuple[Pattern, T]]) -> None:
        ranked = sorted(entries, key=lambda entry: entry[0].rank, reverse=True)
        self._exact: dict[str, T] = {}
        self._by_prefix: dict[str, list[tuple[Pattern, T]]] = {}
        for pattern, value in ranked:
            if pattern.is_exact:
                self._exact.setdefault(pattern.text, value)
            else:
                self._by_prefix.setdefault(pattern.prefix, []).append((pattern, value))
        self._lengths = sorted({len(prefix) for prefix in self._by_prefix}, reverse=True)

    def find(self, name: str) -> tuple[T, Match] | None:
        """The winner and how it matches; None if no pattern does."""
        if name in self._exact:
            return self._exact[name], Match()
        for length in self._lengths:
            for pattern, value in self._by_prefix.get(name[:length], ()):
                found = pattern.match(name)
                if found is not None:
                    return value, found
        return None
