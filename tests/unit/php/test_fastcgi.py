from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tornado.httputil import HTTPHeaders

from tornado_realtime.errors import GatewayError
from tornado_realtime.site.fastcgi import (
    MAX_HEAD_BYTES,
    CgiBody,
    CgiEnd,
    CgiEvent,
    CgiHead,
    CgiLogLine,
    CgiReader,
    parse_head,
)
from tornado_realtime.site.fastcgi_wire import RecordKind, encode_record


def out(content: bytes) -> bytes:
    return encode_record(RecordKind.STDOUT, content)


def end(app_status: int = 0, protocol_status: int = 0) -> bytes:
    return encode_record(RecordKind.END_REQUEST, struct.pack(">IB3x", app_status, protocol_status))


def read(*pieces: bytes) -> list[CgiEvent]:
    reader = CgiReader()
    return [event for piece in pieces for event in reader.feed(piece)]


@pytest.mark.parametrize(
    ("text", "head"),
    [
        (b"Content-Type: text/html", CgiHead(200, (("Content-Type", "text/html"),))),
        (b"Status: 404 Not Found\r\nA: b", CgiHead(404, (("A", "b"),))),
        (b"status:201\nA:b", CgiHead(201, (("A", "b"),))),
        (b"Location: /there", CgiHead(302, (("Location", "/there"),))),
        (b"Location: /there\r\nStatus: 201 Created", CgiHead(201, (("Location", "/there"),))),
        (
            b"Set-Cookie: a=1\r\nX: y \t\r\nSet-Cookie: b=2",
            CgiHead(200, (("Set-Cookie", "a=1"), ("X", "y"), ("Set-Cookie", "b=2"))),
        ),
        (b"Content-Length: 12\r\nContent-Length: 12", CgiHead(200, (), 12)),
        (b"X: \xc3\xa4\t\xff", CgiHead(200, (("X", "\xc3\xa4\t\xff"),))),
        (
            b"Connection: close\r\nTransfer-Encoding: chunked\r\nKeep-Alive: 5\r\nUpgrade: x\r\nA: b",
            CgiHead(200, (("A", "b"),)),
        ),
    ],
)
def test_heads(text: bytes, head: CgiHead) -> None:
    assert parse_head(text) == head


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"no colon",
        b": no name",
        b"bad name: x",
        b"A: b\r\n folded",
        b"A: b\r\n\r",
        b"A: b\x00c",
        b"A: b\rc",
        b"A: b\x7f",
        b"Status: 99",
        b"Status: 100 Continue",
        b"Status: 600",
        b"Status: OK",
        b"Status: 200\r\nStatus: 404",
        b"Content-Length: -1",
        b"Content-Length: 1\r\nContent-Length: 2",
        b"Content-Length: 1, 1",
        b"Content-Length: \xb2",
        b"<html>",
    ],
)
def test_broken_heads(text: bytes) -> None:
    with pytest.raises(GatewayError) as caught:
        parse_head(text)
    assert caught.value.status == 502


@pytest.mark.parametrize("blank", [b"\r\n\r\n", b"\n\n", b"\r\n\n", b"\n\r\n"])
def test_an_answer_byte_by_byte(blank: bytes) -> None:
    stream = out(b"A: b" + blank[:1]) + out(blank[1:] + b"body\n\n") + out(b"") + out(b"more") + end(3)
    events = read(*(stream[at : at + 1] for at in range(len(stream))))
    assert events == [
        CgiHead(200, (("A", "b"),)),
        CgiBody(b"body\n\n"),
        CgiBody(b"more"),
        CgiEnd(3),
    ]


def test_log_lines_come_in_between_and_the_last_one_at_the_end() -> None:
    def err(content: bytes) -> bytes:
        return encode_record(RecordKind.STDERR, content)

    events = read(err(b"one\ntw"), out(b"A: b\n\n"), err(b"o\nthree"), end())
    assert events == [
        CgiLogLine("one"),
        CgiHead(200, (("A", "b"),)),
        CgiLogLine("two"),
        CgiLogLine("three"),
        CgiEnd(0),
    ]


def test_the_head_is_bounded() -> None:
    line = b"A: " + b"x" * (MAX_HEAD_BYTES - 3)
    first, rest = line[:40_000], line[40_000:]
    assert read(out(first), out(rest), out(b"\n\n"))
    with pytest.raises(GatewayError, match="headers"):
        read(out(first), out(rest + b"x"), out(b"\n\n"))
    with pytest.raises(GatewayError, match="headers"):
        read(out(first), out(rest), out(b"y" * 10))


@pytest.mark.parametrize(
    ("pieces", "status"),
    [
        ((end(),), 502),
        ((out(b"A: b"), end()), 502),
        ((out(b"A: b\n\n"), end(), out(b"x")), 502),
        ((end(0, 1),), 502),
        ((end(0, 2),), 503),
        ((end(0, 3),), 502),
        ((encode_record(RecordKind.END_REQUEST, b"short"),), 502),
        ((encode_record(RecordKind.STDIN, b"x"),), 502),
    ],
)
def test_broken_answers(pieces: tuple[bytes, ...], status: int) -> None:
    with pytest.raises(GatewayError) as caught:
        read(*pieces)
    assert caught.value.status == status


def test_the_end_of_the_connection_is_an_error_until_the_answer_is_complete() -> None:
    reader = CgiReader()
    reader.feed(out(b"A: b\n\nbody"))
    with pytest.raises(GatewayError):
        reader.feed_eof()
    reader.feed(end())
    assert reader.ended
    reader.feed_eof()


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(st.sampled_from([6, 6, 6, 7, 3]), st.binary(max_size=40)), max_size=12))
def test_rubbish_in_records_gives_nothing_but_gateway_errors(records: list[tuple[int, bytes]]) -> None:
    try:
        events = read(*(encode_record(RecordKind(kind), content) for kind, content in records))
    except GatewayError as error:
        assert error.status in (502, 503)
        return
    kinds = [type(event) for event in events if not isinstance(event, CgiLogLine)]
    assert kinds[:1] in ([], [CgiHead])
    assert kinds.count(CgiHead) <= 1


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=60).map(lambda text: b"A:" + text))
def test_what_passes_as_a_head_cannot_break_ours(text: bytes) -> None:
    try:
        head = parse_head(text)
    except GatewayError:
        return
    assert 200 <= head.status <= 599
    for name, value in head.fields:
        assert not set(name + value) & set("\r\n\0")
        HTTPHeaders().add(name, value)  # Tornado, too, must find nothing wrong with it


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=500), st.data())
def test_the_body_does_not_depend_on_how_bytes_arrive(body: bytes, data: st.DataObject) -> None:
    stream = out(b"A: b\r\n\r\n" + body) + end()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    pieces = [stream[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    events = read(*pieces)
    assert b"".join(event.data for event in events if isinstance(event, CgiBody)) == body
