"""Answers as the seed gives them: a status, one line of text, nothing that leaks."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from tornado.web import Finish, RequestHandler

from tornado_realtime.errors import BrokerClosedError

Door = TypeVar("Door")


class PlainHandler(RequestHandler):
    """Answers plainly, is not guarded by XSRF cookies (its own rule guards it), and has no ETag."""

    def set_default_headers(self) -> None:
        """No default content type, and no hint at what runs here."""
        self.clear_header("Content-Type")
        self.clear_header("Server")

    def check_xsrf_cookie(self) -> None:
        """Nothing: who may send this is decided by secret or origin, not by a form token."""

    def check_trusted_origin(self, origin: str) -> bool:
        """Any, for the same reason (Tornado 6.6 and its ``cross_origin_protection``)."""
        return True

    def compute_etag(self) -> None:
        """None: nothing here is worth a cache entry."""

    def enter(self, door: Callable[[], Door]) -> Door:
        """What ``door`` opens to; a realtime instance that is not started, or closed, refuses with 503."""
        try:
            return door()
        except BrokerClosedError:
            self.refuse(503, Retry_After="1")

    def refuse(self, status: int, text: str = "", **headers: str) -> NoReturn:
        """End with ``text`` (the status phrase when empty) as the seed writes errors (wire.md A1).

        Args:
            status: HTTP status.
            text: One line.
            headers: More headers, underscores for hyphens.
        """
        self.set_status(status)
        for name, value in headers.items():
            self.set_header(name.replace("_", "-"), value)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.finish((text or http.client.responses.get(status, "Error")) + "\n")
        raise Finish

    def refuse_with_reason(self, status: int, reason: dict[str, Any], **headers: str) -> NoReturn:
        """End with ``reason`` as JSON, for programs that look at why."""
        self.set_status(status)
        for name, value in headers.items():
            self.set_header(name.replace("_", "-"), value)
        self.set_header("Content-Type", "application/json")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.finish(json.dumps(reason, ensure_ascii=False) + "\n")
        raise Finish

    def write_error(self, status_code: int, **_kwargs: Any) -> None:
        """An unexpected error: the status and nothing about it."""
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.finish(http.client.responses.get(status_code, "Error") + "\n")
