"""The stream of words that the grammar reads, and what is wrong when it does not fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import lark
from lark.lexer import Lexer, LexerState

from tornado_realtime.caddyfile.blocks import Placed, end_of_file, is_snippet
from tornado_realtime.caddyfile.directive import Token
from tornado_realtime.caddyfile.imports import Splicer
from tornado_realtime.caddyfile.lexer import is_close, is_open
from tornado_realtime.caddyfile.names import shown
from tornado_realtime.errors import ConfigError

MAX_NESTING = 100
"""Blocks inside blocks."""


class Leaf(lark.Token):
    """One terminal of the grammar, with the word that it stands for."""

    word: Token

    @classmethod
    def of(cls, kind: str, word: Token) -> Leaf:
        """A terminal for a word."""
        leaf = cls(kind, word.text)
        leaf.word = word
        return leaf


class Feed:
    """Gives the grammar its terminals, line by line, and remembers where it is.

    Args:
        splicer: Where the lines come from.
        inside: True when the text has directives only, no sites.
    """

    def __init__(self, splicer: Splicer, inside: bool = False) -> None:
        self._splicer = splicer
        self._bare = inside
        self._headed = False
        self._open: list[Token] = []
        self._previous = "NEWLINE"
        self._glued: Token | None = None

    def __iter__(self) -> Iterator[Leaf]:
        while (placed := self._splicer.next_line(self._top)) is not None:
            if self._top and is_snippet(placed.tokens):
                self._splicer.define(placed)
                continue
            tokens = self._heading(placed) if self._top else placed.tokens
            if self._top or (self._headed and is_open(tokens[0])):
                tokens = self._until_brace(placed, tokens)
            _check_last(tokens[-1])
            yield from self._line(tokens)

    @property
    def _top(self) -> bool:
        """True where the heading of a site or snippet is expected."""
        return not (self._open or self._bare or self._headed)

    def _line(self, tokens: tuple[Token, ...]) -> Iterator[Leaf]:
        self._place(tokens)
        for token in tokens:
            kind = _kind(token)
            leaf = Leaf.of(kind, token)
            yield leaf
            self._count(leaf)
        self._previous = "NEWLINE"
        yield Leaf.of("NEWLINE", tokens[-1])

    def _place(self, tokens: tuple[Token, ...]) -> None:
        """Notice a heading without a brace, and that what follows it is no brace either."""
        if self._open or self._bare:
            return
        if self._headed and not is_open(tokens[0]):
            self._bare = True
        self._headed = not self._headed and not any(map(is_open, tokens))

    def _count(self, leaf: Leaf) -> None:
        self._previous = leaf.type
        if leaf.type == "LBRACE":
            self._open.append(leaf.word)
            if len(self._open) > MAX_NESTING:
                raise leaf.word.error(f"more than {MAX_NESTING} blocks inside each other")
        elif leaf.type == "RBRACE":
            self._open.pop()
        elif leaf.type == "WORD" and leaf.word.text.endswith("{"):
            self._glued = leaf.word

    def _until_brace(self, placed: Placed, tokens: tuple[Token, ...]) -> tuple[Token, ...]:
        """What follows the brace of a site counts as a line of its own, as in ``:8080 { respond hi``."""
        end = next((number for number, token in enumerate(tokens, 1) if is_open(token)), len(tokens))
        if tokens[end:]:
            self._splicer.push_back(placed.cut(tokens[end:]))
        return tokens[:end]

    def _heading(self, placed: Placed) -> tuple[Token, ...]:
        """A heading with the lines that its trailing commas continue."""
        tokens = placed.tokens
        if is_open(tokens[0]) and placed.line.unset:
            raise tokens[0].error("the address before this '{' is empty")
        if placed.line.above:
            tokens = tuple(_hinted(token, placed.line.above) for token in tokens)
        while tokens[-1].text.endswith(","):
            following = self._splicer.next_line(top=True)
            if following is None:
                raise end_of_file(None, tokens[-1])
            tokens += following.tokens
        _check_commas(tokens)
        return tokens

    def explain(self, leaf: lark.Token) -> ConfigError:
        """The error for a terminal that the grammar does not allow here."""
        if not isinstance(leaf, Leaf):
            return end_of_file(self._open[-1] if self._open else None, self._splicer.last())
        if self._previous == "LBRACE":
            return leaf.word.error("nothing may follow '{' on its line")
        if self._previous == "RBRACE":
            return leaf.word.error("'}' must be alone on its line")
        if leaf.type == "RBRACE":
            return self._closing(leaf.word)
        return self._opening(leaf.word)

    def _closing(self, brace: Token) -> ConfigError:
        if self._previous != "NEWLINE":
            return brace.error("'}' must be alone on its line")
        glued = self._glued
        hint = f": {shown(glued.text)} on line {glued.line} lacks a space before its '{{'" if glued else ""
        return brace.error(f"'}}' without a '{{' before it{hint}")

    def _opening(self, brace: Token) -> ConfigError:
        if self._open or self._bare:
            return brace.error("'{' begins a line: put it at the end of the line of its directive")
        return brace.error("a '{' without an address holds global options, which are one block and the first")


class FeedLexer(Lexer):
    """Lets lark read a `Feed` instead of text."""

    __future_interface__ = 1

    def __init__(self, conf: Any) -> None:
        """Takes lark's settings for a lexer; there is nothing to set."""

    def lex(self, lexer_state: LexerState, parser_state: Any) -> Iterator[lark.Token]:
        """The terminals of the feed that was given to ``Lark.parse``."""
        feed: Any = lexer_state.text
        return iter(feed)


def _kind(token: Token) -> str:
    if token.quoted:
        return "QUOTED"
    if is_open(token):
        return "LBRACE"
    return "RBRACE" if is_close(token) else "WORD"


def _check_last(last: Token) -> None:
    if last.text == "{}" and not last.quoted:
        raise last.error("'{}' at the end of a line: put '{' here and '}' alone on a line below")


def _check_commas(tokens: tuple[Token, ...]) -> None:
    for address, following in pairwise(tokens):
        if is_open(following) and address.text.endswith(","):
            raise following.error("'{' where another address must follow the comma")


def _hinted(token: Token, hint: str) -> Token:
    return replace(token, hint=f"{token.hint} {hint}".strip())
