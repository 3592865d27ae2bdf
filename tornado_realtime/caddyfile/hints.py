"""Which environment variables stand on which line, so that an error can name them."""

from __future__ import annotations

from typing import NamedTuple

from tornado_realtime.caddyfile.env import Source, Substitution

_MOST_HINTS = 3


class LineHints(NamedTuple):
    """What is known about the variables of one logical line.

    Attributes:
        hint: For errors about its words.
        unset: The variables on it that came out empty.
        above: Hint for the wordless lines right above it, where only empty variables stood.
    """

    hint: str = ""
    unset: tuple[str, ...] = ()
    above: str = ""


class Hints:
    """Walks the substitutions of a file along with the lexer.

    Args:
        source: The text and what was put into it.
    """

    def __init__(self, source: Source) -> None:
        self._all = source.substitutions
        self._next = 0
        self._active: list[Substitution] = []
        self._above: list[Substitution] = []

    def skip_comment(self, start: int, end: int) -> None:
        """Forget the variables of a comment."""
        self._advance(start)
        kept = list(self._active)
        self._advance(end)
        self._active = kept

    def peek(self, position: int) -> str:
        """The hint for the line being read, looking up to a position."""
        ahead = [each for each in self._all[self._next :] if each.start <= position]
        return _join(self._active + ahead)

    def end_line(self, position: int, has_words: bool) -> LineHints:
        """What was on the line that ends at a position."""
        if self._next == len(self._all) and not self._active and not self._above:
            return LineHints()
        self._advance(position)
        here, above = self._active, self._above
        unset = [each for each in here if each.start == each.end]
        self._active = [each for each in here if each.end > position]
        self._above = [] if has_words else above + unset
        return LineHints(_join(here), tuple(each.name for each in unset), _join(above))

    def _advance(self, position: int) -> None:
        while self._next < len(self._all) and self._all[self._next].start <= position:
            self._active.append(self._all[self._next])
            self._next += 1


def _join(substitutions: list[Substitution]) -> str:
    hints = dict.fromkeys(each.hint for each in substitutions if each.hint)
    return " ".join(list(hints)[:_MOST_HINTS])
