"""Exchanges over real sockets: framing, keep-alive, bodies, clients that vanish."""

from __future__ import annotations

import asyncio
import logging

import pytest
from tornado.httputil import HTTPHeaders

from tests.support.rawhttp import serving
from tornado_realtime.errors import ConnectionClosedError, HandlerError
from tornado_realtime.site.exchange import Exchange, ResponseHead
from tornado_realtime.site.front import FrontOptions


async def hello(exchange: Exchange) -> None:
    await exchange.respond(200, b"hello", {"Content-Type": "text/plain"})


async def echo(exchange: Exchange) -> None:
    body = b"".join([piece async for piece in exchange.body()])
    await exchange.respond(200, body)


async def ignore(exchange: Exchange) -> None:
    await exchange.respond(413, b"too much")


async def silent(exchange: Exchange) -> None:
    pass


async def stream(exchange: Exchange) -> None:
    await exchange.start(200)
    for piece in (b"one ", b"", b"two ", b"three"):
        await exchange.write(piece)


def test_answers_and_keeps_the_connection() -> None:
    async def main() -> None:
        async with serving(hello) as site:
            client = await site.connect()
            for _ in range(3):
                answer = await client.request("GET", "/")
                assert (answer.status, answer.reason, answer.body) == (200, "OK", b"hello")
                assert answer.header("Content-Length") == "5"
                assert answer.header("Server") == "tornado-realtime"
                assert answer.header("Date")
                assert answer.header("Connection") is None
            client.close()

    asyncio.run(main())


def test_nobody_answers_is_an_empty_200() -> None:
    async def main() -> None:
        async with serving(silent) as site:
            answer = await site.get("/")
            assert (answer.status, answer.body, answer.header("Content-Length")) == (200, b"", "0")

    asyncio.run(main())


def test_unknown_length_is_chunked_and_completed() -> None:
    async def main() -> None:
        async with serving(stream) as site:
            client = await site.connect()
            for _ in range(2):
                answer = await client.request("GET", "/")
                assert answer.header("Transfer-Encoding") == "chunked"
                assert answer.body == b"one two three"
            client.close()

    asyncio.run(main())


@pytest.mark.parametrize("handler", [hello, stream])
def test_head_has_no_body_and_keeps_the_connection(handler: object) -> None:
    async def main() -> None:
        async with serving(handler) as site:  # type: ignore[arg-type]
            client = await site.connect()
            for _ in range(2):
                answer = await client.request("HEAD", "/")
                assert (answer.status, answer.body) == (200, b"")
                assert answer.header("Transfer-Encoding") is None
            client.close()

    asyncio.run(main())


@pytest.mark.parametrize("status", [204, 304])
def test_statuses_without_a_body_lose_it(status: int) -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.respond(status, b"not sent")

    async def main() -> None:
        async with serving(answer) as site:
            client = await site.connect()
            assert (await client.request("GET", "/")).status == status
            assert (await client.request("GET", "/")).status == status
            client.close()

    asyncio.run(main())


def test_http_1_0_gets_its_length_or_a_close() -> None:
    async def main() -> None:
        async with serving(hello) as site:
            client = await site.connect()
            for _ in range(2):
                await client.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                answer = await client.answer()
                assert (answer.body, answer.header("Connection")) == (b"hello", "Keep-Alive")
            await client.send(b"GET / HTTP/1.0\r\n\r\n")
            assert (await client.answer()).header("Connection") == "close"
            assert await client.at_end()
        async with serving(stream) as site:
            client = await site.connect()
            await client.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            answer = await client.answer()
            assert (answer.body, answer.header("Connection")) == (b"one two three", "close")
            assert await client.at_end()

    asyncio.run(main())


def test_connection_close_is_obeyed_from_both_sides() -> None:
    async def closing(exchange: Exchange) -> None:
        await exchange.respond(200, b"bye", {"Connection": "close"})

    async def main() -> None:
        async with serving(closing) as site:
            client = await site.connect()
            assert (await client.request("GET", "/")).header("Connection") == "close"
            assert await client.at_end()
        async with serving(hello) as site:
            client = await site.connect()
            assert (await client.request("GET", "/", "Connection: TE, close")).header("Connection") == "close"
            assert await client.at_end()

    asyncio.run(main())


