from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tornado.httputil import HTTPHeaders

from tornado_realtime.site.conditional import (
    UNSATISFIABLE,
    ByteRange,
    Validators,
    http_date,
    precondition,
    wanted_range,
)

STAMP = 784111777
NOW = "Sun, 06 Nov 1994 08:49:37 GMT"
BEFORE = "Sun, 06 Nov 1994 08:49:36 GMT"
AFTER = "Sun, 06 Nov 1994 08:49:38 GMT"
FILE = Validators('"v1"', STAMP)


def test_all_three_forms_of_a_date() -> None:
    assert http_date(NOW) == STAMP
    assert http_date("Sunday, 06-Nov-94 08:49:37 GMT") == STAMP
    assert http_date("Sun Nov  6 08:49:37 1994") == STAMP
    for nonsense in (
        None,
        "",
        "soon",
        "Sun, 99 Nov 1994 08:49:37 GMT",
        "\xff" * 9,
        "Sun, 06 Nov 99999999 1:1:1",
    ):
        assert http_date(nonsense) is None


@pytest.mark.parametrize(
    ("method", "fields", "status"),
    [
        ("GET", {}, None),
        ("GET", {"If-None-Match": '"v1"'}, 304),
        ("HEAD", {"If-None-Match": '"v0", "v1"'}, 304),
        ("GET", {"If-None-Match": 'W/"v1"'}, 304),
        ("GET", {"If-None-Match": "*"}, 304),
        ("GET", {"If-None-Match": '"v2"'}, None),
        ("GET", {"If-None-Match": "v1"}, None),
        ("POST", {"If-None-Match": '"v1"'}, 412),
        ("GET", {"If-Modified-Since": NOW}, 304),
        ("GET", {"If-Modified-Since": AFTER}, 304),
        ("GET", {"If-Modified-Since": BEFORE}, None),
        ("GET", {"If-Modified-Since": "soon"}, None),
        ("POST", {"If-Modified-Since": NOW}, None),
        ("GET", {"If-None-Match": '"v2"', "If-Modified-Since": NOW}, None),
        ("GET", {"If-Match": '"v1"'}, None),
        ("GET", {"If-Match": '"v2"'}, 412),
        ("GET", {"If-Match": 'W/"v1"'}, 412),
        ("GET", {"If-Match": "*"}, None),
        ("GET", {"If-Unmodified-Since": NOW}, None),
        ("GET", {"If-Unmodified-Since": BEFORE}, 412),
        ("GET", {"If-Match": '"v1"', "If-Unmodified-Since": BEFORE}, None),
        ("GET", {"If-Match": '"v1"', "If-None-Match": '"v1"'}, 304),
    ],
)
def test_preconditions_in_their_order(method: str, fields: dict[str, str], status: int | None) -> None:
    assert precondition(method, HTTPHeaders(fields), FILE) == status


def test_unknown_times_and_tags_match_nothing() -> None:
    unknown = Validators("", 0)
    assert precondition("GET", HTTPHeaders({"If-Modified-Since": NOW}), unknown) is None
    assert precondition("GET", HTTPHeaders({"If-None-Match": '""'}), unknown) is None


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("bytes=0-0", ByteRange(0, 0)),
        ("bytes=2-5", ByteRange(2, 5)),
        ("BYTES = 2-", ByteRange(2, 9)),
        ("bytes=-3", ByteRange(7, 9)),
        ("bytes=-99", ByteRange(0, 9)),
        ("bytes=5-99", ByteRange(5, 9)),
        ("bytes=0-99999999999999999999999999", ByteRange(0, 9)),
        ("bytes=10-", UNSATISFIABLE),
        ("bytes=99999999999999999999999999-", UNSATISFIABLE),
        ("bytes=-0", UNSATISFIABLE),
        ("bytes=5-2", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("bytes=0-1,3-4", None),
        ("lines=0-1", None),
        ("bytes", None),
        ("", None),
    ],
)
def test_ranges_of_ten_bytes(value: str, part: ByteRange | None) -> None:
    assert wanted_range(HTTPHeaders({"Range": value}), FILE, 10) == part


def test_an_empty_file_has_no_parts() -> None:
    assert wanted_range(HTTPHeaders({"Range": "bytes=0-"}), FILE, 0) is None


@pytest.mark.parametrize(
    ("condition", "holds"),
    [('"v1"', True), ('"v2"', False), ('W/"v1"', False), (NOW, True), (AFTER, False), ("soon", False)],
)
def test_a_range_of_another_version_is_not_served(condition: str, holds: bool) -> None:
    headers = HTTPHeaders({"Range": "bytes=0-1", "If-Range": condition})
    assert (wanted_range(headers, FILE, 10) is not None) == holds


@settings(deadline=None, max_examples=300)
@given(st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=30), st.integers(0, 50))
def test_any_range_lies_inside(text: str, size: int) -> None:
    for value in (text, "bytes=" + text):
        part = wanted_range(HTTPHeaders({"Range": value.strip()}), FILE, size)
        assert part is None or part == UNSATISFIABLE or 0 <= part.first <= part.last < size
