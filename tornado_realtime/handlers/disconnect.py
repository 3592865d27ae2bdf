"""``POST /internal/disconnect``: an application ends a user's connections."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from tornado.web import stream_request_body

from tornado_realtime.errors import BrokerError, BrokerUnavailableError, InvalidPublicationError
from tornado_realtime.handlers.disconnecting import Disconnector
from tornado_realtime.handlers.internal import InternalHandler, InternalRule
from tornado_realtime.wire.form import FORM_TYPE, media_type, parse_form
from tornado_realtime.wire.publish_json import JSON_TYPE

logger = logging.getLogger(__name__)

BODY_BYTES = 64 * 1024
_KNOWN = frozenset({"user", "before"})


@dataclass(frozen=True, slots=True)
class DisconnectDoor:
    """What disconnecting needs.

    Attributes:
        disconnector: Does it.
        rule: Who may ask for it.
    """

    disconnector: Disconnector
    rule: InternalRule


@stream_request_body
class DisconnectHandler(InternalHandler):
    """Judges the request before its body is read, as a publication's."""

    SUPPORTED_METHODS = (*InternalHandler.SUPPORTED_METHODS, "TRACE", "CONNECT")

    def initialize(self, door: Callable[[], DisconnectDoor]) -> None:
        """Called by Tornado with the route's arguments; ``door`` raises BrokerClosedError if it is shut."""
        self._open_door = door
        self._body = bytearray()

    def prepare(self) -> None:
        """The rule, then the method."""
        self.door = self.admit(self._open_door)
        if self.request.method != "POST":
            self.refuse(405, Allow="POST")

    def data_received(self, chunk: bytes) -> None:
        """Collect the body, up to a little more than its bound."""
        if len(self._body) <= BODY_BYTES:
            self._body += chunk

    async def post(self) -> None:
        """Disconnect; 200 tells how many connections were closed."""
        if len(self._body) > BODY_BYTES:
            self._refuse(413, f"the body has at most {BODY_BYTES} bytes")
        try:
            user, before = read_request(self._kind, bytes(self._body), time.time())
        except ValueError as error:
            self._refuse(400, str(error))
        try:
            done = await self.door.disconnector.disconnect(user, before)
        except BrokerError as error:
            self._unavailable(error)
        answer: dict[str, Any] = {"closed": done.closed}
        if done.missing:
            logger.warning("%d nodes did not say whether they disconnected a user", done.missing)
            answer["missing_nodes"] = done.missing
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(answer, separators=(",", ":")) + "\n")

    @property
    def _kind(self) -> str:
        kinds = self.request.headers.get_list("Content-Type")
        try:
            return media_type(kinds[0]) if kinds else ""
        except InvalidPublicationError:
            return ""

    def _refuse(self, status: int, reason: str) -> NoReturn:
        self.refuse_with_reason(status, {"closed": 0, "reason": reason})

    def _unavailable(self, error: BrokerError) -> NoReturn:
        reason, retry_after = "the server is shutting down", 1.0
        if isinstance(error, BrokerUnavailableError):
            reason = f"only this node could be told, or it is not known which were: {error.reason}"
            retry_after = error.retry_after
        logger.warning("a user could not be disconnected everywhere: %s", reason)
        self.refuse_with_reason(503, {"reason": reason}, Retry_After=str(max(1, round(retry_after))))


def read_request(kind: str, body: bytes, now: float) -> tuple[str, float | None]:
    """Whom to disconnect, and the Unix time before which what was issued to them is refused.

    Args:
        kind: The body's media type.
        body: A form or JSON: ``user``, and optionally ``before``, which is Unix seconds or ``now``.
        now: Unix time.

    Raises:
        ValueError: It makes no sense, with a reason for the application.
    """
    found = _read_json(body) if kind == JSON_TYPE else _read_form(body) if kind == FORM_TYPE else None
    if found is None:
        raise ValueError(f"the body must be {FORM_TYPE} or {JSON_TYPE}")
    user, before = found.get("user"), found.get("before")
    if not isinstance(user, str) or not user:
        raise ValueError("user is missing, or is no text")
    return user, None if before is None else _time(before, now)


def _time(value: object, now: float) -> float:
    if value == "now":
        return now
    try:
        seconds = float(value) if isinstance(value, str | int | float) and value is not True else math.nan
    except (ValueError, OverflowError):
        seconds = math.nan
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError("before must be Unix seconds, or now")
    return seconds


def _read_json(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("the body is no JSON") from None
    if not isinstance(found, dict):
        raise ValueError("the body is no JSON object")
    unknown = found.keys() - _KNOWN
    if unknown:
        raise ValueError(f"{min(unknown)!r} is not known here; there are user and before")
    return found


def _read_form(body: bytes) -> dict[str, Any]:
    try:
        form = parse_form(body)
        texts = {name: form.get(name.encode()).decode() for name in ("user", "before")}
    except (InvalidPublicationError, UnicodeDecodeError):
        raise ValueError("the body is no form") from None
    return {name: text for name, text in texts.items() if text}
