"""Text to words: quotes, escapes, heredocs, continuations and comments, in logical lines."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from tornado_realtime.caddyfile.directive import Token
from tornado_realtime.caddyfile.env import Source
from tornado_realtime.caddyfile.heredoc import heredoc_text
from tornado_realtime.caddyfile.hints import Hints
from tornado_realtime.caddyfile.names import shown
from tornado_realtime.caddyfile.scanner import BLANKS, Kind, Piece, scan
from tornado_realtime.errors import ConfigError

MAX_WORDS = 100_000
"""Words that one configuration may have, imports included."""

_ESCAPE = re.compile(r"\\(.?)", re.DOTALL)
_BLANK = re.compile(rf"[{BLANKS}]")
_ESCAPED_BLANK = re.compile(rf"(?<!\\)(?:\\\\)*\\[{BLANKS}]")


@dataclass(frozen=True, slots=True)
class Line:
    """One logical line: continuations joined, comments gone, at least one word.

    Attributes:
        tokens: Its words and braces.
        unset: Environment variables on this line that came out empty.
        above: The same for the wordless lines right above it, as a hint for an error message.
    """

    tokens: tuple[Token, ...]
    unset: tuple[str, ...] = ()
    above: str = ""


def is_open(token: Token) -> bool:
    """True for an opening brace; a quoted one is text."""
    return token.text == "{" and not token.quoted


def is_close(token: Token) -> bool:
    """True for a closing brace; a quoted one is text."""
    return token.text == "}" and not token.quoted


def tokenize(source: Source) -> list[Line]:
    """Cut a file's text into logical lines of words.

    A word carries the line where its logical line begins, so words after a continuation share that number.

    Raises:
        ConfigError: For a quote or heredoc that is not closed, a bad heredoc, a backslash that would be lost,
            a comment that would swallow the next line, or more than `MAX_WORDS` words.
    """
    return _Lexer(source).run()


class _Lexer:
    """The state of one run over a text."""

    def __init__(self, source: Source) -> None:
        self._text = source.text
        self._file = source.file
        self._hints = Hints(source)
        self._at = 0
        self._line = 1
        self._skipped = 0
        self._comment_line = 0
        self._joined = False
        self._count = 0
        self._words: list[tuple[str, int, bool]] = []
        self._lines: list[Line] = []
        self._readers: dict[Kind, Callable[[Piece, str], None]] = {
            Kind.WORD: self._word,
            Kind.QUOTED: self._quoted,
            Kind.RAW: self._raw,
            Kind.HEREDOC: self._heredoc,
            Kind.UNCLOSED: self._unclosed,
            Kind.ODD: self._odd,
            Kind.COMMENT: self._comment,
            Kind.NEWLINE: self._newline,
            Kind.CONTINUATION: self._continuation,
        }

    def run(self) -> list[Line]:
        for piece in scan(self._text):
            self._at = piece.start
            self._readers[piece.kind](piece, self._text[piece.start : piece.end])
        self._end_line(len(self._text))
        return self._lines

    @property
    def _true_line(self) -> int:
        return self._line + self._skipped

    def _error(self, message: str, line: int = 0) -> ConfigError:
        """An error at a line, by default at the one being read."""
        end = self._text.find("\n", self._at)
        hint = self._hints.peek(end if end >= 0 else len(self._text))
        message = f"{message} {hint}" if hint else message
        return ConfigError(message, self._file, line or self._true_line)

    def _add(self, text: str, quoted: bool, breaks: int = 0) -> None:
        if self._joined:
            raise self._error(
                "the backslash in this comment would join the next line to this one: "
                "remove it or put the comment on a line of its own",
                self._comment_line,
            )
        self._count += 1
        if self._count > MAX_WORDS:
            raise self._error(f"the file is too long: more than {MAX_WORDS} words")
        self._words.append((text, self._line, quoted))
        if breaks:
            self._line += breaks + self._skipped
            self._skipped = 0

    def _word(self, piece: Piece, raw: str) -> None:
        if "\r" in raw:
            raw = raw.replace("\r", "")
        if raw.startswith("<<"):
            self._check_marker(piece, raw[2:])
        elif "\\" in raw:
            raw = self._unescape(raw)
        if raw:
            self._add(raw, quoted=False)

    def _unescape(self, raw: str) -> str:
        if _ESCAPED_BLANK.search(raw):
            raise self._error("a backslash cannot escape white space: use quotes, or remove it")
        return _ESCAPE.sub(lambda match: match[1] if match[1] in ("", "<") else match[0], raw)

    def _check_marker(self, piece: Piece, marker: str) -> None:
        """Refuse what looks like the start of a heredoc and is none."""
        opens = self._text[piece.end : piece.end + 1] == "\n"
        if opens and not marker:
            raise self._error("a heredoc needs a marker after '<<', for example <<END")
        if opens and marker.startswith("<"):
            raise self._error("too many '<' for a heredoc: use two, for example <<END")
        if opens or _BLANK.search(marker):
            raise self._error(
                f"a heredoc's marker has only letters, digits, '-' and '_', not {shown(marker)}"
            )

    def _quoted(self, piece: Piece, raw: str) -> None:
        text = _ESCAPE.sub(lambda match: '"' if match[1] == '"' else match[0], raw[1:-1])
        self._add(text, quoted=True, breaks=raw.count("\n"))

    def _raw(self, piece: Piece, raw: str) -> None:
        self._add(raw[1:-1], quoted=True, breaks=raw.count("\n"))

    def _heredoc(self, piece: Piece, raw: str) -> None:
        after = self._text[piece.end : piece.end + 1]
        text = heredoc_text(raw, after, lambda message, line: self._error(message, self._true_line + line))
        self._add(text, quoted=True, breaks=raw.count("\n"))

    def _unclosed(self, piece: Piece, raw: str) -> None:
        if not raw.startswith("<"):
            raise self._error(f"the string that begins with {raw[0]} here is never closed")
        marker = raw.partition("\n")[0].replace("\r", "")[2:]
        raise self._error(
            f"the heredoc of line {self._true_line} is never closed: its marker {shown(marker)} is missing",
            self._true_line + raw.count("\n"),
        )

    def _odd(self, piece: Piece, raw: str) -> None:
        what = raw.replace("\r", "")[1]
        raise self._error(f"a backslash before {what} at the start of a word: remove it, or use quotes")

    def _comment(self, piece: Piece, raw: str) -> None:
        self._hints.skip_comment(piece.start, piece.end)
        if "\\" in raw and self._words:
            self._comment_line = self._true_line
            self._joined = False
        elif not self._joined:
            self._comment_line = 0

    def _newline(self, piece: Piece, raw: str) -> None:
        breaks = raw.count("\n")
        if self._comment_line and not self._joined:
            self._joined = True
            self._skipped += 1
            breaks -= 1
        if breaks:
            self._line += breaks + self._skipped
            self._skipped = 0
            self._end_line(piece.start)
            self._end_line(piece.end - 1)

    def _continuation(self, piece: Piece, raw: str) -> None:
        self._skipped += raw.count("\n")

    def _end_line(self, position: int) -> None:
        self._joined = False
        self._comment_line = 0
        hints = self._hints.end_line(position, bool(self._words))
        if self._words:
            tokens = tuple(
                Token(text, self._file, line, quoted, (), hints.hint) for text, line, quoted in self._words
            )
            self._lines.append(Line(tokens, hints.unset, hints.above))
            self._words.clear()
