"""Search and replace as Caddyfiles write it: expressions, with ``$1`` and ``${name}`` in the replacement."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from tornado_realtime.site.regexps import Match, Regexp

_REFERENCE = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})", re.ASCII)


def replacer(pattern: str, replacement: str) -> Callable[[str], str]:
    """A function that replaces every match of an expression.

    Args:
        pattern: The expression.
        replacement: Text; ``$1``, ``$name`` and ``${1}`` are captures (nothing, if there is no such group),
            ``$$`` is a dollar sign.

    Raises:
        ValueError: If the expression is none.
    """
    regexp = _regexp(pattern)
    parts = _parts(replacement)
    return lambda text: _replaced(regexp, parts, text)


@lru_cache(maxsize=256)
def _regexp(pattern: str) -> Regexp:
    """Compiled once: a replacement with placeholders is put together anew for each request."""
    return Regexp(pattern)


def _replaced(regexp: Regexp, parts: tuple[tuple[str, str], ...], text: str) -> str:
    pieces, at = [], 0
    for found in regexp.finditer(text):
        pieces += [text[at : found.start], _filled(parts, found)]
        at = found.end
    return "".join([*pieces, text[at:]])


def _parts(replacement: str) -> tuple[tuple[str, str], ...]:
    """Pairs of a literal text and the group after it; empty for none."""
    parts: list[tuple[str, str]] = []
    at = 0
    for found in _REFERENCE.finditer(replacement):
        literal = replacement[at : found.start()]
        parts.append((literal + "$", "") if found[1] else (literal, found[2] or found[3]))
        at = found.end()
    return (*parts, (replacement[at:], ""))


def _filled(parts: tuple[tuple[str, str], ...], found: Match) -> str:
    return "".join(literal + found.group(group) if group else literal for literal, group in parts)
