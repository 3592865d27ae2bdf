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
    regexp = _compiled(pattern)
    parts = _parts(replacement)

    def replace(text: str) -> str:
        pieces: list[str] = []
        at = 0
        for match in regexp.finditer(text):
            pieces += (text[at : match.start], _filled(parts, match))
            at = match.end
        return "".join((*pieces, text[at:]))

    return replace


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Regexp:
    return Regexp(pattern)


def _parts(replacement: str) -> tuple[tuple[str, str], ...]:
    """Pairs of a literal text and the group after it; empty for none."""
    parts: list[tuple[str, str]] = []
    at = 0
    for found in _REFERENCE.finditer(replacement):
        literal = replacement[at : found.start()]
        parts.append((literal + "$", "") if found[1] else (literal, found[2] or found[3]))
        at = found.end()
    return (*parts, (replacement[at:], ""))


def _filled(parts: tuple[tuple[str, str], ...], match: Match) -> str:
    return "".join(literal + (match.group(group) if group else "") for literal, group in parts)
