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
        """See tornado.routing.Matcher."""
        path = request.path or ""
        if "%" in path:
            path = unquote(path)
        found = path.startswith(self._path) if self._prefix else path == self._path
        return {} if found else None
