"""A request of a site given to Tornado's own handlers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest
from tornado.web import Application, HTTPError, RequestHandler, stream_request_body
from tornado.websocket import WebSocketHandler, websocket_connect

from tests.support.rawhttp import RunningFront, serving
from tornado_realtime.site.exchange import Exchange, ResponseHead
from tornado_realtime.site.front import Answer

EVENTS: list[str] = []


class Plain(RequestHandler):
    def get(self, word: str) -> None:
        self.write(f"{self.request.method} {word} {self.request.query} {self.request.remote_ip}")

    head = get

    def post(self, word: str) -> None:
        self.write(self.get_body_argument("a") + word)


class Trickle(RequestHandler):
    async def get(self) -> None:
        for piece in ("one ", "two ", "three"):
            self.write(piece)
            await self.flush()


class Hanging(RequestHandler):
    async def get(self) -> None:
        EVENTS.append("begun")
        await asyncio.Event().wait()

    def on_connection_close(self) -> None:
        EVENTS.append("closed")


@stream_request_body
class Upload(RequestHandler):
    def initialize(self) -> None:
        self.taken = 0

    def prepare(self) -> None:
        if self.request.headers.get("X-Refuse"):
            raise HTTPError(403)
        self.request.connection.set_max_body_size(40_000_000)  # type: ignore[union-attr]

    async def data_received(self, chunk: bytes) -> None:
        self.taken += len(chunk)
        EVENTS.append("upload begun")

    def post(self) -> None:
        self.write(str(self.taken))

    def on_connection_close(self) -> None:
        EVENTS.append("upload closed")
        super().on_connection_close()


class Echo(WebSocketHandler):
    def on_message(self, message: str | bytes) -> Awaitable[None] | None:
        return self.write_message(message)

    def on_close(self) -> None:
        EVENTS.append("socket closed")


@pytest.fixture
def answer() -> Answer:
    EVENTS.clear()
    application = Application(
        [
            (r"/plain/(\w+)", Plain),
            (r"/trickle", Trickle),
            (r"/hanging", Hanging),
            (r"/upload", Upload),
            (r"/echo", Echo),
        ],
        log_function=lambda handler: None,
    )

    async def delegate(exchange: Exchange) -> None:
        def stamp(head: ResponseHead) -> None:
            head.headers["X-Stamp"] = "hooked"

        exchange.on_head(stamp)
        if exchange.request.target == "/old":
            exchange.request.target, exchange.request.query = "/plain/new", "from=rewrite"
        await exchange.delegate(application)

    return delegate


def run(answer: Answer, steps: Any) -> None:
    async def main() -> None:
        async with serving(answer) as site:
            await steps(site)

    asyncio.run(main())


def test_handlers_answer_on_a_kept_connection(answer: Answer) -> None:
    async def steps(site: RunningFront) -> None:
        client = await site.connect()
        for _ in range(2):
            got = await client.request("GET", "/plain/word?x=1")
            assert (got.status, got.body) == (200, b"GET word x=1 127.0.0.1")
            assert got.header("X-Stamp") == "hooked"
            assert got.header("Server") == "tornado-realtime"
        assert (await client.request("HEAD", "/plain/word")).header("Content-Length") == "20"
        assert (await client.request("GET", "/trickle")).body == b"one two three"
        posted = await client.request(
            "POST", "/plain/b", "Content-Type: application/x-www-form-urlencoded", body=b"a=A"
        )
        assert posted.body == b"Ab"
        assert (await client.request("GET", "/nowhere")).status == 404

    run(answer, steps)


def test_routing_sees_the_rewritten_request(answer: Answer) -> None:
    async def steps(site: RunningFront) -> None:
        assert (await site.get("/old?a=b")).body == b"GET new from=rewrite 127.0.0.1"

    run(answer, steps)


def test_streamed_bodies_and_their_limit(answer: Answer) -> None:
    async def steps(site: RunningFront) -> None:
        client = await site.connect()
        assert (await client.request("POST", "/upload", body=b"x" * 12_000_000)).body == b"12000000"
        refused = await client.request("POST", "/upload", "X-Refuse: yes", body=b"x" * 500_000)
        assert refused.status == 403
        assert (await client.request("POST", "/plain/x", body=b"x" * 10_485_761)).status == 413
        assert (await client.request("GET", "/plain/x")).status == 200

    run(answer, steps)


def test_an_endless_chunked_body_is_refused(answer: Answer) -> None:
    async def steps(site: RunningFront) -> None:
        client = await site.connect()
        await client.send(b"POST /plain/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(11):
            await client.send(b"100000\r\n" + b"x" * 0x100000 + b"\r\n")
        assert (await client.answer()).status == 413

    run(answer, steps)


def test_handlers_learn_that_the_client_went_away(answer: Answer) -> None:
    async def steps(site: RunningFront) -> None:
        client = await site.connect()
        await client.send(b"GET /hanging HTTP/1.1\r\nHost: x\r\n\r\n")
        await until("begun")
        client.close()
        await until("closed")
        client = await site.connect()
        await client.send(b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nabc")
        await until("upload begun")
        client.close()
        await until("upload closed")
        assert await site.front.drain(5)

    run(answer, steps)


def test_a_websocket_takes_the_stream(answer: Answer) -> None:
    async def steps(site: RunningFront) -> None:
        socket = await websocket_connect(f"ws://127.0.0.1:{site.port}/echo")
        assert socket.headers is not None and socket.headers["X-Stamp"] == "hooked"
        for word in ("first", "second"):
            await socket.write_message(word)
            assert await socket.read_message() == word
        assert site.front.active == 0
        socket.close()
        await until("socket closed")

    run(answer, steps)


async def until(event: str) -> None:
    async with asyncio.timeout(5):
        while event not in EVENTS:
            await asyncio.sleep(0.005)


def test_a_handler_may_use_the_rest_of_its_connection() -> None:
    class Odd(RequestHandler):
        def get(self) -> None:
            connection = self.request.connection
            assert connection is not None
            assert connection.stream.socket is not None  # type: ignore[attr-defined]
            connection.set_body_timeout(1.0)  # type: ignore[attr-defined]
            connection.close()  # type: ignore[attr-defined]

    application = Application([("/", Odd)], log_function=lambda handler: None)

    async def main() -> None:
        async with serving(lambda exchange: exchange.delegate(application)) as site:
            client = await site.connect()
            await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert await client.at_end()

    asyncio.run(main())


def test_what_tornado_refuses_is_400(answer: Answer) -> None:
    async def steps(site: RunningFront) -> None:
        client = await site.connect()
        assert (await client.request("GET", "/plain/x?" + "&".join("a=b" for _ in range(2000)))).status == 400
        assert (await client.request("GET", "/plain/x")).status == 200

    run(answer, steps)
