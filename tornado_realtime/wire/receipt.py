"""How far a publication got, for publishers who ask: what they may wish for, and what they are told."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tornado_realtime.errors import InvalidPublicationError
from tornado_realtime.publication import Position, Taken

TIMEOUT = 2.0
"""Seconds that a publisher waits for a receipt when it says nothing else."""
MOST_SECONDS = 10.0
"""Longest wait that a publisher may ask for."""

_SECONDS = re.compile(r"[0-9]{1,2}(?:\.[0-9]{1,6})?")
_REFUSED = re.compile(r"q=0(?:\.0{0,3})?")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a publisher wants to know.

    Attributes:
        is_everywhere: Of all nodes; else of this one.
        timeout: Seconds it waits for that.
    """

    is_everywhere: bool = False
    timeout: float = TIMEOUT


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one request's publications, summed over their subscribers.

    Attributes:
        written: The kernel took all of it.
        queued: It waits for the subscriber's socket, or part of it does.
        skipped: The wire could not carry it, or the client left meanwhile.
        answered: Nodes that this is the sum of.
        missing: Nodes that did not tell in time; what they wrote is not counted.
        taken: What the broker said of each publication.
    """

    written: int = 0
    queued: int = 0
    skipped: int = 0
    answered: int = 0
    missing: int = 0
    taken: Sequence[Taken] = ()

    def text(self, *, is_many: bool = False) -> str:
        """The answer to the publisher.

        Args:
            is_many: Whether it asked for several publications, and so is told a list of positions.
        """
        answer = {
            "accepted": True,
            **self._positions(is_many),
            **self._repeated(),
            "written": self.written,
            "queued": self.queued,
            "skipped": self.skipped,
            "nodes": {"answered": self.answered, "missing": self.missing},
        }
        return json.dumps(answer, separators=(",", ":")) + "\n"

    def _positions(self, is_many: bool) -> dict[str, Any]:
        positions = [_position(taken.position) for taken in self.taken]
        if not any(positions):
            return {}
        return {"positions": positions} if is_many else positions[0] or {}

    def _repeated(self) -> dict[str, int]:
        repeated = sum(taken.repeated for taken in self.taken)
        return {"repeated": repeated} if repeated else {}


def _position(position: Position | None) -> dict[str, Any] | None:
    return None if position is None else {"epoch": position.epoch, "offset": position.offset}


def wants_receipt(accept: str) -> bool:
    """Whether an ``Accept`` header names JSON (RFC 9110 section 12.5.1); anything at all does not name it."""
    for part in accept.lower().split(","):
        kind, *parameters = map(str.strip, part.split(";"))
        if kind == "application/json":
            return not any(map(_REFUSED.fullmatch, parameters))
    return False


def wish(wait: str, timeout: str) -> Wish:
    """What the words of a publisher mean; an empty one was not said.

    Args:
        wait: ``delivered``, for all nodes.
        timeout: Seconds, written as a decimal number.

    Raises:
        InvalidPublicationError: One of them cannot be used.
    """
    if wait not in ("", "delivered"):
        raise InvalidPublicationError("wait must be delivered, or not there")
    if not timeout:
        return Wish(bool(wait))
    seconds = float(timeout) if _SECONDS.fullmatch(timeout) else 0.0
    if not 0 < seconds <= MOST_SECONDS:
        raise InvalidPublicationError(f"timeout must be seconds, more than 0 and at most {MOST_SECONDS:g}")
    return Wish(bool(wait), seconds)
