"""Paths as matchers compare them: percent-decoded, dots resolved, slashes merged."""

from __future__ import annotations

import posixpath
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from tornado_realtime.site.request import decode_path


def clean_path(path: str, merge_slashes: bool = True) -> str:
    """The path without ``.`` and ``..`` segments; a trailing slash stays.

    Args:
        path: Decoded or raw.
        merge_slashes: Whether ``//`` counts as ``/``; otherwise what is between them is an empty name.
    """
    rooted = path.startswith("/")
    segments = path[rooted:].split("/")
    trailing = len(segments) > 1 and segments[-1] == ""
    kept: list[str] = []
    for segment in segments[:-1] if trailing else segments:
        _keep(kept, segment, rooted, merge_slashes)
    cleaned = "/" * rooted + "/".join(kept)
    return f"{cleaned}/" if trailing and kept else cleaned or "."


def _keep(kept: list[str], segment: str, rooted: bool, merge_slashes: bool) -> None:
    if segment == ".." and kept and kept[-1] != "..":
        kept.pop()
    elif segment == "..":
        if not rooted:
            kept.append(segment)
    elif segment != "." and (segment or not merge_slashes):
        kept.append(segment)


@lru_cache(maxsize=2048)
def normal_path(target: str, merge_slashes: bool = True) -> str:
    """A raw request path decoded, cleaned and in lower case: the form path matchers compare."""
    return clean_path(decode_path(target), merge_slashes).lower()


@lru_cache(maxsize=512)
def normal_raw_path(target: str, merge_slashes: bool = True) -> str:
    """A raw request path cleaned and in lower case but still percent-encoded."""
    return clean_path(target, merge_slashes).lower()


def join_below(root: str, path: str) -> str:
    """A path below a folder that never leaves it, whatever ``..`` the path has; a trailing slash stays."""
    relative = clean_path(f"/{path}").lstrip("/")
    return posixpath.join(root or ".", relative) if relative else root or "."


def strip_prefix(target: str, prefix: str) -> str:
    """A raw path, cleaned, without a prefix; unchanged when it does not begin with it.

    Letter case does not matter, and an escape in the path is the character it stands for, unless the prefix
    has that escape itself. What is left begins with a slash.
    """
    cleaned = clean_path(target, "//" not in prefix)
    length = _prefix_length(cleaned, prefix.encode("utf-8", "surrogateescape").lower())
    if length is None:
        return target
    rest = cleaned[length:]
    return rest if rest.startswith("/") else f"/{rest}"


def _prefix_length(target: str, prefix: bytes) -> int | None:
    """How many characters of a percent-encoded path make up the prefix; None when it begins otherwise."""
    at = done = 0
    while done < len(prefix):
        size = 3 if target[at : at + 1] == "%" else 1
        written = target[at : at + size]
        raw, char = written.encode("utf-8").lower(), unquote_to_bytes(written).lower()
        found = raw if prefix.startswith(raw, done) else char
        if not found or not prefix.startswith(found, done):
            return None
        at, done = at + size, done + len(found)
    return at
