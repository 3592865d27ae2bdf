"""``POST /internal/broadcast``: an application publishes one message (wire.md A2)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from tornado.web import stream_request_body

from tornado_realtime.errors import (
    BrokerClosedError,
    BrokerUnavailableError,
    InvalidPublicationError,
    PublicationTooLargeError,
)
from tornado_realtime.handlers.internal import InternalRule
from tornado_realtime.handlers.plain import PlainHandler
from tornado_realtime.hub import Hub
from tornado_realtime.wire.form import FORM_TYPE, media_type, publication_from_form

logger = logging.getLogger(__name__)

FORM_BYTES = 10 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class PublishDoor:
    """What publishing needs.

    Attributes:
        hub: Takes the publication.
        rule: Who may publish.
        publication_bytes: Longest message.
    """

    hub: Hub
    rule: InternalRule
    publication_bytes: int


@stream_request_body
class BroadcastHandler(PlainHandler):
    """Judges the request once, before its body is read, and publishes it."""

    SUPPORTED_METHODS = (*PlainHandler.SUPPORTED_METHODS, "TRACE", "CONNECT")

    def initialize(self, door: Callable[[], PublishDoor]) -> None:
        """Called by Tornado with the route's arguments; ``door`` raises BrokerClosedError if it is shut."""
        self._open_door = door
        self._body = bytearray()
        self._is_form = False
        self._is_too_long = False

    def prepare(self) -> None:
        """Secret, then method, then what the headers say about the body."""
        self.door = self.enter(self._open_door)
        refusal = self.door.rule.refusal(self.request)
        if refusal:
            self.refuse(403, refusal)
        if self.request.method != "POST":
            self.refuse(405)
        kinds = self.request.headers.get_list("Content-Type")
        try:
            self._is_form = bool(kinds) and media_type(kinds[0]) == FORM_TYPE
        except InvalidPublicationError:
            self.refuse(400)
        if self._is_form and _announced_bytes(self.request.headers.get("Content-Length")) > FORM_BYTES:
            self.refuse(400)

    def data_received(self, chunk: bytes) -> None:
        """Collect the form, up to its bound; another body is not kept, as in the seed.

        A form without a length that is too long is refused when it is over: here Tornado takes no answer.
        """
        if self._is_form and not self._is_too_long:
            self._body += chunk
            if len(self._body) > FORM_BYTES:
                self._is_too_long = True
                self._body.clear()

    async def post(self) -> None:
        """Publish; 202 means that the broker took it."""
        if self._is_too_long:
            self.refuse(400)
        try:
            publication = publication_from_form(
                bytes(self._body) if self._is_form else None,
                self.request.query.encode("latin-1", "replace"),
                self.door.publication_bytes,
            )
        except PublicationTooLargeError as error:
            self.refuse(413, str(error))
        except InvalidPublicationError as error:
            self.refuse(400, str(error))
        try:
            await self.door.hub.publish(publication)
        except BrokerUnavailableError as error:
            self._unavailable(error.reason, error.retry_after)
        except BrokerClosedError:
            self._unavailable("the server is shutting down", 1.0)
        self.set_status(202)
        self.set_header("Content-Length", "0")

    def _unavailable(self, reason: str, retry_after: float) -> None:
        logger.warning("a publication could not be taken: %s", reason)
        self.refuse_with_reason(
            503, {"accepted": False, "reason": reason}, Retry_After=str(max(1, round(retry_after)))
        )


def _announced_bytes(length: str | None) -> int:
    """The number in Content-Length; 0 without one, or with something else, which Tornado refuses."""
    if length is None or not (length.isascii() and length.isdigit()):
        return 0
    return int(length) if len(length) < 20 else FORM_BYTES + 1


class NotHereHandler(PlainHandler):
    """404 for every internal path of a listener that publishing was moved away from."""

    SUPPORTED_METHODS = (*PlainHandler.SUPPORTED_METHODS, "TRACE", "CONNECT")

    def prepare(self) -> None:
        """Answer the whole request."""
        self.refuse(404)
