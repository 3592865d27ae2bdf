"""Where the words, comments and line ends of a text are: shared by the lexer and the formatter.

Nothing is judged here; what cannot be right gets a kind of its own, and the lexer refuses it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import NamedTuple

BLANKS = "\t\v\f \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""Unicode's White_Space without the line ends LF and CR, as the inside of a regular expression's class."""


class Kind(Enum):
    """What a piece of text is."""

    WORD = auto()
    QUOTED = auto()
    """``"..."``."""
    RAW = auto()
    """Between backticks."""
    HEREDOC = auto()
    UNCLOSED = auto()
    """A quote, backtick or heredoc that runs to the end of the text."""
    ODD = auto()
    """A backslash before a quote or ``#`` at the start of a word."""
    COMMENT = auto()
    NEWLINE = auto()
    """A line end, and the empty lines after it."""
    CONTINUATION = auto()
    """A backslash and the line end after it; several when nothing is between them."""


class Piece(NamedTuple):
    """One piece of the text, as written: ``text[start:end]``."""

    kind: Kind
    start: int
    end: int


_SKIP = re.compile(rf"[{BLANKS}\r]*+")
_NEWLINE = re.compile(rf"\n(?:[{BLANKS}\r]*+\n)*+")
_CONTINUATION = re.compile(rf"\\\r*+\n(?:[{BLANKS}\r]*+\\\r*+\n)*+")
_COMMENT = re.compile(r"#[^\n]*+")
_QUOTED = re.compile(r'"(?:[^"\\]++|\\.)*+(")?', re.DOTALL)
_RAW = re.compile(r"`[^`]*+(`)?")
_ODD = re.compile(r'\\\r*+(?:#[^\n]*+|"(?:[^"\\]++|\\.)*+"?|`[^`]*+`?)', re.DOTALL)
_HEREDOC = re.compile(r"<\r*+<([^ \n]*+)(\n?)")
_WORD = re.compile(rf"(?:[^{BLANKS}\n\\]++|\\(?!\r*+\n)\r*+(?:[^\r]|\Z))++")
_MARKER = re.compile(r"[A-Za-z0-9_-]+")


def scan(text: str) -> Iterator[Piece]:
    """Cut a text into its pieces; the white space between them is left out."""
    position, length = _skip(text, 0), len(text)
    while position < length:
        piece = _piece(text, position)
        yield piece
        position = _skip(text, piece.end)


def _skip(text: str, position: int) -> int:
    match = _SKIP.match(text, position)
    return match.end() if match else position


def _piece(text: str, at: int) -> Piece:
    match text[at]:
        case "\n":
            return _match(Kind.NEWLINE, _NEWLINE, text, at)
        case "#":
            return _match(Kind.COMMENT, _COMMENT, text, at)
        case '"':
            return _closed(Kind.QUOTED, _QUOTED, text, at)
        case "`":
            return _closed(Kind.RAW, _RAW, text, at)
        case "\\":
            return _backslash(text, at)
        case "<":
            return _heredoc(text, at)
    return _match(Kind.WORD, _WORD, text, at)


def _match(kind: Kind, pattern: re.Pattern[str], text: str, at: int) -> Piece:
    match = pattern.match(text, at)
    return Piece(kind, at, match.end() if match else at + 1)


def _closed(kind: Kind, pattern: re.Pattern[str], text: str, at: int) -> Piece:
    match = pattern.match(text, at)
    closed = match is not None and match[1] is not None
    return Piece(kind if closed else Kind.UNCLOSED, at, match.end() if match else len(text))


def _backslash(text: str, at: int) -> Piece:
    for kind, pattern in ((Kind.CONTINUATION, _CONTINUATION), (Kind.ODD, _ODD)):
        if match := pattern.match(text, at):
            return Piece(kind, at, match.end())
    return _match(Kind.WORD, _WORD, text, at)


def _heredoc(text: str, at: int) -> Piece:
    match = _HEREDOC.match(text, at)
    if match is None:
        return _match(Kind.WORD, _WORD, text, at)
    marker = match[1].replace("\r", "")
    if not match[2] or not _MARKER.fullmatch(marker):
        return Piece(Kind.WORD, at, match.end(1))
    found = text.find(marker, match.end())
    if found < 0:
        return Piece(Kind.UNCLOSED, at, len(text))
    return Piece(Kind.HEREDOC, at, found + len(marker))
