"""Questions of an application: a GET whose path and query say what is asked, and an answer in JSON."""

from __future__ import annotations

import difflib
import json
import logging
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn
from urllib.parse import unquote_to_bytes

from tornado_realtime.errors import (
    BrokerError,
    BrokerUnavailableError,
    InvalidPublicationError,
    QuestionError,
)
from tornado_realtime.handlers.broadcast import PublishDoor
from tornado_realtime.handlers.internal import InternalHandler
from tornado_realtime.wire.form import parse_form

logger = logging.getLogger(__name__)

MOST_ENTRIES = 1000
"""Longest page."""
DEFAULT_ENTRIES = 100


class Query:
    """The fields of an address's query.

    Args:
        text: Without its question mark.
        known: The names that there are; another one is refused, so that no typing error goes unnoticed.

    Raises:
        QuestionError: It cannot be read.
    """

    def __init__(self, text: str, known: Iterable[str]) -> None:
        names = sorted(known)
        try:
            form = parse_form(text.encode("latin-1", "replace"))
            self._values = {name.decode(): form.get(name).decode() for name in form.values}
        except (InvalidPublicationError, UnicodeDecodeError):
            raise QuestionError("the query cannot be read: percent-encode it, in UTF-8") from None
        for name in sorted(self._values.keys() - set(names)):
            near = difflib.get_close_matches(name[:64], names, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
            raise QuestionError(f"{name[:64]!r} is not known here ({hint})")

    def text(self, name: str) -> str:
        """The value of ``name``; empty when it is missing."""
        return self._values.get(name, "")

    def flag(self, name: str) -> bool:
        """Whether ``name`` is true; when it is missing it is not.

        Raises:
            QuestionError: It is neither true nor false.
        """
        text = self._values.get(name, "false")
        if text not in ("true", "false"):
            raise QuestionError(f"{name} must be true or false")
        return text == "true"

    def size(self, name: str, default: int = DEFAULT_ENTRIES) -> int:
        """A number of entries, from 1 to MOST_ENTRIES; ``default`` when it is missing.

        Raises:
            QuestionError: It is something else.
        """
        text = self._values.get(name, str(default))
        if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= MOST_ENTRIES):
            raise QuestionError(f"{name} must be a whole number from 1 to {MOST_ENTRIES}")
        return int(text)


class AskingHandler(InternalHandler):
    """The rule, then the method, then the question."""

    SUPPORTED_METHODS = (*InternalHandler.SUPPORTED_METHODS, "TRACE", "CONNECT")

    def initialize(self, door: Callable[[], PublishDoor]) -> None:
        """Called by Tornado with the route's arguments; ``door`` raises BrokerClosedError if it is shut."""
        self._open_door = door

    def prepare(self) -> None:
        """The rule, then the method."""
        self.door = self.admit(self._open_door)
        if self.request.method not in ("GET", "HEAD"):
            self.refuse(405, Allow="GET, HEAD")

    async def get(self, rest: str = "") -> None:
        """Answer, or say why not.

        Args:
            rest: What stands in the path behind the route's, as it was sent.
        """
        self.set_header("Cache-Control", "no-store")
        try:
            found = await self.found(rest)
        except QuestionError as error:
            self.refuse_with_reason(error.status, {"reason": str(error), **error.more})
        except BrokerError as error:
            self._unavailable(error)
        self.set_header("Content-Type", "application/json")
        self.set_header("X-Content-Type-Options", "nosniff")
        if not isinstance(found, bytes):
            found = json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode()
        self.finish(found + b"\n")

    async def head(self, rest: str = "") -> None:
        """The same without a body."""
        await self.get(rest)

    @abstractmethod
    async def found(self, rest: str) -> Mapping[str, Any] | bytes:
        """The answer, as JSON or to be made JSON.

        Args:
            rest: See ``get``.

        Raises:
            QuestionError: The question cannot be answered.
            BrokerError: It cannot be found out now.
        """

    def query(self, *known: str) -> Query:
        """The query of the address, in which there may be ``known`` names."""
        return Query(self.request.query, known)

    def _unavailable(self, error: BrokerError) -> NoReturn:
        reason, retry_after = "the server is shutting down", 1.0
        if isinstance(error, BrokerUnavailableError):
            reason, retry_after = f"it cannot be found out now: {error.reason}", error.retry_after
        logger.warning("a question of the application could not be answered: %s", reason)
        self.refuse_with_reason(503, {"reason": reason}, Retry_After=str(max(1, round(retry_after))))


def decoded(part: str, what: str) -> str:
    """Part of a path, percent-decoded.

    Raises:
        QuestionError: It is not UTF-8.
    """
    try:
        return unquote_to_bytes(part.encode("latin-1")).decode()
    except UnicodeError:
        raise QuestionError(f"{what} is not UTF-8, percent-encoded") from None


def nodes_of(answered: int, missing: int) -> dict[str, int]:
    """How many nodes an answer is of, and how many did not tell in time."""
    return {"answered": answered, "missing": missing}
