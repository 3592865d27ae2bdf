"""Requests that are nearly good: the two that the fast lane knows, damaged at random."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests.support.lane_requests import (
    CLOSE_FRAME,
    LAST,
    LENGTH_FIRST,
    PAGE,
    PUBLISH,
    PUBLISH_JSON,
    UPGRADE,
    publish,
    upgrade,
)

Mutation = Callable[[Random, bytes], bytes]

_GOOD = (
    PUBLISH,
    LENGTH_FIRST,
    UPGRADE,
    publish(body=b"channel=a&message=b"),
    PUBLISH_JSON,
    publish("Connection: keep-alive", "Accept: */*", "User-Agent: fuzz/1"),
    publish("Content-Type: application/x-www-form-urlencoded; charset=utf-8"),
    upgrade("Origin: http://localhost", "User-Agent: fuzz/1", "X-Forwarded-For: 192.0.2.1"),
    PAGE,
)
_BYTES = [bytes((byte,)) for byte in b"\r\n\r\n\r\n \t:;,%&=+/?#.\"'\\\x00\x0b\x0c\x1f\x7f\x80\xff019aAzZ_-"]
_LINES = (
    b"Transfer-Encoding: chunked",
    b"transfer-encoding: identity",
    b"Expect: 100-continue",
    b"Connection: close",
    b"Connection: keep-alive",
    b"Connection: Upgrade",
    b"Upgrade: websocket",
    b"Upgrade: h2c",
    b"Host: localhost",
    b"Host: other.example",
    b"host:",
    b"Content-Length: 35",
    b"Content-Length: 0",
    b"Content-Length: 7",
    b"content-length: 36",
    b"Content-Type: text/plain",
    b"X-Broadcast-Secret: wrong",
    b"X-Forwarded-For: 127.0.0.1",
    b"Forwarded: for=127.0.0.1",
    b"Origin: http://evil.example",
    b"Cookie: AUTH_TOKEN=x",
    b"Authorization: Bearer x",
    b"Sec-WebSocket-Protocol: realtime.v1",
    b"Sec-WebSocket-Key: x",
    b"User-Agent: bad",
    b"Accept:",
    b"TE: trailers",
    b" folded",
    b"no colon",
    b": no name",
    b"X-Other: 1",
)
_LINE_ENDS = (b"\n", b"\r", b"\n\r", b"\r\r\n", b"\r\n ", b"\r\n\t", b"\r\n\r\n", b" \r\n", b"")
_REQUEST_LINES = (
    b"POST /internal/broadcast HTTP/1.0",
    b"POST /internal/broadcast?channel=x HTTP/1.1",
    b"POST http://localhost/internal/broadcast HTTP/1.1",
    b"POST //internal/broadcast HTTP/1.1",
    b"POST /internal/%62roadcast HTTP/1.1",
    b"PUT /internal/broadcast HTTP/1.1",
    b"GET /ws?x HTTP/1.1",
    b"GET /ws HTTP/1.0",
    b"POST /ws HTTP/1.1",
    b"GET /%77s HTTP/1.1",
    b"OPTIONS * HTTP/1.1",
    b"GET / HTTP/1.1",
)


def packets_of(random: Random) -> list[bytes]:
    """One conversation: a few requests, some of them damaged, cut into packets anywhere."""
    request = random.choice(_GOOD)
    requests = []
    for _ in range(random.choice((1, 1, 1, 2, 2, 3))):
        requests.append(_maybe_damaged(random, request))
        # What follows a good request on its connection is often the same, or nearly.
        request = random.choice((request, random.choice(_GOOD)))
    requests.append(random.choice((LAST, LAST, LAST, LAST, CLOSE_FRAME, b"")))
    return _cut(random, b"".join(requests))


def damaged(random: Random, data: bytes, other: bytes) -> bytes:
    """``data`` changed in a few places, or joined with a part of ``other``."""
    if random.random() < 0.2:
        data = data[: _anywhere(random, data)] + other[_anywhere(random, other) :]
    for _ in range(random.choice((1, 1, 2, 4))):
        data = random.choice(_OF_ANY_BYTES)(random, data)
    return data


def _maybe_damaged(random: Random, request: bytes) -> bytes:
    for _ in range(random.choice((0, 1, 1, 1, 2, 3))):
        request = random.choice(_MUTATIONS)(random, request)
    return request


def _cut(random: Random, stream: bytes) -> list[bytes]:
    places = sorted(random.randrange(len(stream) + 1) for _ in range(random.choice((0, 0, 1, 1, 2, 5))))
    return [stream[start:end] for start, end in zip([0, *places], [*places, len(stream)], strict=True)]


def _anywhere(random: Random, data: bytes) -> int:
    return random.randrange(len(data) + 1)


def _place(random: Random, request: bytes) -> int:
    """Mostly somewhere in the head."""
    head = request.find(b"\r\n\r\n") + 4
    return random.randrange((head if head > 4 and random.random() < 0.8 else len(request)) + 1)


def _delete(random: Random, request: bytes) -> bytes:
    place = _place(random, request)
    return request[:place] + request[place + random.choice((1, 1, 1, 2, 10)) :]


def _insert(random: Random, request: bytes) -> bytes:
    place = _place(random, request)
    return request[:place] + random.choice(_BYTES) + request[place:]


def _replace(random: Random, request: bytes) -> bytes:
    place = _place(random, request)
    return request[:place] + random.choice(_BYTES) + request[place + 1 :]


def _repeat(random: Random, request: bytes) -> bytes:
    place = _place(random, request)
    end = place + random.choice((1, 2, 5, 30))
    return request[:end] + request[place:end] + request[end:]


def _other_case(random: Random, request: bytes) -> bytes:
    place = _place(random, request)
    end = place + random.choice((1, 1, 5, 20))
    return request[:place] + request[place:end].swapcase() + request[end:]


def _move(random: Random, request: bytes) -> bytes:
    lines = request.split(b"\r\n")
    line = lines.pop(random.randrange(len(lines)))
    lines.insert(random.randrange(len(lines) + 1), line)
    return b"\r\n".join(lines)


def _drop_line(random: Random, request: bytes) -> bytes:
    lines = request.split(b"\r\n")
    lines.pop(random.randrange(len(lines)))
    return b"\r\n".join(lines)


def _double_line(random: Random, request: bytes) -> bytes:
    lines = request.split(b"\r\n")
    line = lines[random.randrange(len(lines))]
    lines.insert(random.randrange(len(lines) + 1), line)
    return b"\r\n".join(lines)


def _add_line(random: Random, request: bytes) -> bytes:
    lines = request.split(b"\r\n")
    lines.insert(random.randrange(1, len(lines) + 1), random.choice(_LINES))
    return b"\r\n".join(lines)


def _other_line_end(random: Random, request: bytes) -> bytes:
    lines = request.split(b"\r\n")
    end = random.randrange(1, len(lines) + 1)
    return b"\r\n".join(lines[:end]) + random.choice(_LINE_ENDS) + b"\r\n".join(lines[end:])


def _bare_line_feeds(random: Random, request: bytes) -> bytes:
    return request.replace(b"\r\n", b"\n")


def _other_request_line(random: Random, request: bytes) -> bytes:
    return random.choice(_REQUEST_LINES) + request[max(request.find(b"\r\n"), 0) :]


def _other_number(random: Random, request: bytes) -> bytes:
    places = [place for place, byte in enumerate(request) if 0x30 <= byte <= 0x39]
    if not places:
        return request
    place = random.choice(places)
    return (
        request[:place]
        + random.choice((b"0", b"1", b"9", b"00", b"-1", b"+2", b" ", b""))
        + request[place + 1 :]
    )


def _truncate(random: Random, request: bytes) -> bytes:
    return request[: _place(random, request)]


_MUTATIONS: tuple[Mutation, ...] = (
    _delete,
    _insert,
    _insert,
    _replace,
    _repeat,
    _other_case,
    _other_case,
    _move,
    _drop_line,
    _double_line,
    _add_line,
    _add_line,
    _other_line_end,
    _bare_line_feeds,
    _other_request_line,
    _other_number,
    _truncate,
)
_OF_ANY_BYTES: tuple[Mutation, ...] = (
    _delete,
    _insert,
    _replace,
    _replace,
    _repeat,
    _other_case,
    _other_number,
    _truncate,
)