def test_bodies_come_in_whole_by_length_and_by_chunks() -> None:
    payload = bytes(range(256)) * 2000

    async def main() -> None:
        async with serving(echo) as site:
            client = await site.connect()
            assert (await client.request("POST", "/", body=payload)).body == payload
            await client.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            await client.send(b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n")
            assert (await client.answer()).body == b"hello world"
            client.close()

    asyncio.run(main())


def test_100_continue_is_sent_only_when_the_body_is_wanted() -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"

    async def main() -> None:
        async with serving(echo) as site:
            client = await site.connect()
            await client.send(head)
            assert (await client.answer()).status == 100
            await client.send(b"ok")
            assert (await client.answer()).body == b"ok"
            client.close()
        async with serving(ignore) as site:
            client = await site.connect()
            await client.send(head)
            assert (await client.answer()).status == 413
            assert await client.at_end()

    asyncio.run(main())


def test_an_unread_body_is_dropped_and_the_connection_stays() -> None:
    async def main() -> None:
        async with serving(ignore) as site:
            client = await site.connect()
            for _ in range(2):
                answer = await client.request("POST", "/", body=b"x" * 1_000_000)
                assert (answer.status, answer.body) == (413, b"too much")
            client.close()

    asyncio.run(main())


def test_a_body_without_end_is_cut_off_after_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tornado_realtime.site.exchange._LINGER_BYTES", 100_000)

    async def main() -> None:
        async with serving(ignore) as site:
            client = await site.connect()
            await client.send(
                b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 50_000
            )
            assert (await client.answer()).status == 413
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                for _ in range(200):
                    await client.send(b"x" * 50_000)
                await client.reader.readexactly(1)

    asyncio.run(main())


def test_nothing_is_read_while_nobody_wants_it() -> None:
    async def main() -> None:
        go_on = asyncio.Event()
        taken: list[int] = []

        async def slow(exchange: Exchange) -> None:
            async for piece in exchange.body():
                taken.append(len(piece))
                if len(taken) == 1:
                    await go_on.wait()
            await exchange.respond(200, str(sum(taken)).encode())

        async with serving(slow) as site:
            client = await site.connect()
            size = 30_000_000
            client.writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size)
            client.writer.write(b"x" * size)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.writer.drain(), 0.3)
            assert len(taken) == 1
            go_on.set()
            assert (await client.answer()).body == str(size).encode()
            client.close()

    asyncio.run(main())


def test_a_client_that_vanishes_cancels_the_chain() -> None:
    async def main() -> None:
        ended: asyncio.Queue[str] = asyncio.Queue()

        async def wait(exchange: Exchange) -> None:
            try:
                await ended.put("begun")
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                await ended.put("cancelled")
                raise

        async with serving(wait) as site:
            for head in (
                b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
                b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n",
            ):
                client = await site.connect()
                await client.send(head)
                assert await asyncio.wait_for(ended.get(), 5) == "begun"
                client.close()
                assert await asyncio.wait_for(ended.get(), 5) == "cancelled"
            assert await site.front.drain(5)

    asyncio.run(main())


def test_a_client_that_never_reads_is_cut_off() -> None:
    async def main() -> None:
        failed = asyncio.Event()

        async def flood(exchange: Exchange) -> None:
            await exchange.start(200)
            try:
                while True:
                    await exchange.write(b"x" * 1_000_000)
            except ConnectionClosedError:
                failed.set()
                raise

        async with serving(flood, FrontOptions(write_timeout=0.2)) as site:
            client = await site.connect()
            await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await asyncio.wait_for(failed.wait(), 10)
            client.close()

    asyncio.run(main())


def test_a_client_that_takes_its_time_gets_all_of_it() -> None:
    async def big(exchange: Exchange) -> None:
        await exchange.respond(200, b"x" * 30_000_000)

    async def main() -> None:
        async with serving(big, FrontOptions(write_timeout=0.3)) as site:
            client = await site.connect()
            await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await client.reader.readuntil(b"\r\n\r\n")
            left = 30_000_000
            while left:
                left -= len(await client.reader.readexactly(min(left, 3_000_000)))
                await asyncio.sleep(0.05)

    asyncio.run(main())


def test_a_body_that_does_not_come_is_408() -> None:
    async def main() -> None:
        async with serving(echo, FrontOptions(stall_timeout=0.05)) as site:
            client = await site.connect()
            await client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc")
            assert (await client.answer()).status == 408
            assert await client.at_end()

    asyncio.run(main())


