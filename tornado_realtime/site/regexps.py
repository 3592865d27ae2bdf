"""Regular expressions as Caddyfiles use them: RE2's syntax, and no text that can make them slow.

Where an upper bound for the steps of Python's engine is small it is used, because it is fast; everything else
is simulated in time linear in the text. See :mod:`tornado_realtime.site.regex`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from tornado_realtime.errors import HandlerError
from tornado_realtime.site.regex.backtracking import Estimate, estimate, is_anchored, to_python
from tornado_realtime.site.regex.parser import Parsed, parse
from tornado_realtime.site.regex.simulation import Machine, compile_program

MOST_STEPS = 200_000.0
"""How many steps of Python's engine are taken for granted; a millisecond or two."""

MOST_WORK = 2_000_000
"""The length of a text times the size of an expression that is simulated; under a second at the worst."""


@dataclass(frozen=True, slots=True)
class Match:
    """Where an expression was found.

    Attributes:
        start: Of the whole match in the text.
        end: Behind the whole match.
        groups: The whole match and each capture, empty where it took no part.
        names: Capture numbers by name.
    """

    start: int
    end: int
    groups: tuple[str, ...]
    names: dict[str, int]

    def group(self, key: str) -> str:
        """A capture by number or name; empty when there is none."""
        number = int(key) if key.isascii() and key.isdigit() else self.names.get(key, -1)
        return self.groups[number] if 0 <= number < len(self.groups) else ""

    def captures(self) -> list[tuple[str, str]]:
        """All captures, by number and then by name."""
        numbered = [(str(number), text) for number, text in enumerate(self.groups)]
        return numbered + [(name, self.groups[number]) for name, number in self.names.items()]


@dataclass(frozen=True, slots=True)
class Regexp:
    """A compiled expression.

    Attributes:
        pattern: As written.

    Raises:
        ValueError: When it is no expression of RE2's syntax, or too large.
    """

    pattern: str
    _parsed: Parsed = field(init=False, repr=False, compare=False)
    _python: re.Pattern[str] = field(init=False, repr=False, compare=False)
    _estimate: Estimate = field(init=False, repr=False, compare=False)
    _machine: Machine = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        parsed = parse(self.pattern)
        object.__setattr__(self, "_parsed", parsed)
        object.__setattr__(self, "_python", to_python(parsed.node))
        object.__setattr__(self, "_estimate", estimate(parsed.node))
        object.__setattr__(self, "_machine", Machine(compile_program(parsed.node), parsed.groups))

    def search(self, text: str, start: int = 0) -> Match | None:
        """The leftmost match from ``start`` on; ``^`` is still the start of the whole text.

        Raises:
            HandlerError: 400, when a text is so long that even linear time is too long.
        """
        if self._estimate.steps(len(text) - start, is_anchored(self._parsed.node)) <= MOST_STEPS:
            return self._by_python(text, start)
        return self._by_machine(text, start)

    def _by_python(self, text: str, start: int) -> Match | None:
        found = self._python.search(text, start)
        if found is None:
            return None
        return Match(found.start(), found.end(), (found[0], *found.groups("")), self._parsed.names)

    def _by_machine(self, text: str, start: int) -> Match | None:
        if (len(text) - start) * self._machine.size > MOST_WORK:
            raise HandlerError(400, f"a text of {len(text)} characters is too long for {self.pattern!r}")
        slots = self._machine.search(text, start)
        if slots is None:
            return None
        pairs = zip(slots[::2], slots[1::2], strict=True)
        groups = tuple(text[low:high] if low >= 0 else "" for low, high in pairs)
        return Match(slots[0], slots[1], groups, self._parsed.names)

    def finditer(self, text: str) -> Iterator[Match]:
        """Every match, none of which overlaps the one before; an empty one not right behind another."""
        at, last = 0, -1
        while at <= len(text):
            found = self.search(text, at)
            if found is None:
                return
            if found.end > found.start or found.start != last:
                yield found
            last = found.end
            at = found.end if found.end > found.start else found.end + 1
