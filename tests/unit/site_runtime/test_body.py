from __future__ import annotations

import asyncio

import pytest
from tornado.httputil import HTTPHeaders, HTTPInputError

from tornado_realtime.errors import ConnectionClosedError, HandlerError
from tornado_realtime.site.body import RequestBody, body_length


@pytest.mark.parametrize(
    ("fields", "length"),
    [
        ({}, 0),
        ({"Content-Length": "12"}, 12),
        ({"Content-Length": "7, 7"}, 7),
        ({"Content-Length": "007"}, 7),
        ({"Transfer-Encoding": "chunked"}, None),
        ({"Transfer-Encoding": "Chunked"}, None),
    ],
)
def test_announced_lengths(fields: dict[str, str], length: int | None) -> None:
    assert body_length(HTTPHeaders(fields)) == length


@pytest.mark.parametrize(
    "fields",
    [
        {"Content-Length": ""},
        {"Content-Length": "x"},
        {"Content-Length": "+1"},
        {"Content-Length": "7, 8"},
        {"Content-Length": "7,"},
        {"Content-Length": "1" * 19},
        {"Content-Length": "\u0665"},
        {"Transfer-Encoding": ""},
        {"Transfer-Encoding": "identity"},
        {"Transfer-Encoding": "gzip, chunked"},
        {"Transfer-Encoding": "chunked", "Content-Length": "7"},
    ],
)
def test_lengths_with_two_meanings(fields: dict[str, str]) -> None:
    with pytest.raises(HTTPInputError):
        body_length(HTTPHeaders(fields))


def test_the_next_piece_may_come_when_the_last_is_taken() -> None:
    async def main() -> None:
        body = RequestBody(None)
        states = [(body.asked_for, body.ended)]
        room = body.feed(b"one")
        assert room is not None
        assert not room.done()
        assert await anext(body) == b"one"
        assert room.done()
        states.append((body.asked_for, body.ended))
        body.feed(b"two")
        body.end()
        states.append((body.asked_for, body.ended))
        assert [piece async for piece in body] == [b"two"]
        states.append((body.asked_for, body.ended))
        assert states == [(False, False), (True, False), (True, False), (True, True)]
        assert body.taken_bytes == 6

    asyncio.run(main())


def test_a_reader_waits_for_what_comes() -> None:
    async def main() -> None:
        body = RequestBody(None)
        reader = asyncio.create_task(body.drain(10))
        await asyncio.wait([asyncio.ensure_future(body.wanted)])
        body.feed(b"abc")
        await asyncio.sleep(0)
        body.end()
        assert await reader

    asyncio.run(main())


def test_failure_reaches_the_reader_and_frees_the_connection() -> None:
    async def main() -> None:
        body = RequestBody(10)
        room = body.feed(b"abc")
        body.fail()
        assert room is not None
        assert room.done()
        assert body.wanted.done()
        assert body.feed(b"more") is None
        assert await anext(body) == b"abc"
        with pytest.raises(ConnectionClosedError):
            await anext(body)

    asyncio.run(main())


def test_failure_after_the_end_changes_nothing() -> None:
    async def main() -> None:
        body = RequestBody(0)
        body.fail()
        assert [piece async for piece in body] == []

    asyncio.run(main())


def test_draining_has_a_bound() -> None:
    async def main() -> None:
        body = RequestBody(None)
        body.feed(b"x" * 11)
        assert not await body.drain(10)
        failing = RequestBody(None)
        failing.fail()
        assert not await failing.drain(10)

    asyncio.run(main())


def test_a_client_that_pauses_for_too_long() -> None:
    async def main() -> None:
        body = RequestBody(5, stall_timeout=0.001)
        body.feed(b"ab")
        assert await anext(body) == b"ab"
        with pytest.raises(HandlerError) as stalled:
            await anext(body)
        assert stalled.value.status == 408
        assert not await RequestBody(5, stall_timeout=0.001).drain(10)

    asyncio.run(main())
