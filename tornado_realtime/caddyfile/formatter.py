"""The house style of Caddyfiles: what ``fmt`` prints."""

from __future__ import annotations

import re
from enum import Enum, auto
from itertools import zip_longest

from tornado_realtime.caddyfile.scanner import Kind, Piece, scan

_MOST_TABS = 10
_MARK = "\ufeff"
_SPAN = re.compile(r"\{\$[^}]+\}")
_TRAILING_BACKSLASHES = re.compile(r"\\+\Z")


def format_text(text: str) -> str:
    """The same words, one way of writing them.

    Blocks are indented with tabs, words separated by one space, empty lines reduced to one (none after ``{``
    and before ``}``), ``{`` put at the end of its line and ``}`` on its own. Strings, heredocs, comments and
    ``{$NAME}`` spans stay as they are. Files that cannot be parsed are formatted too.

    Args:
        text: The content of a Caddyfile.

    Returns:
        Its formatted content, which ends with a line end; formatting that again changes nothing.
    """
    text = text.removeprefix(_MARK)
    mask = _unused_character(text)
    spans = iter(_SPAN.findall(text)) if mask else iter(())
    masked = _SPAN.sub(mask, text) if mask else text
    printer = _Printer(masked, mask)
    for piece in scan(masked):
        printer.add(piece)
    formatted = printer.finish()
    return re.sub(mask, lambda _: next(spans), formatted) if mask else formatted


def unformatted_line(text: str) -> int:
    """The first line that `format_text` would change, 0 if there is none; CR does not count."""
    before = text.removeprefix(_MARK).replace("\r", "").split("\n")
    after = format_text(text).replace("\r", "").split("\n")
    pairs = enumerate(zip_longest(before, after), 1)
    return next((number for number, (old, new) in pairs if old != new), 0)


def _unused_character(text: str) -> str:
    """A character that can stand for a span while the text is cut up; empty if all are taken."""
    return next((chr(code) for code in range(0xE000, 0xF900) if chr(code) not in text), "")


class _Last(Enum):
    """What was written last."""

    NOTHING = auto()
    WORD = auto()
    OPEN = auto()
    CLOSE = auto()
    COMMENT = auto()


class _Printer:
    """Writes the pieces of a text, deciding what stands between each two of them."""

    def __init__(self, text: str, mask: str) -> None:
        self._text = text
        self._mask = mask
        self._out: list[str] = []
        self._depth = 0
        self._last = _Last.NOTHING
        self._last_end = -1
        self._breaks = 0
        self._continued = False
        self._importing = False
        self._joinable = False
        self._heredoc_like = False

    def add(self, piece: Piece) -> None:
        """Write one piece."""
        if piece.kind is Kind.NEWLINE:
            self._breaks += self._text.count("\n", piece.start, piece.end)
            self._continued = False
        elif piece.kind is Kind.CONTINUATION:
            self._continued = self._last is _Last.WORD and not self._breaks
        else:
            self._write(piece)

    def finish(self) -> str:
        """The whole text."""
        text = "".join(self._out)
        if text.startswith(_MARK):
            text = _MARK + text
        return text if text.endswith("\n") else text + self._line_end(1)

    def _write(self, piece: Piece) -> None:
        raw = self._raw(piece)
        if not raw:
            return
        what = _what(piece, raw)
        if what is _Last.CLOSE:
            self._depth = max(0, self._depth - 1)
        self._out += (self._gap(what, piece), raw)
        if what is _Last.OPEN:
            self._depth += 1
        self._note(what, piece, raw)

    def _note(self, what: _Last, piece: Piece, raw: str) -> None:
        """Remember what the next gap depends on."""
        if self._last is not _Last.WORD or self._breaks:
            self._joinable = False
            self._importing = raw == "import"
        if what is _Last.WORD and raw.strip(self._mask):
            self._joinable = not self._importing
        self._heredoc_like = piece.kind is Kind.WORD and raw.replace(self._mask, "").startswith("<<")
        self._last, self._last_end = what, piece.end
        self._breaks, self._continued = 0, False

    def _raw(self, piece: Piece) -> str:
        raw = self._text[piece.start : piece.end]
        if piece.kind is Kind.COMMENT:
            return raw.replace("\r", "").rstrip()
        if piece.kind is not Kind.WORD:
            return raw
        raw = raw.replace("\r", "")
        return self._without_last_backslash(raw) if piece.end == len(self._text) else raw

    def _without_last_backslash(self, raw: str) -> str:
        """At the end of the file a single backslash escapes nothing, and would escape our line end."""
        match = _TRAILING_BACKSLASHES.search(raw)
        odd = match is not None and len(match[0]) % 2 == 1 and not raw.startswith("<<")
        return raw[:-1] if odd else raw

    def _gap(self, what: _Last, piece: Piece) -> str:
        if self._last is _Last.NOTHING:
            return ""
        if self._last is _Last.OPEN or what is _Last.CLOSE:
            return self._line_end(1) + self._indent(0)
        if self._breaks:
            return self._gap_between_lines(what)
        return self._gap_on_line(what, piece)

    def _gap_between_lines(self, what: _Last) -> str:
        if what is _Last.OPEN and self._last is _Last.WORD and self._joinable:
            return " "
        return self._line_end(min(self._breaks, 2)) + self._indent(0)

    def _gap_on_line(self, what: _Last, piece: Piece) -> str:
        if self._last is _Last.CLOSE and self._depth == 0 and what is not _Last.COMMENT:
            return self._line_end(2)
        if what is _Last.WORD and self._continued:
            return " \\\n" + self._indent(1)
        glued = what is _Last.WORD and piece.start == self._last_end
        return "" if glued else " "

    def _line_end(self, count: int) -> str:
        """Line ends; a word like ``<<X`` keeps a space before them, or it would begin a heredoc."""
        return (" " if self._heredoc_like else "") + "\n" * count

    def _indent(self, more: int) -> str:
        return "\t" * min(self._depth + more, _MOST_TABS)


def _what(piece: Piece, raw: str) -> _Last:
    if piece.kind is Kind.COMMENT or (piece.kind is Kind.ODD and raw.lstrip("\\\r").startswith("#")):
        return _Last.COMMENT
    if piece.kind is Kind.WORD and raw == "{":
        return _Last.OPEN
    if piece.kind is Kind.WORD and raw == "}":
        return _Last.CLOSE
    return _Last.WORD
