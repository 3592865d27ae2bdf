"""Publications out of JSON: a message for one channel or for several, or a batch of such.

::

    {"channel": "news", "message": "hello"}
    {"channels": ["news", "sport"], "message": {"any": "JSON"}}
    {"batch": [{"channel": "news", "message": 1}, {"channels": ["a", "b"], "message": "hello"}]}

Beside these there may be ``key``, and ``wait`` and ``timeout``, for a receipt; beside a message ``exclude``.
A message that is a string is the text itself. Any other is published as it is written, without white space
around its parts: digits, the order of names and equal names stay.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from functools import cached_property
from json import JSONDecodeError
from typing import Any

from tornado_realtime.channels import BAD_NAME, is_good_name
from tornado_realtime.errors import InvalidPublicationError, PublicationTooLargeError, PublishError
from tornado_realtime.publication import Publication
from tornado_realtime.wire.json_text import DECODER, after_spaces, members, without_white_space
from tornado_realtime.wire.publish_request import NO_WISH, PublishRequest, checked_client, checked_key
from tornado_realtime.wire.receipt import Wish, wish

JSON_TYPE = "application/json"
"""The media type of a body that ``request_from_json`` reads."""
MOST_PUBLICATIONS = 10_000
"""How many publications one body may make."""

_ENTRY_KEYS = frozenset({"channel", "channels", "message", "exclude"})
_WISHES = ("wait", "timeout")
_KEYS = _ENTRY_KEYS | {"batch", "key", *_WISHES}
_SHOWN_SIZE = 64


def request_from_json(body: bytes, max_publication_size: int) -> PublishRequest:
    """The publications that a JSON body makes, in its order, and what else it says.

    All of it is good, or nothing is returned.

    Args:
        body: One JSON object in UTF-8.
        max_publication_size: Most bytes of a message.

    Raises:
        InvalidPublicationError: If it is not such an object, or no channel can be called so. The message
            tells where it is wrong.
        PublicationTooLargeError: If a message is above ``max_publication_size``, or there are more than
            ``MOST_PUBLICATIONS``.
    """
    try:
        text = body.decode()
        value = DECODER.decode(text)
        return _Reader(text, max_publication_size).request(value)
    except UnicodeDecodeError:
        raise InvalidPublicationError("the body is not UTF-8") from None
    except JSONDecodeError as error:
        reason = f"the body is not JSON: {error.msg} at character {error.pos}"
        raise InvalidPublicationError(reason) from None
    except RecursionError:
        raise InvalidPublicationError("the body is nested too deeply") from None
    except ValueError as error:
        raise InvalidPublicationError(f"the body is not JSON: {error}") from None


class _Reader:
    """Judges one body.

    Args:
        text: The body.
        limit: See ``max_publication_size``.
    """

    def __init__(self, text: str, limit: int) -> None:
        self._text = text
        self._limit = limit
        self._is_batch = False
        self._has_bracket = False  # in the key, which may stand before the batch

    def request(self, value: Any) -> PublishRequest:
        """What ``value`` makes, which is the text as ``DECODER`` reads it."""
        fields = _fields(value, _KEYS, "the body")
        wishes = {name: fields.pop(name) for name in _WISHES if name in fields}
        key = checked_key(_name(fields.pop("key"), "key")) if "key" in fields else ""
        # Judged first: what has passed has no bracket in it that ``_places`` could take for the batch's.
        wanted = self._wish(wishes) if wishes else NO_WISH
        self._has_bracket = "[" in key
        is_many = "batch" in fields or "channels" in fields
        return PublishRequest(self._publications(fields), key, wanted, is_many)

    def _wish(self, fields: Mapping[str, Any]) -> Wish:
        wait, seconds = fields.get("wait", ""), ""
        if "wait" in fields and wait != "delivered":
            raise InvalidPublicationError('wait must be "delivered"')
        if "timeout" in fields:
            start, stop = members(self._text, after_spaces(self._text, 0))[0]["timeout"]
            seconds = self._text[start:stop]
        return wish(wait, seconds)

    def _publications(self, fields: Mapping[str, Any]) -> list[Publication]:
        if "batch" not in fields:
            return self._entry(fields, 0, MOST_PUBLICATIONS)
        if len(fields) > 1:
            other = next(name for name in fields if name != "batch")
            raise InvalidPublicationError(f"{other} cannot stand beside batch")
        self._is_batch = True
        found: list[Publication] = []
        for index, item in enumerate(_list(fields["batch"], "batch")):
            try:
                entry = _fields(item, _ENTRY_KEYS, "it")
                found += self._entry(entry, index, MOST_PUBLICATIONS - len(found))
            except PublishError as error:
                raise type(error)(f"batch[{index}]: {error}") from None
        return found

    def _entry(self, fields: Mapping[str, Any], index: int, most: int) -> list[Publication]:
        channels = _channels(fields)
        if "message" not in fields:
            raise InvalidPublicationError("message is missing")
        if len(channels) > most:
            raise PublicationTooLargeError(f"a request makes at most {MOST_PUBLICATIONS} publications")
        data = self._checked(self._data(fields["message"], index))
        for channel in channels:
            if not is_good_name(channel):
                raise InvalidPublicationError(BAD_NAME)
        exclude = checked_client(_name(fields["exclude"], "exclude")) if "exclude" in fields else ""
        return [Publication(channel, data, exclude=exclude) for channel in channels]

    def _data(self, message: Any, index: int) -> bytes:
        """The bytes to publish for the message of one entry."""
        if isinstance(message, str):
            return _utf8(message, "message")
        start, stop = self._places[index]
        return without_white_space(self._text[start:stop].encode())

    def _checked(self, data: bytes) -> bytes:
        if not data:
            raise InvalidPublicationError("message is empty")
        if len(data) > self._limit:
            raise PublicationTooLargeError(f"a message has at most {self._limit} bytes")
        return data

    @cached_property
    def _places(self) -> list[tuple[int, int]]:
        """Where the message of each entry stands in the text, up to the first entry that is none."""
        text = self._text
        if not self._is_batch:
            return [members(text, after_spaces(text, 0))[0]["message"]]
        found = []
        # Nothing else with a bracket in it comes before the batch: see ``request``.
        start = members(text, after_spaces(text, 0))[0]["batch"][0] if self._has_bracket else 0
        place = text.index("[", start)
        while text[place] != "]":
            place = after_spaces(text, place + 1)
            if text[place] != "{":
                break
            found_members, place = members(text, place)
            found.append(found_members.get("message", (0, 0)))
        return found


def _fields(value: Any, known: frozenset[str], what: str) -> dict[str, Any]:
    """An object's values by name; every name is known and there once."""
    if not isinstance(value, tuple):
        raise InvalidPublicationError(f"{what} must be an object")
    fields = dict(value)
    if not fields.keys() <= known:
        raise _unknown(next(name for name in fields if name not in known), known)
    if len(fields) != len(value):
        names = [name for name, _ in value]
        raise InvalidPublicationError(f"{next(n for n in fields if names.count(n) > 1)} is given twice")
    return fields


def _unknown(name: str, known: frozenset[str]) -> InvalidPublicationError:
    shown = name[:_SHOWN_SIZE]
    near = difflib.get_close_matches(shown, sorted(known), n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    return InvalidPublicationError(f"unknown key {shown!r}{hint}")


def _channels(fields: Mapping[str, Any]) -> list[str]:
    """The names of an entry's channels."""
    if ("channel" in fields) == ("channels" in fields):
        both = "channel and channels are both there" if "channel" in fields else "channel is missing"
        raise InvalidPublicationError(both)
    if "channel" in fields:
        return [_name(fields["channel"], "channel")]
    return [_name(name, f"channels[{n}]") for n, name in enumerate(_list(fields["channels"], "channels"))]


def _name(value: Any, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidPublicationError(f"{what} must be a string that is not empty")
    _utf8(value, "channel" if what.startswith("channel") else what)
    return value


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise InvalidPublicationError(f"{what} must be an array that is not empty")
    return value


def _utf8(text: str, what: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InvalidPublicationError(f"{what} has half a surrogate pair") from None