def test_errors_become_statuses_and_the_connection_survives(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(exchange: Exchange) -> None:
        if exchange.request.path == "/gone":
            raise HandlerError(410, "gone")
        raise RuntimeError("a bug")

    async def main() -> None:
        async with serving(broken) as site:
            client = await site.connect()
            gone = await client.request("GET", "/gone?token=hidden")
            assert (gone.status, gone.body) == (410, b"")
            assert (await client.request("GET", "/bug?token=hidden")).status == 500
            assert (await client.request("GET", "/gone")).status == 410
            client.close()

    with caplog.at_level(logging.ERROR):
        asyncio.run(main())
    assert [record.getMessage() for record in caplog.records] == ["Unexpected error while answering GET /bug"]


def test_an_error_after_the_head_breaks_the_answer_off() -> None:
    async def half(exchange: Exchange) -> None:
        await exchange.start(200, HTTPHeaders({"Content-Length": "10"}), b"half")
        raise HandlerError(500, "no more")

    async def main() -> None:
        async with serving(half) as site:
            with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
                await site.get("/")

    asyncio.run(main())


def test_abort_closes_without_a_byte() -> None:
    async def abort(exchange: Exchange) -> None:
        exchange.abort()

    async def main() -> None:
        async with serving(abort) as site:
            client = await site.connect()
            await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert await client.at_end()

    asyncio.run(main())


def test_hooks_run_last_registered_first_and_presets_go_below() -> None:
    async def hooked(exchange: Exchange) -> None:
        seen: list[str] = []

        def hook(name: str) -> None:
            def run(head: ResponseHead) -> None:
                seen.append(name)
                head.headers["X-Seen"] = " ".join(seen)
                head.status = 202

            exchange.on_head(run)

        hook("outer")
        hook("inner")
        exchange.preset_headers["X-Preset"] = "kept"
        exchange.preset_headers["Content-Type"] = "text/below"
        await exchange.respond(200, b"x", {"Content-Type": "text/above"})

    async def main() -> None:
        async with serving(hooked) as site:
            answer = await site.get("/")
            assert (answer.status, answer.reason) == (202, "Accepted")
            assert answer.header("X-Seen") == "inner outer"
            assert answer.header("X-Preset") == "kept"
            assert answer.header("Content-Type") == "text/above"

    asyncio.run(main())


def test_a_header_value_cannot_break_the_head() -> None:
    async def inject(exchange: Exchange) -> None:
        await exchange.respond(200, b"", {"X-A": "a\r\nX-B: b", "X-C\r\nX-D": "d", "X-U": "zürich 東京\x00"})

    async def main() -> None:
        async with serving(inject) as site:
            answer = await site.get("/")
            assert answer.header("X-A") == "a X-B: b"
            assert answer.header("X-B") is None
            assert answer.header("X-D") is None
            assert (answer.header("X-U") or "").encode("latin-1").decode() == "zürich 東京"

    asyncio.run(main())


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
        b"GET noslash HTTP/1.1\r\nHost: a\r\n\r\n",
        b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_unusable_heads_are_refused(head: bytes) -> None:
    async def main() -> None:
        async with serving(echo) as site:
            client = await site.connect()
            await client.send(head)
            assert (await client.answer()).status == 400
            assert await client.at_end()

    asyncio.run(main())


def test_the_request_is_read_once_and_truly() -> None:
    seen: list[Exchange] = []

    async def look(exchange: Exchange) -> None:
        seen.append(exchange)

    async def main() -> None:
        async with serving(look) as site:
            await site.get("/a%20b/%77?x=%31", "Host: Example.COM:81")
            await site.get("http://other:8080?q")
            await site.get("//double/../x", "X-Forwarded-For: 9.9.9.9")
            assert seen[0].request.server_port == site.port

    asyncio.run(main())
    first, absolute, double = (one.request for one in seen)
    assert (first.target, first.path, first.query, first.uri) == (
        "/a%20b/%77",
        "/a b/w",
        "x=%31",
        "/a%20b/%77?x=%31",
    )
    assert (first.host, first.host_name, first.scheme) == ("Example.COM:81", "example.com", "http")
    assert (first.peer, first.client_ip, first.peer_port > 0) == ("127.0.0.1", "127.0.0.1", True)
    assert (absolute.target, absolute.query, absolute.host, absolute.headers["Host"]) == (
        "/",
        "q",
        "other:8080",
        "other:8080",
    )
    assert (double.target, double.client_ip) == ("//double/../x", "127.0.0.1")
