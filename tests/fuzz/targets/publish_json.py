"""Publish requests in JSON: publications or a PublishError, and messages that mean what they were."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from tests.fuzz.targets.pieces import grown
from tornado_realtime.errors import PublishError
from tornado_realtime.publication import Publication
from tornado_realtime.wire.publish_json import MOST_PUBLICATIONS, publications_from_json

LIMIT = 200


def run(data: bytes) -> None:
    """Read one body."""
    try:
        found = publications_from_json(data, LIMIT)
    except PublishError as error:
        # It is an answer: one that cannot be written would become a 500.
        str(error).encode()
    else:
        _check(data, found)
    if (large := grown(data)) is not None:
        with suppress(PublishError):
            publications_from_json(large, len(large))
        with suppress(PublishError):
            publications_from_json(b'{"batch":[%b]}' % b",".join([data] * (len(large) // len(data))), LIMIT)


def _check(data: bytes, found: Sequence[Publication]) -> None:
    body = as_json(data)
    entries = body.get("batch", [body])
    wanted = [
        (channel, entry["message"])
        for entry in entries
        for channel in entry.get("channels", [entry.get("channel")])
    ]
    assert 0 < len(found) <= MOST_PUBLICATIONS
    assert [publication.channel for publication in found] == [channel for channel, _ in wanted]
    for publication, (_, message) in zip(found, wanted, strict=True):
        assert len(publication.channel.encode()) <= LIMIT
        assert 0 < len(publication.data) <= LIMIT
        is_text = isinstance(message, Text)
        assert (Text(publication.data.decode()) if is_text else as_json(publication.data)) == message


class Text(str):
    """A string of JSON; numbers are plain strings, so that no digit of them gets lost."""

    __slots__ = ()


def as_json(data: bytes) -> Any:
    """JSON as the standard library reads it, with strings marked and numbers as written."""
    return _marked(json.loads(data, parse_int=_Number, parse_float=_Number))


class _Number(str):
    __slots__ = ()


def _marked(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _marked(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_marked(item) for item in value]
    if isinstance(value, str) and not isinstance(value, _Number):
        return Text(value)
    return value
