"""``POST /internal/broadcast``: an application publishes, by a form (wire.md A2) or by JSON."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NoReturn

from tornado.web import stream_request_body

from tornado_realtime.errors import (
    BrokerError,
    BrokerUnavailableError,
    InvalidPublicationError,
    PublicationTooLargeError,
    PublishError,
)
from tornado_realtime.handlers.batch import publish_all
from tornado_realtime.handlers.internal import InternalHandler, InternalRule
from tornado_realtime.handlers.plain import PlainHandler
from tornado_realtime.hub import Hub
from tornado_realtime.publication import Taken
from tornado_realtime.wire.form import FORM_TYPE, media_type, request_from_form, wish_from_form
from tornado_realtime.wire.publish_json import JSON_TYPE, request_from_json
from tornado_realtime.wire.publish_request import KEY_HEADER, PublishRequest, key_from_header
from tornado_realtime.wire.receipt import wants_receipt

logger = logging.getLogger(__name__)

BODY_BYTES = 10 * 1024 * 1024
_AGAIN_UNDER_KEY = "; the same request with the same key does not publish it twice"
_AGAIN_WITHOUT_KEY = f"; the same request may publish it twice, as it has no {KEY_HEADER}"


@dataclass(frozen=True, slots=True)
class PublishDoor:
    """What publishing needs.

    Attributes:
        hub: Takes the publications.
        rule: Who may publish.
        publication_bytes: Longest message.
    """

    hub: Hub
    rule: InternalRule
    publication_bytes: int


@stream_request_body
class BroadcastHandler(InternalHandler):
    """Judges the request once, before its body is read, and publishes it."""

    SUPPORTED_METHODS = (*PlainHandler.SUPPORTED_METHODS, "TRACE", "CONNECT")

    def initialize(self, door: Callable[[], PublishDoor]) -> None:
        """Called by Tornado with the route's arguments; ``door`` raises BrokerClosedError if it is shut."""
        self._open_door = door
        self._body = bytearray()
        self._kind = ""
        self._is_too_long = False
        self._asked = PublishRequest(())

    def prepare(self) -> None:
        """Secret, then method, then what the headers say about the body."""
        self.door = self.admit(self._open_door)
        if self.request.method != "POST":
            self.refuse(405)
        kinds = self.request.headers.get_list("Content-Type")
        try:
            self._kind = media_type(kinds[0]) if kinds else ""
        except InvalidPublicationError:
            self.refuse(400)
        if self._is_kept and _announced_bytes(self.request.headers.get("Content-Length")) > BODY_BYTES:
            self._refuse_length()

    def data_received(self, chunk: bytes) -> None:
        """Collect the body, up to its bound; one of another type is not kept, as in the seed.

        A body without a length that is too long is refused when it is over: here Tornado takes no answer.
        """
        if self._is_kept and not self._is_too_long:
            self._body += chunk
            if len(self._body) > BODY_BYTES:
                self._is_too_long = True
                self._body.clear()

    async def post(self) -> None:
        """Publish; 202 means that the broker took all of it."""
        if self._is_too_long:
            self._refuse_length()
        # Without a body, whatever its type, there may be a form in the address.
        is_json = self._kind == JSON_TYPE and bool(self._body)
        asked = self._asked = self._read_json() if is_json else self._read_form()
        publish = partial(self._publish_all if is_json else self._publish, asked)
        self.set_status(202)
        if not self._wants_receipt:
            await publish()
            self.set_header("Content-Length", "0")
            return
        try:
            receipt = await self.door.hub.receipts.of(asked.publications, publish, asked.wish)
        except BrokerError as error:
            self._unavailable(error, **({"published": 0} if is_json else {}))
        self.set_header("Content-Type", "application/json")
        self.finish(receipt.text(is_many=asked.is_many))

    def _read_form(self) -> PublishRequest:
        body = bytes(self._body) if self._kind == FORM_TYPE else None
        query = self.request.query.encode("latin-1", "replace")
        try:
            asked = request_from_form(body, query, self.door.publication_bytes)
            if self._wants_receipt:
                asked = asked._replace(wish=wish_from_form(body, query))
            return asked.under(self._key)
        except PublishError as error:
            self.refuse(_status_of(error), str(error))

    def _read_json(self) -> PublishRequest:
        try:
            return request_from_json(bytes(self._body), self.door.publication_bytes).under(self._key)
        except PublishError as error:
            self._refuse_json(error)

    @property
    def _key(self) -> str:
        return key_from_header(self.request.headers.get_list(KEY_HEADER))

    async def _publish(self, asked: PublishRequest) -> Sequence[Taken]:
        try:
            return [await self.door.hub.publish(publication, key) for publication, key in asked.keyed()]
        except BrokerError as error:
            self._unavailable(error)

    async def _publish_all(self, asked: PublishRequest) -> Sequence[Taken]:
        outcome = await publish_all(self.door.hub, asked.keyed())
        if outcome.error is not None:
            self._unavailable(outcome.error, published=len(outcome.taken))
        return outcome.taken

    @property
    def _wants_receipt(self) -> bool:
        return wants_receipt(self.request.headers.get("Accept", ""))

    @property
    def _is_kept(self) -> bool:
        return self._kind in (FORM_TYPE, JSON_TYPE)

    def _refuse_length(self) -> NoReturn:
        if self._kind == JSON_TYPE:
            self._refuse_json(PublicationTooLargeError(f"the body has at most {BODY_BYTES} bytes"))
        self.refuse(400)

    def _refuse_json(self, error: PublishError) -> NoReturn:
        self.refuse_with_reason(_status_of(error), {"accepted": False, "reason": str(error)})

    def _unavailable(self, error: BrokerError, **more: int) -> NoReturn:
        reason, retry_after = "the server is shutting down", 1.0
        if isinstance(error, BrokerUnavailableError):
            reason, retry_after = error.reason, error.retry_after
        logger.warning("a publication could not be taken (%s): %s", error.outcome, reason)
        if error.outcome == "unknown":
            reason += _AGAIN_UNDER_KEY if self._asked.key else _AGAIN_WITHOUT_KEY
        self.refuse_with_reason(
            503,
            {"accepted": False, "outcome": error.outcome, **more, "reason": reason},
            Retry_After=str(max(1, round(retry_after))),
        )


def _status_of(error: PublishError) -> int:
    return 413 if isinstance(error, PublicationTooLargeError) else 400


def _announced_bytes(length: str | None) -> int:
    """The number in Content-Length; 0 without one, or with something else, which Tornado refuses."""
    if length is None or not (length.isascii() and length.isdigit()):
        return 0
    return int(length) if len(length) < 20 else BODY_BYTES + 1


class NotHereHandler(PlainHandler):
    """404 for every internal path of a listener that publishing was moved away from."""

    SUPPORTED_METHODS = (*PlainHandler.SUPPORTED_METHODS, "TRACE", "CONNECT")

    def prepare(self) -> None:
        """Answer the whole request."""
        self.refuse(404)
