"""``GET /live`` and ``GET /ready``: what a supervisor asks, and what a load balancer asks."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tornado_realtime.handlers.plain import PlainHandler


class HealthHandler(PlainHandler):
    """Answers everybody with one word in JSON, and with the reason where the answer is no.

    Nobody's business is in it: no address, no count. So there is no rule about who may ask.
    """

    SUPPORTED_METHODS = (*PlainHandler.SUPPORTED_METHODS, "TRACE", "CONNECT")

    def initialize(self, word: str, trouble: Callable[[], str]) -> None:
        """Called by Tornado with the route's arguments.

        Args:
            word: What is asked; a member of the answer.
            trouble: Why the answer is no; empty for yes.
        """
        self._word = word
        self._trouble = trouble

    def prepare(self) -> None:
        """The method, then the answer."""
        self.set_header("Cache-Control", "no-store")
        if self.request.method not in ("GET", "HEAD"):
            self.refuse(405, Allow="GET, HEAD")
        trouble = self._trouble()
        answer: dict[str, Any] = {self._word: not trouble}
        if trouble:
            self.set_status(503)
            answer["reason"] = trouble
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(answer, ensure_ascii=False, separators=(",", ":")) + "\n")
