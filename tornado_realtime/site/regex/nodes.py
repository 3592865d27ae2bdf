"""What an expression consists of once it is read."""

from __future__ import annotations

from dataclasses import dataclass

from tornado_realtime.site.regex.charsets import Ranges


@dataclass(frozen=True, slots=True)
class Empty:
    """Nothing."""


@dataclass(frozen=True, slots=True)
class Chars:
    """One character of a set."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Assertion:
    """A place between characters.

    Attributes:
        kind: ``text_start``, ``text_end``, ``line_start``, ``line_end``, ``word_edge`` or ``no_word_edge``.
    """

    kind: str


@dataclass(frozen=True, slots=True)
class Sequence:
    """One after another."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """The first that leads to a match."""

    options: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """A part several times.

    Attributes:
        node: The part.
        low: At least so often.
        high: At most so often; None without limit.
        greedy: Whether rather more than less often.
    """

    node: Node
    low: int
    high: int | None
    greedy: bool


@dataclass(frozen=True, slots=True)
class Capture:
    """A part that is remembered.

    Attributes:
        node: The part.
        number: From 1, by the opening parenthesis.
        name: Empty when it has none.
    """

    node: Node
    number: int
    name: str


Node = Empty | Chars | Assertion | Sequence | Choice | Repeat | Capture
