"""Heads of requests in the fast lane: what it reads, Tornado reads alike; what is odd stays odd."""

from __future__ import annotations

from tornado.httputil import HTTPHeaders

from tests.fuzz.targets.pieces import grown
from tornado_realtime.fastlane.head import PUBLISH_FIELDS, UPGRADE_FIELDS, may_go_on, read_fields


def run(data: bytes) -> None:
    """Read header lines."""
    for known in (PUBLISH_FIELDS, UPGRADE_FIELDS):
        fields = read_fields(data, known)
        may = [may_go_on(data[:end], known) for end in range(min(len(data), 600) + 1)]
        assert may == sorted(may, reverse=True), "what was odd became plain"
        if fields is None:
            continue
        assert all(may), "what is plain as a whole was odd in part"
        headers = HTTPHeaders.parse(data.decode("latin-1"))
        assert sorted(fields) == sorted(name.lower() for name in headers)
        for name in headers:
            assert headers.get_list(name) == fields.get_list(name), name
    if (large := grown(data)) is not None:
        read_fields(large, UPGRADE_FIELDS)
        may_go_on(large, UPGRADE_FIELDS)
