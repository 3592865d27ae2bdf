"""Lines with their place, and blocks of raw lines: what imports and snippets are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from tornado_realtime.caddyfile.directive import Token
from tornado_realtime.caddyfile.lexer import Line, is_close, is_open
from tornado_realtime.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Origin:
    """The snippet or file that a line stands in, and how it came there.

    Attributes:
        node: ``(name)`` of a snippet, or a file's real path.
        parent: Where the import stands that brought it; None for the file itself.
        depth: Number of imports around it.
    """

    node: str
    parent: Origin | None = None
    depth: int = 0

    def within(self, node: str) -> bool:
        """True if this or one of the imports around it is the node."""
        origin: Origin | None = self
        while origin is not None:
            if origin.node == node:
                return True
            origin = origin.parent
        return False


class Placed(NamedTuple):
    """A line and where it stands."""

    line: Line
    origin: Origin

    @property
    def tokens(self) -> tuple[Token, ...]:
        """The words of the line."""
        return self.line.tokens

    def cut(self, tokens: Iterable[Token]) -> Placed:
        """The same place with other words."""
        return Placed(replace(self.line, tokens=tuple(tokens)), self.origin)


def end_of_file(opener: Token | None, last: Token) -> ConfigError:
    """The error for a file that ends inside a block (or after a comma, without an opener)."""
    if opener is None:
        return last.error("unexpected end of file: another address must follow the comma")
    place = f"line {opener.line}" if opener.file == last.file else f"{opener.file}:{opener.line}"
    return last.error(f"unexpected end of file: the '{{' of {place} lacks its '}}'")


def take_block(
    opener: Token, first: Placed | None, next_line: Callable[[], Placed | None], last: Callable[[], Token]
) -> list[Placed]:
    """The raw lines up to the ``}`` that belongs to an opening brace.

    Args:
        opener: The brace.
        first: What follows it on its own line, if anything does.
        next_line: Gives the lines after it.
        last: The last word of the file, for the error at its end.

    Raises:
        ConfigError: If the block is not closed, or its ``}`` is not alone on its line.
    """
    depth = 1
    body: list[Placed] = []
    placed = first or next_line()
    while placed is not None:
        for token in placed.tokens:
            depth += is_open(token) - is_close(token)
            if depth == 0:
                if len(placed.tokens) > 1:
                    raise token.error("'}' must be alone on its line")
                return body
        body.append(placed)
        placed = next_line()
    raise end_of_file(opener, last())


def is_snippet(tokens: Sequence[Token]) -> bool:
    """True for the heading of a snippet definition, its brace on the line or not."""
    text = tokens[0].text
    return text.startswith("(") and text.endswith(")") and (len(tokens) == 1 or is_open(tokens[1]))


def definitions(body: Sequence[Line]) -> frozenset[int]:
    """Which lines of an imported text belong to snippets that it defines; these keep their placeholders."""
    kept: set[int] = set()
    depth, inside = 0, False
    for number, line in enumerate(body):
        if depth == 0:
            opened = is_open(line.tokens[0]) and number - 1 in kept and len(body[number - 1].tokens) == 1
            inside = opened or is_snippet(line.tokens)
        if inside:
            kept.add(number)
        depth += sum(map(is_open, line.tokens)) - sum(map(is_close, line.tokens))
    return frozenset(kept)
