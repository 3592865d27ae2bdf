"""Search and replace as Caddyfiles write it: expressions, with ``$1`` and ``${name}`` in the replacement."""

from __future__ import annotations

import re
from collections.abc import Callable

from tornado_realtime.site.regexps import Regexp

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
    Regexp(pattern)  # the one place that says what is an expression
    compiled = re.compile(pattern, re.ASCII)
    parts = _parts(replacement)
    return lambda text: compiled.sub(lambda match: _filled(parts, match), text)


def _parts(replacement: str) -> tuple[tuple[str, str], ...]:
    """Pairs of a literal text and the group after it; empty for none."""
    parts: list[tuple[str, str]] = []
    at = 0
    for found in _REFERENCE.finditer(replacement):
        literal = replacement[at : found.start()]
        parts.append((literal + "$", "") if found[1] else (literal, found[2] or found[3]))
        at = found.end()
    return (*parts, (replacement[at:], ""))


def _filled(parts: tuple[tuple[str, str], ...], match: re.Match[str]) -> str:
    return "".join(literal + _group(match, group) for literal, group in parts)


def _group(match: re.Match[str], group: str) -> str:
    if not group:
        return ""
    try:
        return match[int(group) if group.isdecimal() else group] or ""
    except IndexError:
        return ""
