"""What an import puts into the words that it brings: ``{args[0]}``, ``{args[1:]}``, ``{block}``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from tornado_realtime.caddyfile.directive import Token
from tornado_realtime.caddyfile.names import shown

_PLACEHOLDER = re.compile(r"\\(?P<brace>[{}])|\{args(?:\[(?P<index>[^{}]+)\]|\.(?P<old>[^{}]+))\}")
_SPREAD = re.compile(r"\{args\[(?P<start>\d*):(?P<stop>\d*)\]\}")
_BLOCK = re.compile(r"\{block(?:s\.(?P<name>.+))?\}", re.DOTALL)

Warn = Callable[[Token, str], None]
"""Takes a warning about a word."""

Spend = Callable[[Token, int], None]
"""Told of each word or character that comes in; raises when it is too much."""


def block_name(token: Token) -> str | None:
    """``""`` for ``{block}``, the name for ``{blocks.name}``, None for any other word."""
    match = _BLOCK.fullmatch(token.text)
    return None if match is None else match["name"] or ""


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of one import.

    Attributes:
        values: The words after the import's name.
        warn: Called for placeholders that cannot be filled.
        spend: Called with the size of what is put in.
    """

    values: tuple[str, ...]
    warn: Warn
    spend: Spend

    def fill(self, tokens: Iterable[Token]) -> Iterator[Token]:
        """The words with their placeholders filled; one that cannot be filled stays.

        Raises:
            ConfigError: If an argument would become a brace, or too much text comes in.
        """
        for token in tokens:
            if "{" not in token.text and "}" not in token.text:
                yield token
            else:
                yield from self._filled(token)

    def _filled(self, token: Token) -> Iterator[Token]:
        match = _SPREAD.fullmatch(token.text)
        for text in self._spread(token, match) if match else [self._text(token)]:
            self.spend(token, len(text))
            if text in ("{", "}") and text != token.text and not token.quoted:
                raise token.error(f"an import cannot make a brace of {shown(token.text)}")
            yield token if text == token.text else replace(token, text=text)

    def _spread(self, token: Token, match: re.Match[str]) -> Sequence[str]:
        start = _number(match["start"], 0)
        stop = _number(match["stop"], len(self.values))
        if start <= stop <= len(self.values):
            return self.values[start:stop]
        self._warn_range(token, token.text)
        return [token.text]

    def _text(self, token: Token) -> str:
        return _PLACEHOLDER.sub(lambda match: self._one(token, match), token.text)

    def _one(self, token: Token, match: re.Match[str]) -> str:
        if match["brace"]:
            return match["brace"]
        word = match["index"] or match["old"]
        if not word.isascii() or not word.isdecimal():
            self._warn_word(token, match)
            return match[0]
        index = _number(word, 0)
        if index >= len(self.values):
            self._warn_range(token, match[0])
            return match[0]
        if match["old"]:
            self.warn(token, f"{shown(match[0])} is the old spelling, write {{args[{index}]}}")
        self.spend(token, len(self.values[index]))
        return self.values[index]

    def _warn_range(self, token: Token, placeholder: str) -> None:
        count = len(self.values)
        self.warn(token, f"{shown(placeholder)} is out of range: the import has {count} argument(s)")

    def _warn_word(self, token: Token, match: re.Match[str]) -> None:
        if match["index"] and ":" in match["index"]:
            self.warn(token, f"{shown(match[0])} must be a word of its own")
        else:
            self.warn(token, f"{shown(match[0])} has no number as its index")


def _number(digits: str, default: int) -> int:
    """A number, large ones cut off (Python refuses thousands of digits)."""
    return int(digits[:9]) if digits else default
