"""Routing by the decoded path, compared exactly."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from tornado.httputil import HTTPServerRequest
from tornado.routing import Matcher


class PathIs(Matcher):
    """Matches one path after percent-decoding, case included; Tornado's own matcher compares it undecoded.

    Args:
        path: The path, decoded.
        prefix: Match everything that begins with it, too.
    """

    def __init__(self, path: str, *, prefix: bool = False) -> None:
        self._path = path
        self._prefix = prefix

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """See tornado.routing.Matcher; what comes behind a prefix is given on as it was sent."""
        target = request.path or ""
        path = unquote(target) if "%" in target else target
        if not self._prefix:
            return {} if path == self._path else None
        if not path.startswith(self._path):
            return None
        return {"path_args": [rest_behind(self._path, target)]}


def rest_behind(path: str, target: str) -> str:
    """What stands in ``target`` behind the part that says ``path``, still percent-encoded.

    Args:
        path: Decoded.
        target: Percent-encoded; it begins with ``path`` once that is decoded.
    """
    place = 0
    for _ in path.encode():
        place += 3 if target[place : place + 1] == "%" else 1
    return target[place:]
