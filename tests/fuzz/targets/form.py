"""Publish forms: a publication or a PublishError, and what is accepted reads as ``urllib`` reads it.

The input is the body, the query, and the Content-Type, with zero bytes between them.
"""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import parse_qsl

from tests.fuzz.targets.pieces import grown
from tornado_realtime.errors import PublishError
from tornado_realtime.wire.form import media_type, request_from_form

LIMIT = 200


def run(data: bytes) -> None:
    """Read one request."""
    body, _, rest = data.partition(b"\0")
    query, _, content_type = rest.partition(b"\0")
    _check_form(body, query)
    with suppress(PublishError):
        kind = media_type(content_type.decode("latin-1"))
        assert kind == kind.strip().lower()
        assert media_type(kind) == kind
    if (large := grown(data)) is not None:
        with suppress(PublishError):
            request_from_form(large, large, len(large))
        with suppress(PublishError):
            media_type(large.decode("latin-1"))


def _check_form(body: bytes, query: bytes) -> None:
    try:
        request = request_from_form(body, query, LIMIT)
    except PublishError:
        return
    (publication,) = request.publications
    fields = _as_urllib_reads(query) | _as_urllib_reads(body)
    assert publication.channel == fields["channel"], "another channel than urllib reads"
    assert publication.data == fields["message"].encode(), "another message than urllib reads"
    assert request.key == fields.get("key", ""), "another key than urllib reads"
    assert publication.exclude == fields.get("exclude", ""), "another client than urllib reads"
    assert len(publication.channel.encode()) <= LIMIT
    assert len(publication.data) <= LIMIT


def _as_urllib_reads(text: bytes) -> dict[str, str]:
    """The first value of each name; ``urllib`` takes other bytes than ASCII as escapes only."""
    escaped = "".join(chr(byte) if byte < 0x80 else f"%{byte:02x}" for byte in text)
    pairs = parse_qsl(escaped, keep_blank_values=True, errors="surrogateescape", max_num_fields=10_000)
    return dict(reversed(pairs))
