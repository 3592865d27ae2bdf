"""Paths as matchers compare them: percent-decoded, dots resolved, slashes merged."""

from __future__ import annotations

import posixpath
from functools import lru_cache

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
