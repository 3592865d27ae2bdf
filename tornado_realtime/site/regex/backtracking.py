"""Hands an expression to Python's engine, and says how many steps that may take.

Python's engine tries one possibility after the other, so nested repetitions can take time that grows
exponentially with the text. :class:`Estimate` is an upper bound, for deciding whether that can happen.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tornado_realtime.site.regex.charsets import EVERYTHING, Ranges
from tornado_realtime.site.regex.nodes import Assertion, Capture, Chars, Choice, Empty, Node, Repeat, Sequence

_ASSERTIONS = {
    "text_start": r"\A",
    "text_end": r"\Z",
    "line_start": r"(?m:^)",
    "line_end": r"(?m:$)",
    "word_edge": r"\b",
    "no_word_edge": r"(?:(?<=\w)(?=\w)|(?<!\w)(?!\w))",
}


def to_python(node: Node) -> re.Pattern[str]:
    """The same expression for Python's engine; captures have the same numbers."""
    return re.compile(_text(node), re.ASCII)


def _text(node: Node) -> str:
    match node:
        case Empty():
            return ""
        case Chars(ranges):
            return _class(ranges)
        case Assertion(kind):
            return _ASSERTIONS[kind]
        case Sequence(parts):
            return "".join(_text(part) for part in parts)
        case Choice(options):
            return f"(?:{'|'.join(_text(option) for option in options)})"
        case Capture(inner, _, _):
            return f"({_text(inner)})"
        case Repeat(inner, low, high, greedy):
            count = f"{{{low},{'' if high is None else high}}}"
            return f"(?:{_text(inner)}){count}{'' if greedy else '?'}"


def _class(ranges: Ranges) -> str:
    if ranges == EVERYTHING:
        return r"[\s\S]"
    if not ranges:
        return r"[^\s\S]"
    return "[" + "".join(_range(low, high) for low, high in ranges) + "]"


def _range(low: int, high: int) -> str:
    return f"\\U{low:08x}" if low == high else f"\\U{low:08x}-\\U{high:08x}"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A bound of the ways in which a part can match.

    Attributes:
        degree: The power of the text's length that they grow with; None for faster than any power.
        factor: What comes on top of it.
    """

    degree: int | None = 0
    factor: int = 1

    def steps(self, length: int, is_anchored: bool) -> float:
        """At most so many steps for a search in a text of this length."""
        if self.degree is None:
            return float("inf")
        return float(self.factor) * float(length + 1) ** (self.degree + (not is_anchored))

    def times(self, other: Estimate) -> Estimate:
        """One part after the other."""
        if self.degree is None or other.degree is None:
            return Estimate(None)
        return Estimate(self.degree + other.degree, self.factor * other.factor)

    def either(self, other: Estimate) -> Estimate:
        """One part or the other."""
        if self.degree is None or other.degree is None:
            return Estimate(None)
        return Estimate(max(self.degree, other.degree), self.factor + other.factor)


def estimate(node: Node) -> Estimate:
    """How much work an expression can be."""
    match node:
        case Sequence(parts):
            found = Estimate()
            for part in parts:
                found = found.times(estimate(part))
            return found
        case Choice(options):
            found = estimate(options[0])
            for option in options[1:]:
                found = found.either(estimate(option))
            return found
        case Capture(inner, _, _):
            return estimate(inner)
        case Repeat():
            return _repeated(node)
        case _:
            return Estimate()


def _repeated(node: Repeat) -> Estimate:
    inner = estimate(node.node)
    if inner.degree == 0 and inner.factor == 1:  # each time in one way: only the number of times is open
        if node.high is None:
            return Estimate(1)
        return Estimate(0, node.high - node.low + 1)
    if node.high is None:
        return Estimate(None)
    found = Estimate()
    for _ in range(min(node.high, _MANY)):
        found = found.times(inner)
    return Estimate(None) if node.high > _MANY else found.times(Estimate(0, node.high - node.low + 1))


_MANY = 8


def is_anchored(node: Node) -> bool:
    """Whether it can match at the start of the text only."""
    match node:
        case Assertion(kind):
            return kind == "text_start"
        case Sequence(parts):
            return bool(parts) and is_anchored(parts[0])
        case Choice(options):
            return all(is_anchored(option) for option in options)
        case Capture(inner, _, _):
            return is_anchored(inner)
        case _:
            return False
