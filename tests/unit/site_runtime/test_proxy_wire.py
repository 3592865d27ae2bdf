from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tornado.httputil import HTTPHeaders

from tornado_realtime.errors import GatewayError
from tornado_realtime.site.proxy.wire import (
    Framing,
    encode_chunk,
    encode_request,
    end_to_end,
    is_upgrade,
    parse_chunk_size,
    parse_head,
)


def headers(*lines: str) -> HTTPHeaders:
    return HTTPHeaders.parse("\r\n".join(lines))


@pytest.mark.parametrize(
    ("head", "method", "framing", "length", "alive"),
    [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5", "GET", Framing.LENGTH, 5, True),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5, 5", "GET", Framing.LENGTH, 5, True),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked", "GET", Framing.CHUNKED, 0, True),
        ("HTTP/1.1 200 OK\r\nX: y", "GET", Framing.CLOSE, 0, False),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5", "HEAD", Framing.NONE, 0, True),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5", "GET", Framing.NONE, 0, True),
        ("HTTP/1.1 204 No Content\r\nX: y", "GET", Framing.NONE, 0, True),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: x, Close", "GET", Framing.LENGTH, 5, False),
        ("HTTP/1.0 200 OK\r\nContent-Length: 5", "GET", Framing.LENGTH, 5, False),
        ("HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive", "GET", Framing.LENGTH, 5, True),
        ("HTTP/1.1 200 \r\nContent-Length: 0", "GET", Framing.LENGTH, 0, True),
    ],
)
def test_heads(head: str, method: str, framing: Framing, length: int, alive: bool) -> None:
    parsed = parse_head(head.encode() + b"\r\n\r\n", method)
    assert (parsed.framing, parsed.length, parsed.keeps_alive) == (framing, length, alive)


@pytest.mark.parametrize(
    "head",
    [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6",
        "HTTP/1.1 200 OK\r\nContent-Length: -5",
        "HTTP/1.1 200 OK\r\nContent-Length: 5x",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "HTTP/2 200 OK",
        "HTTP/1.1 2000 OK",
        "SSH-2.0-server",
        "HTTP/1.1 200 OK\r\nbad name: x",
        "",
    ],
)
def test_heads_that_are_none(head: str) -> None:
    with pytest.raises(GatewayError):
        parse_head(head.encode() + b"\r\n\r\n", "GET")


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=60))
def test_random_bytes_are_an_answer_or_an_error(data: bytes) -> None:
    for begin in (b"", b"HTTP/1.1 200 OK\r\n"):
        try:
            parse_head(begin + data + b"\r\n\r\n", "GET")
        except GatewayError as error:
            assert error.status == 502


def test_what_speaks_of_one_connection_stays_behind() -> None:
    kept = end_to_end(
        headers(
            "Connection: close, X-Mine",
            "X-Mine: 1",
            "Keep-Alive: 5",
            "Te: trailers",
            "Upgrade: h2c",
            "Proxy-Authorization: x",
            "Transfer-Encoding: chunked",
            "X-Kept: 1",
            "X-Kept: 2",
        )
    )
    assert list(kept.get_all()) == [("X-Kept", "1"), ("X-Kept", "2")]


def test_upgrades() -> None:
    assert is_upgrade(headers("Connection: keep-alive, Upgrade", "Upgrade: websocket"))
    assert not is_upgrade(headers("Connection: keep-alive", "Upgrade: websocket"))
    assert not is_upgrade(headers("Connection: upgrade"))


def test_requests_and_chunks() -> None:
    assert encode_request("GET", "/a?b", headers("Host: x", "A: \xff")) == (
        b"GET /a?b HTTP/1.1\r\nHost: x\r\nA: \xff\r\n\r\n"
    )
    assert encode_chunk(b"x" * 17) == b"11\r\n" + b"x" * 17 + b"\r\n"
    assert encode_chunk(b"") == b"0\r\n\r\n"


@pytest.mark.parametrize(
    ("line", "size"), [(b"1f\r\n", 31), (b"0\r\n", 0), (b"A;ext=1\r\n", 10), (b"5 \n", 5)]
)
def test_chunk_sizes(line: bytes, size: int) -> None:
    assert parse_chunk_size(line) == size


@pytest.mark.parametrize(
    "line", [b"\r\n", b"-1\r\n", b"0x5\r\n", b"5", b"g\r\n", b"1" * 16 + b"\r\n", b"5\r6\n"]
)
def test_chunk_sizes_that_are_none(line: bytes) -> None:
    with pytest.raises(GatewayError):
        parse_chunk_size(line)
