"""Conditions on an answer: its status and headers (``match`` in header, encode and others)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tornado.httputil import HTTPHeaders

from tornado_realtime.caddyfile.directive import Directive, Token
from tornado_realtime.site.arguments import some_words, unknown
from tornado_realtime.site.matcher_parser import parse_header_matcher


@dataclass(frozen=True, slots=True)
class ResponseMatcher:
    """All that is given has to hold.

    Attributes:
        statuses: Any of these; 2 stands for 200 to 299. Empty for every status.
        headers: Of each field one line has one of the values, with ``*`` at the ends; None: no such field.
    """

    statuses: tuple[int, ...] = ()
    headers: tuple[tuple[str, tuple[str, ...] | None], ...] = ()

    def matches(self, status: int, headers: HTTPHeaders) -> bool:
        """Whether an answer with this status and these headers is meant."""
        if self.statuses and status not in self.statuses and status // 100 not in self.statuses:
            return False
        return all(_has(headers.get_list(name), values) for name, values in self.headers)


def _has(lines: list[str], values: tuple[str, ...] | None) -> bool:
    if values is None:
        return not lines
    return any(_fits(line, value) for line in lines for value in values)


def _fits(line: str, value: str) -> bool:
    core = value.removeprefix("*").removesuffix("*")
    if value == "*":
        return True
    if value.startswith("*"):
        return core in line if value.endswith("*") else line.endswith(core)
    return line.startswith(core) if value.endswith("*") else line == value


def parse_response_matcher(segment: Directive) -> ResponseMatcher:
    """Read ``match status 2xx``, ``match header FIELD VALUE`` or ``match { ... }``.

    Raises:
        ConfigError: When it has anything else.
    """
    lines: Iterable[Directive] = segment.block or ()
    if segment.args:
        lines = (Directive(segment.args[0], segment.args[1:], segment.block),)
    statuses: list[int] = []
    headers: list[Directive] = []
    for line in lines:
        if line.word == "status":
            some_words(line, "status 200 4xx")
            statuses += [_status(token) for token in line.args]
        elif line.word == "header":
            headers.append(line)
        else:
            raise unknown(line.name, "response matcher", ("status", "header"), listed=True)
    return ResponseMatcher(tuple(statuses), parse_header_matcher(headers).fields)


def _status(token: Token) -> int:
    word = token.text.removesuffix("xx") if len(token.text) == 3 else token.text
    if not (word.isascii() and word.isdigit() and len(word) <= 3):
        raise token.error(f"{token.text} is no status: write 200 or 4xx")
    return int(word)
