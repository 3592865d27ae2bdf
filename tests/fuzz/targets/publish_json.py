"""Publish requests in JSON: publications or a PublishError, and messages that mean what they were."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from tests.fuzz.targets.pieces import grown
from tornado_realtime.errors import PublishError
from tornado_realtime.wire.publish_json import MOST_PUBLICATIONS, request_from_json
from tornado_realtime.wire.publish_request import PublishRequest

LIMIT = 200


def run(data: bytes) -> None:
    """Read one body."""
    try:
        request = request_from_json(data, LIMIT)
    except PublishError as error:
        # It is an answer: one that cannot be written would become a 500.
        str(error).encode()
    else:
        _check(data, request)
    if (large := grown(data)) is not None:
        with suppress(PublishError):
            request_from_json(large, len(large))
        with suppress(PublishError):
            request_from_json(b'{"batch":[%b]}' % b",".join([data] * (len(large) // len(data))), LIMIT)


def _check(data: bytes, request: PublishRequest) -> None:
    found = request.publications
    body = as_json(data)
    entries = body.get("batch", [body])
    assert request.key == body.get("key", "")
    wanted = [
        (channel, entry["message"], entry.get("exclude", ""))
        for entry in entries
        for channel in entry.get("channels", [entry.get("channel")])
    ]
    assert 0 < len(found) <= MOST_PUBLICATIONS
    assert [publication.channel for publication in found] == [channel for channel, *_ in wanted]
    for publication, (_, message, exclude) in zip(found, wanted, strict=True):
        assert publication.exclude == exclude
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
