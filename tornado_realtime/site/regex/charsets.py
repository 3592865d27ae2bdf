"""Sets of characters as sorted ranges of code points."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable

Ranges = tuple[tuple[int, int], ...]
"""First and last code point of each range, ascending, not touching."""

LAST = 0x10FFFF
_FOLDED_SPAN = 0x800
_LISTED = 512

DIGITS: Ranges = ((0x30, 0x39),)
SPACES: Ranges = ((0x09, 0x0A), (0x0C, 0x0D), (0x20, 0x20))
WORDS: Ranges = ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
NEWLINE: Ranges = ((0x0A, 0x0A),)
EVERYTHING: Ranges = ((0, LAST),)

POSIX: dict[str, Ranges] = {
    "alnum": ((0x30, 0x39), (0x41, 0x5A), (0x61, 0x7A)),
    "alpha": ((0x41, 0x5A), (0x61, 0x7A)),
    "ascii": ((0x00, 0x7F),),
    "blank": ((0x09, 0x09), (0x20, 0x20)),
    "cntrl": ((0x00, 0x1F), (0x7F, 0x7F)),
    "digit": DIGITS,
    "graph": ((0x21, 0x7E),),
    "lower": ((0x61, 0x7A),),
    "print": ((0x20, 0x7E),),
    "punct": ((0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E)),
    "space": ((0x09, 0x0D), (0x20, 0x20)),
    "upper": ((0x41, 0x5A),),
    "word": WORDS,
    "xdigit": ((0x30, 0x39), (0x41, 0x46), (0x61, 0x66)),
}


def union(parts: Iterable[tuple[int, int]]) -> Ranges:
    """The ranges in order, those that overlap or touch joined."""
    joined: list[tuple[int, int]] = []
    for low, high in sorted(parts):
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], high))
        else:
            joined.append((low, high))
    return tuple(joined)


def complement(ranges: Ranges) -> Ranges:
    """Every character that is not in the set."""
    found, start = [], 0
    for low, high in ranges:
        if start < low:
            found.append((start, low - 1))
        start = high + 1
    return (*found, (start, LAST)) if start <= LAST else tuple(found)


def fold(ranges: Ranges) -> Ranges:
    """The set with the other letter case of each of its characters.

    Ranges of more than two thousand characters, which nobody writes for their letters, are left alone.
    """
    parts = list(ranges)
    for low, high in ranges:
        if high - low <= _FOLDED_SPAN:
            for code in range(low, high + 1):
                parts += [(other, other) for other in _cases(chr(code))]
    return union(parts)


def _cases(char: str) -> list[int]:
    variants = {char.lower(), char.upper(), char.upper().lower(), char.lower().upper(), char.casefold()}
    return [ord(variant) for variant in variants if len(variant) == 1]


def contains(ranges: Ranges, code: int) -> bool:
    """Whether a code point is in the set."""
    return any(low <= code <= high for low, high in ranges)


def tester(ranges: Ranges) -> Callable[[str], bool]:
    """A fast function that tells whether a character is in the set."""
    if _size(ranges) <= _LISTED:
        return frozenset(_characters(ranges)).__contains__
    rest = complement(ranges)
    if _size(rest) <= _LISTED:
        excluded = frozenset(_characters(rest))
        return lambda char: char not in excluded
    starts = [low for low, _ in ranges]
    return lambda char: _within(ranges, starts, ord(char))


def _within(ranges: Ranges, starts: list[int], code: int) -> bool:
    at = bisect_right(starts, code) - 1
    return at >= 0 and code <= ranges[at][1]


def _size(ranges: Ranges) -> int:
    return sum(high - low + 1 for low, high in ranges)


def _characters(ranges: Ranges) -> list[str]:
    return [chr(code) for low, high in ranges for code in range(low, high + 1)]
