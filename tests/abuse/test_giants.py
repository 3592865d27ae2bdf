"""Too much of everything: it is refused at its bound, and nobody's memory grows with what is thrown."""

from __future__ import annotations

import socket
import time
from itertools import repeat

import pytest

from tests.abuse.attack import PATIENCE, dialled, hear, say, send, statuses
from tests.abuse.test_smuggling import BASES, CHUNKED, HOST
from tests.abuse.victim import Victim
from tests.support.lane_requests import head, publish, publish_json, upgrade

MIB = 1024 * 1024
TENTH = b"x" * (MIB // 10)

UNFINISHED: dict[str, bytes] = {
    "first line": b"GET /",
    "first line of nothing": b"",
    "field": b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: ",
    "name of a field": b"GET / HTTP/1.1\r\nHost: localhost\r\n",
    "field of the fast lane": publish().partition(b"X-Broadcast")[0] + b"X-Broadcast-Secret: ",
    "cookie of the fast lane": upgrade().partition(b"Cookie")[0] + b"Cookie: ",
    "size of a chunk": head("POST /page HTTP/1.1", HOST, CHUNKED),
    "extension of a chunk": head("POST /page HTTP/1.1", HOST, CHUNKED) + b"5;",
    "trailers": head("POST /page HTTP/1.1", HOST, CHUNKED) + b"0\r\nX-A: ",
}


def pour(sock: socket.socket, piece: bytes) -> None:
    """Send it again and again until the server hangs up."""
    deadline = time.monotonic() + PATIENCE
    while send(sock, piece):
        assert time.monotonic() < deadline, "the server never has enough"


@pytest.mark.parametrize("begun", UNFINISHED.values(), ids=UNFINISHED)
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_something_that_never_ends(victim: Victim, begun: bytes, tls: bool) -> None:
    """The server hangs up long before all of it has come."""
    with victim.unharmed(), dialled(victim, tls=tls) as sock:
        assert send(sock, begun)
        pour(sock, TENTH)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_fields_without_end(victim: Victim, tls: bool) -> None:
    with victim.unharmed(), dialled(victim, tls=tls) as sock:
        assert send(sock, b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        fields = b"".join(b"X-%d: y\r\n" % number for number in range(1000))
        pour(sock, fields)


@pytest.mark.parametrize("size", [70_000, 1_000_000])
def test_a_giant_address_or_field_is_refused(victim: Victim, size: int) -> None:
    giants = (
        head(f"GET /{'x' * size} HTTP/1.1", HOST),
        head(f"GET /page?{'x' * size} HTTP/1.1", HOST),
        head("GET /page HTTP/1.1", f"Host: {'x' * size}"),
        head("GET /page HTTP/1.1", HOST, f"Cookie: {'x' * size}"),
        head("GET /page HTTP/1.1", HOST, f"{'x' * size}: y"),
        head("GET /page HTTP/1.1", HOST, *repeat("X: y", size // 5)),
        upgrade(f"Cookie: {'x' * size}"),
        upgrade(f"Origin: http://{'x' * size}"),
        upgrade(f"Sec-WebSocket-Protocol: {'x, ' * (size // 3)}x"),
        publish(f"X-Broadcast-Secret: {'x' * size}"),
    )
    with victim.unharmed():
        for giant in giants:
            heard = say(victim, giant)
            assert statuses(heard) in ([], [400], [431]), heard


@pytest.mark.parametrize("base", ["page", "publish", "proxy"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_giant_body(victim: Victim, base: str, chunked: bool) -> None:
    """It is dropped or refused, whichever, and never kept."""
    size = 2**40
    with victim.unharmed(), dialled(victim) as sock:
        framing = CHUNKED if chunked else f"Content-Length: {size}"
        piece = b"%x\r\n%b\r\n" % (len(TENTH), TENTH) if chunked else TENTH
        assert send(sock, head(*BASES[base], framing))
        pour(sock, piece)
        assert set(statuses(hear(sock))) <= {200, 400, 413, 502}


def test_giant_publications(victim: Victim) -> None:
    deep = b"[" * MIB + b"]" * MIB
    giants = (
        publish(body=b"channel=a&message=" + b"x" * (2 * MIB)),
        publish(body=b"channel=" + b"x" * (2 * MIB) + b"&message=a"),
        publish(body=b"&".join(repeat(b"a=b", 200_000))),
        publish(body=b"message=" + b"%25" * MIB),
        publish_json(body=b'{"channel":"a","message":%b}' % deep),
        publish_json(body=b'{"channel":"a","message":%b}' % (b"9" * (2 * MIB))),
        publish_json(body=b'{"channel":"a","message":%b1%b}' % (b'{"a":' * 200_000, b"}" * 200_000)),
        publish_json(body=b'{"batch":[%b]}' % b",".join(repeat(b'{"channel":"a","message":1}', 20_000))),
        publish_json(body=b'{"channels":[%b],"message":1}' % b",".join(repeat(b'"a"', 20_000))),
        publish_json(body=b'{"channel":"a","message":"%b"}' % (b"\\u0000" * (MIB + 1))),
        publish_json(body=b'{"channel":"a",%b"message":1}' % b"".join(repeat(b'"x":1,', 100_000))),
    )
    last = head("GET /last HTTP/1.1", HOST, "Connection: close")
    with victim.unharmed(peak_bytes=128 * MIB):
        for giant in giants:
            heard = say(victim, giant + last)
            assert statuses(heard) in ([400, 200], [413, 200], [400], [413]), heard
