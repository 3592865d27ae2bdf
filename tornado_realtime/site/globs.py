"""Glob patterns over paths, matched without backtracking so that no path can make a pattern slow.

``*`` is any run of characters but ``/``, ``?`` any one but ``/``, ``[a-z]`` and ``[^a-z]`` are classes, and a
backslash takes the next character literally.

With escapes (a pattern that has ``%``) the text is a percent-encoded path: ``%2f`` in the pattern stands for
exactly that escape, ``%*`` for a run without a real slash, and all else is compared with decoded characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Unit = str
"""One character, or one percent escape such as ``%2f``."""

Test = Callable[[Unit], bool]

_UNITS = re.compile(r"%[0-9a-f]{2}|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Tests for units in a row, after a run of others that ``star`` allows; None allows no run."""

    star: Test | None
    tests: tuple[Test, ...]


@dataclass(frozen=True, slots=True)
class Glob:
    """A compiled pattern; lower case when the texts are."""

    chunks: tuple[_Chunk, ...]
    with_escapes: bool

    def matches(self, text: str) -> bool:
        """Whether the pattern is the whole text."""
        units: Sequence[Unit] = _UNITS.findall(text) if self.with_escapes else text
        at = 0
        for number, chunk in enumerate(self.chunks, 1):
            found = _find(chunk, units, at, is_last=number == len(self.chunks))
            if found is None:
                return False
            at = found
        return at == len(units)


def _find(chunk: _Chunk, units: Sequence[Unit], at: int, *, is_last: bool) -> int | None:
    """Where the chunk ends when it is found at ``at`` or, after a run, later; leftmost first."""
    while True:
        end = at + len(chunk.tests)
        if end > len(units):
            return None
        if (not is_last or end == len(units)) and all(
            test(unit) for test, unit in zip(chunk.tests, units[at:end], strict=True)
        ):
            return end
        if chunk.star is None or not chunk.star(units[at]):
            return None
        at += 1


def compile_glob(pattern: str, with_escapes: bool = False) -> Glob:
    """Compile a pattern.

    Raises:
        ValueError: When a class is not closed or a backslash stands at the end.
    """
    if with_escapes:  # the text then has one unit for each byte
        pattern = pattern.encode("utf-8", "surrogateescape").decode("latin-1")
    chunks: list[_Chunk] = []
    star: Test | None = None
    tests: list[Test] = []
    at = 0
    while at < len(pattern):
        token, test = _next_test(pattern, at, with_escapes)
        if token in ("*", "%*"):
            chunks.append(_Chunk(star, tuple(tests)))
            star, tests = test, []
        else:
            tests.append(test)
        at += len(token)
    return Glob((*chunks, _Chunk(star, tuple(tests))), with_escapes)


def _next_test(pattern: str, at: int, with_escapes: bool) -> tuple[str, Test]:
    char = pattern[at]
    if with_escapes and char == "%":
        return _escape_test(pattern, at)
    if char in "*?":
        return char, _not_a_slash
    if char == "[":
        return _class_test(pattern, at)
    if char == "\\":
        if at + 1 == len(pattern):
            raise ValueError("a backslash at the end of a pattern")
        return pattern[at : at + 2], _equals(pattern[at + 1])
    return char, _equals(char)


def _escape_test(pattern: str, at: int) -> tuple[str, Test]:
    if pattern[at + 1 : at + 2] == "*":
        return "%*", lambda unit: unit != "/"
    escape = pattern[at : at + 3]
    return escape, lambda unit: unit == escape


def _decoded(unit: Unit) -> str:
    if len(unit) != 3:
        return unit
    char = chr(int(unit[1:], 16))
    return char.lower() if char.isascii() else char


def _not_a_slash(unit: Unit) -> bool:
    return _decoded(unit) != "/"


def _equals(char: str) -> Test:
    return lambda unit: unit == char or _decoded(unit) == char


def _class_test(pattern: str, at: int) -> tuple[str, Test]:
    end, ranges = at + 1, list[tuple[str, str]]()
    negated = pattern[end : end + 1] == "^"
    end += negated
    while pattern[end : end + 1] != "]" or not ranges:
        low, end = _class_char(pattern, end)
        high = low
        if pattern[end : end + 1] == "-":
            high, end = _class_char(pattern, end + 1)
        ranges.append((low, high))
    inside = tuple(ranges)
    return pattern[at : end + 1], lambda unit: any(a <= _decoded(unit) <= b for a, b in inside) != negated


def _class_char(pattern: str, at: int) -> tuple[str, int]:
    char = pattern[at : at + 1]
    if char == "\\":
        at += 1
        char = pattern[at : at + 1]
    elif char in ("-", "]"):
        char = ""
    if not char:
        raise ValueError("a class [...] that is not closed or has an empty range")
    return char, at + 1
