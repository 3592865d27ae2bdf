"""``GET /internal/metrics``: what is counted, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from tornado_realtime.handlers.broadcast import PublishDoor
from tornado_realtime.handlers.internal import InternalHandler
from tornado_realtime.metrics import CONTENT_TYPE


class MetricsHandler(InternalHandler):
    """Answers under the one rule of everything internal."""

    def initialize(self, door: Callable[[], PublishDoor]) -> None:
        """Called by Tornado with the route's arguments; a closed ``door`` raises BrokerClosedError."""
        self._open_door = door

    def prepare(self) -> None:
        """The rule first, then the method."""
        door = self.admit(self._open_door)
        if self.request.method not in ("GET", "HEAD"):
            self.refuse(405, Allow="GET, HEAD")
        self.set_header("Content-Type", CONTENT_TYPE)
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.finish(door.hub.metrics.text())
