"""``GET /internal/metrics``: what is counted, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from tornado_realtime.handlers.broadcast import PublishDoor
from tornado_realtime.handlers.plain import PlainHandler
from tornado_realtime.metrics import CONTENT_TYPE


class MetricsHandler(PlainHandler):
    """Answers under the one rule of everything internal."""

    def initialize(self, door: Callable[[], PublishDoor]) -> None:
        """Called by Tornado with the route's arguments; a closed ``door`` raises BrokerClosedError."""
        self._open_door = door

    def prepare(self) -> None:
        """The rule first, then the method."""
        door = self.enter(self._open_door)
        refusal = door.rule.refusal(self.request)
        if refusal:
            self.refuse(403, refusal)
        if self.request.method not in ("GET", "HEAD"):
            self.refuse(405, Allow="GET, HEAD")
        self.set_header("Content-Type", CONTENT_TYPE)
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.finish(door.hub.metrics.text())
