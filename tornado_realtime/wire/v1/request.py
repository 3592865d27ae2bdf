"""What a client of v1 says: one JSON object (V2).

It is read as the older dialects read theirs (names in any case, the last of two equal names wins, null
changes nothing, unknown names are skipped), so that whatever an envelope client says means the same here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from json import JSONDecoder
from typing import Any, NamedTuple, TypeGuard

from tornado_realtime.publication import Last, Position
from tornado_realtime.wire.commands import Id
from tornado_realtime.wire.json_text import after_spaces, members, refuse_constant, without_white_space

ID_SIZE = 64
"""Most characters of an id that is text."""
MOST_ID = 2**53 - 1
"""The largest whole number that every JSON reader keeps (RFC 7493)."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_TEXTS = ("action", "channel")
_ID_DIGITS = len(str(-MOST_ID))


class Digits(NamedTuple):
    """A whole number as it is written: turning thousands of digits into a number would take long."""

    text: str


class _Object(list[tuple[str, Any]]):
    """A JSON object as its pairs, so that no equal name is lost; arrays are plain lists."""


_DECODER = JSONDecoder(
    object_pairs_hook=_Object, parse_int=Digits, parse_float=len, parse_constant=refuse_constant
)


class Asked:
    """One message.

    Attributes:
        action: What is wanted; empty if it does not say.
        channel: Where; empty if it does not say.
        id: What the reply has to carry.
        is_valid: Whether it is such an object at all; if not, only ``id`` means anything.
    """

    __slots__ = ("_text", "_values", "action", "channel", "id", "is_valid")

    def __init__(self, text: str, pairs: Iterable[tuple[str, Any]]) -> None:
        self._text = text
        # null is the same as leaving out, and does not undo what came before it.
        given = [(name.lower(), value) for name, value in pairs if value is not None]
        self._values = dict(given)
        self.id, is_id = _id(self._values.get("id"))
        self.is_valid = is_id and all(isinstance(value, str) for name, value in given if name in _TEXTS)
        self.action, self.channel = self.text("action") or "", self.text("channel") or ""

    def text(self, name: str) -> str | None:
        """The text under ``name``; empty if it is not there, None if it is something else."""
        value = self._values.get(name, "")
        return _without_surrogates(value) if isinstance(value, str) else None

    def flag(self, name: str, default: bool) -> bool | None:
        """The same for true and false."""
        value = self._values.get(name, default)
        return value if isinstance(value, bool) else None

    def number(self, name: str, default: int) -> int | None:
        """The whole number from 0 to ``MOST_ID`` under ``name``; None if it is something else."""
        value = self._values.get(name)
        return default if value is None else _number(value)

    def since(self) -> Position | Last | None:
        """The place in a stream under ``since``, if there is one.

        Raises:
            ValueError: Something else stands there.
        """
        value = self._values.get("since")
        if value is None:
            return None
        # Its names may be in any case, too.
        found = {name.lower(): item for name, item in value if item is not None} if _is_object(value) else {}
        epoch, offset, last = found.get("epoch"), _number(found.get("offset")), _number(found.get("last"))
        if isinstance(epoch, str) and len(epoch) <= ID_SIZE and offset is not None and "last" not in found:
            return Position(_without_surrogates(epoch), offset)
        if last is not None and not found.keys() & {"epoch", "offset"}:
            return Last(last)
        raise ValueError("neither a position nor how many")

    def json(self, name: str) -> bytes | None:
        """The JSON under ``name`` as it is written, without white space; None if it is not there."""
        places, _ = members(self._text, after_spaces(self._text, 0))
        found = [place for key, place in places.items() if key.lower() == name]
        if not found:
            return None
        start, stop = max(found)
        return without_white_space(_without_surrogates(self._text[start:stop]).encode())


def read_asked(message: bytes, is_text: bool) -> Asked:
    """What ``message`` says.

    Args:
        message: A whole message.
        is_text: Whether it is known to be UTF-8; otherwise each byte that is not becomes U+FFFD.
    """
    text = message.decode("utf-8", "strict" if is_text else "surrogateescape")
    try:
        value = _DECODER.decode(text)
    except (ValueError, RecursionError):
        return _NOTHING
    if value is None:
        return Asked(text, [])
    return Asked(text, value) if isinstance(value, _Object) else _NOTHING


def _id(value: Any) -> tuple[Id | None, bool]:
    """An id, and whether it is a good one, or none."""
    if value is None:
        return None, True
    if isinstance(value, str):
        is_good = len(value) <= ID_SIZE and not _SURROGATE.search(value)
        return (value, True) if is_good else (None, False)
    if isinstance(value, Digits) and len(value.text) <= _ID_DIGITS and abs(int(value.text)) <= MOST_ID:
        return int(value.text), True
    return None, False


def _is_object(value: Any) -> TypeGuard[_Object]:
    return isinstance(value, _Object)


def _number(value: Any) -> int | None:
    """A whole number from 0 to ``MOST_ID``; None for anything else."""
    if not isinstance(value, Digits) or len(value.text) > _ID_DIGITS:
        return None
    number = int(value.text)
    return number if 0 <= number <= MOST_ID else None


def _without_surrogates(text: str) -> str:
    """``text`` with half pairs, and bytes that were no UTF-8, as U+FFFD, one for each."""
    return text if text.isascii() else _SURROGATE.sub(_REPLACEMENT, text)


_NOTHING = Asked("", [])
_NOTHING.is_valid = False
