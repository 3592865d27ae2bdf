"""The directive names that a Caddyfile may contain, and help for misspelt words."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

KNOWN_DIRECTIVES: frozenset[str] = frozenset(
    {
        "abort",
        "acme_server",
        "basic_auth",
        "basicauth",
        "bind",
        "copy_response",
        "copy_response_headers",
        "encode",
        "error",
        "file_server",
        "forward_auth",
        "fs",
        "go_handler",
        "handle",
        "handle_errors",
        "handle_path",
        "header",
        "import",
        "intercept",
        "invoke",
        "log",
        "log_append",
        "log_level",
        "log_name",
        "log_skip",
        "map",
        "method",
        "metrics",
        "php",
        "php_fastcgi",
        "php_server",
        "push",
        "redir",
        "request_body",
        "request_header",
        "respond",
        "reverse_proxy",
        "rewrite",
        "root",
        "route",
        "skip_log",
        "templates",
        "timeouts",
        "tls",
        "tracing",
        "try_files",
        "uri",
        "vars",
    }
)
"""Every name that may begin a line of a site, supported or not. None of them can be a site's address."""

_LONGEST_GUESS = 64
_LONGEST_SHOWN = 80


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that a misspelt word was probably meant to be.

    Args:
        word: What the user wrote; compared without regard to case.
        candidates: The words that would have been right.

    Returns:
        The closest one, or None when none is close.
    """
    if len(word) > _LONGEST_GUESS:
        return None
    by_lower = {candidate.lower(): candidate for candidate in sorted(candidates)}
    close = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[close[0]] if close else None


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """The tail of an error message about an unknown word, empty when nothing is close."""
    guess = nearest(word, candidates)
    return f", did you mean {shown(guess)}?" if guess else ""


def shown(word: str) -> str:
    """A word of the user's file for an error message: quoted, on one line, not too long."""
    return repr(word if len(word) <= _LONGEST_SHOWN else word[: _LONGEST_SHOWN - 3] + "...")
