"""Which heads the lane reads, and which halves of heads it waits for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tornado.httputil import HTTPHeaders

from tests.support.lane_requests import publish_fields, upgrade_fields
from tornado_realtime.fastlane.head import (
    PUBLISH_FIELDS,
    UPGRADE_FIELDS,
    Fields,
    may_go_on,
    read_fields,
)

GOOD = "\r\n".join(publish_fields("User-Agent: a\tb: c", "Accept: ")).encode()
ODD = {
    "a bare line feed": b"Host: a\nAccept: b",
    "a bare carriage return": b"Host: a\rb",
    "a carriage return at the end": b"Host: a\r",
    "a null byte": b"Host: a\x00",
    "a delete character": b"Host: a\x7f",
    "a byte above ASCII": b"Host: \xe9",
    "white space before the colon": b"Host : a",
    "a folded line": b"Host: a\r\n b",
    "a first line that is folded": b" Host: a",
    "no colon": b"Host",
    "an empty line": b"Host: a\r\n",
    "nothing": b"",
    "no name": b": a",
    "an unknown field": b"Host: a\r\nX-Other: b",
    "a field twice": b"Host: a\r\nhost: a",
    "a name that is not ASCII": "Hośt: a".encode(),
    "a name that ASCII folds to": "\u212aeep: a".encode(),
}


def test_what_is_read() -> None:
    fields = read_fields(GOOD, PUBLISH_FIELDS)
    assert fields is not None
    assert {name: fields.get(name) for name in fields} == {
        "host": "localhost",
        "content-type": "application/x-www-form-urlencoded",
        "x-broadcast-secret": "s3cret",
        "content-length": "35",
        "user-agent": "a\tb: c",
        "accept": "",
    }


@pytest.mark.parametrize("name", ODD)
def test_what_is_odd_is_not_read(name: str) -> None:
    assert read_fields(ODD[name], PUBLISH_FIELDS) is None


@pytest.mark.parametrize(
    "name", ["Transfer-Encoding", "Expect", "Upgrade", "Origin", "Cookie", "X-Forwarded-For", "Via", "TE"]
)
def test_a_publisher_sends_none_of_these(name: str) -> None:
    assert read_fields(f"Host: a\r\n{name}: b".encode(), PUBLISH_FIELDS) is None


@pytest.mark.parametrize("name", ["Transfer-Encoding", "Expect", "Content-Length"])
def test_a_handshake_has_none_of_these(name: str) -> None:
    assert read_fields(f"Host: a\r\n{name}: b".encode(), UPGRADE_FIELDS) is None


@pytest.mark.parametrize("known", [PUBLISH_FIELDS, UPGRADE_FIELDS], ids=["publish", "upgrade"])
def test_every_beginning_of_a_good_head_may_go_on(known: frozenset[str]) -> None:
    fields = publish_fields() if known is PUBLISH_FIELDS else upgrade_fields()
    whole = ("\r\n".join(fields) + "\r\n\r").encode()
    assert all(may_go_on(whole[:size], known) for size in range(len(whole) + 1))


@pytest.mark.parametrize(
    "begun",
    [
        b"\n",
        b"Host: a\n",
        b"Host: a\rb",
        b"Host\r",
        b"Host \r",
        b"Hosts",
        b" ",
        b"Host ",
        b"Host: a\r\n b",
        b"Host: a\r\nhost:",
        b"Host: a\r\nX-O",
        b"Host: a\r\nX-Broadcast-Secret-Two:",
        b"X-Other: a\r\nHost: a",
        b"Host: \xff",
        b"H\xff",
    ],
)
def test_a_half_that_is_odd_already_is_not_waited_for(begun: bytes) -> None:
    assert not may_go_on(begun, PUBLISH_FIELDS)


@given(st.binary(max_size=40), st.integers(0, len(GOOD)), st.integers(0, 20))
def test_what_is_read_whole_is_waited_for_in_halves(noise: bytes, place: int, drop: int) -> None:
    text = GOOD[:place] + noise + GOOD[place + drop :]
    if read_fields(text, PUBLISH_FIELDS) is not None:
        assert all(may_go_on(text[:size], PUBLISH_FIELDS) for size in range(len(text) + 1))


@given(st.binary(max_size=12), st.integers(0, len(GOOD)), st.integers(0, 12))
def test_what_the_lane_reads_tornado_reads_likewise(noise: bytes, place: int, drop: int) -> None:
    text = GOOD[:place] + noise + GOOD[place + drop :]
    fields = read_fields(text, PUBLISH_FIELDS)
    if fields is not None:
        theirs = HTTPHeaders.parse(text.decode("latin-1"))
        assert {name: [value] for name, value in theirs.get_all()} == {
            name.title(): fields.get_list(name) for name in fields
        }


@pytest.mark.parametrize(
    ("length", "is_plain"),
    [
        ("0", True),
        ("35", True),
        ("00000035", True),
        ("99999999", True),
        ("", False),
        ("-1", False),
        ("+1", False),
        ("1_0", False),
        ("1, 1", False),
        ("000000001", False),
        ("\u0665", False),
        (None, False),
    ],
)
def test_the_length_of_the_body(length: str | None, is_plain: bool) -> None:
    assert Fields({} if length is None else {"content-length": length}).has_length is is_plain


@pytest.mark.parametrize(
    ("host", "is_plain"),
    [
        ("localhost", True),
        ("a-b.example.com:8080", True),
        ("127.0.0.1:80", True),
        ("[::1]", True),
        ("[::ffff:127.0.0.1]:8080", True),
        ("", False),
        (":80", False),
        ("a:", False),
        ("a:b", False),
        ("a:123456", False),
        ("my_host", False),
        ("user@host", False),
        ("a, b", False),
        ("a/b", False),
        ("::1", False),
        ("[::1", False),
        ("ex%61mple", False),
        ("localhost\n", False),
    ],
)
def test_plain_hosts(host: str, is_plain: bool) -> None:
    assert Fields({"host": host}).has_plain_host is is_plain


def test_fields_read_like_tornados() -> None:
    fields = Fields({"user-agent": "x"})
    theirs = HTTPHeaders({"User-Agent": "x"})
    for name in ("User-Agent", "user-agent", "USER-AGENT", "Other"):
        assert fields.get_list(name) == theirs.get_list(name)
        assert fields.get(name, "none") == theirs.get(name, "none")
        assert (name in fields) is (name in theirs)
