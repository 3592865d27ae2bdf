"""Access logs: what stands in them, and above all what does not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from tornado.httputil import HTTPHeaders
from tornado.web import Application
from tornado.websocket import WebSocketHandler, websocket_connect

from tests.support.chains import failing, saying
from tests.support.rawhttp import RunningFront, serving
from tornado_realtime.site.accesslog import AccessLog
from tornado_realtime.site.chain import ServedSite, Sites
from tornado_realtime.site.exchange import Exchange, Handler, Next


class Lines:
    """A sink that keeps its lines."""

    is_terminal = False

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, line: str) -> None:
        self.lines.append(line)


def logged(
    handler: Handler,
    *requests: Callable[[RunningFront], Awaitable[object]],
    as_json: bool = True,
    level: str = "INFO",
    log_credentials: bool = False,
) -> list[str]:
    sink = Lines()
    log = AccessLog(
        sink,
        "http.log.access.main",
        as_json=as_json,
        level=level,
        log_credentials=log_credentials,
        clock=lambda: 1700000000.5,
    )

    async def main() -> None:
        async with serving(Sites([ServedSite(handler, observers=(log,))]).answer) as site:
            for request in requests:
                await request(site)

    asyncio.run(main())
    return sink.lines


def get(target: str, *fields: str) -> Callable[[RunningFront], Awaitable[object]]:
    return lambda site: site.get(target, *fields)


def test_a_line_of_json() -> None:
    (line,) = logged(saying("hello", X_A="b"), get("/p%20q?x=1", "User-Agent: me", "X-Two: 1", "X-Two: 2"))
    entry = json.loads(line)
    assert (entry["level"], entry["ts"], entry["logger"]) == ("info", 1700000000.5, "http.log.access.main")
    assert entry["msg"] == "handled request"
    request = entry["request"]
    assert (request["method"], request["uri"], request["host"]) == ("GET", "/p%20q?x=1", "localhost")
    assert (request["remote_ip"], request["client_ip"], request["proto"]) == (
        "127.0.0.1",
        "127.0.0.1",
        "HTTP/1.1",
    )
    assert request["headers"]["X-Two"] == ["1", "2"]
    assert (entry["status"], entry["size"], entry["bytes_read"]) == (200, 5, 0)
    assert entry["resp_headers"]["X-A"] == ["b"]
    assert entry["duration"] >= 0


def test_a_line_for_people() -> None:
    (line,) = logged(saying("x"), get("/"), as_json=False)
    stamp, level, name, message, rest = line.split("\t")
    assert (stamp, level, name) == ("2023/11/14 22:13:20.500", "INFO", "http.log.access.main")
    assert (message, json.loads(rest)["status"]) == ("handled request", 200)


def test_logins_among_the_subprotocols_stay_out() -> None:
    field = "Sec-WebSocket-Protocol: realtime.v1.json, bearer.s3cret.x_y,ticket.s3cret"
    (line,) = logged(saying("x"), get("/", field))
    shown = json.loads(line)["request"]["headers"]["Sec-Websocket-Protocol"]
    assert shown == ["realtime.v1.json, bearer.REDACTED,ticket.REDACTED"]


def test_secrets_stay_out() -> None:
    fields = (
        "Cookie: AUTH_TOKEN=s3cret",
        "Authorization: Bearer s3cret",
        "X-Broadcast-Secret: s3cret",
        "Sec-WebSocket-Protocol: bearer.s3cret",
    )
    page = saying("s3cret", Set_Cookie="AUTH_TOKEN=s3cret")
    (line,) = logged(page, get("/", *fields))
    assert "s3cret" not in line
    assert json.loads(line)["request"]["headers"]["Cookie"] == ["REDACTED"]
    (line,) = logged(page, get("/", *fields), log_credentials=True)
    entry = json.loads(line)
    assert entry["request"]["headers"]["Cookie"] == ["AUTH_TOKEN=s3cret"]
    assert entry["request"]["headers"]["X-Broadcast-Secret"] == ["REDACTED"]


@pytest.mark.parametrize(
    "request_",
    [
        get("/ws?token=s3cret"),
        get("/%77s?token=s3cret"),
        get("/sse?token=s3cret"),
        get("/internal/broadcast?message=s3cret"),
        get("/api/internal/broadcast?message=s3cret"),
        get("/other?token=s3cret", "Upgrade: websocket"),
    ],
)
def test_some_queries_stay_out(request_: Callable[[RunningFront], Awaitable[object]]) -> None:
    async def rewrite(exchange: Exchange, next_step: Next) -> None:
        exchange.request.target = "/elsewhere"
        await saying("x")(exchange, next_step)

    (line,) = logged(rewrite, request_)
    assert "s3cret" not in line


def test_a_websocket_is_logged_without_its_query() -> None:
    class Echo(WebSocketHandler):
        pass

    application = Application([("/socket", Echo)], log_function=lambda handler: None)

    async def delegate(exchange: Exchange, next_step: Next) -> None:
        await exchange.delegate(application)

    async def connect(site: RunningFront) -> None:
        socket = await websocket_connect(f"ws://127.0.0.1:{site.port}/socket?token=s3cret")
        socket.close()
        await socket.read_message()

    (line,) = logged(delegate, connect)
    assert "s3cret" not in line
    assert json.loads(line)["status"] == 101


def test_levels() -> None:
    requests = (get("/"),)
    assert json.loads(logged(failing(500), *requests)[0])["level"] == "error"
    assert len(logged(failing(500), *requests, level="ERROR")) == 1
    assert logged(failing(404), *requests, level="WARN") == []
    assert logged(failing(500), *requests, level="PANIC") == []


def test_aborted_and_abandoned_exchanges_have_status_0() -> None:
    async def abort(exchange: Exchange, next_step: Next) -> None:
        exchange.abort()

    async def ask(site: RunningFront) -> None:
        client = await site.connect()
        await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await client.at_end()

    (line,) = logged(abort, ask)
    assert json.loads(line)["status"] == 0


def test_what_a_client_sends_cannot_forge_a_line() -> None:
    (line,) = logged(
        saying("x"), get("/", "X-Evil: a\tb\xe9\x9b", "User-Agent: \x1b[2J".replace("\x1b", "\xff"))
    )
    assert line.isascii()
    assert "\n" not in line


def test_the_body_counts_as_it_went_over_the_wire() -> None:
    async def echo(exchange: Exchange, next_step: Next) -> None:
        body = b"".join([piece async for piece in exchange.body()])
        await exchange.start(200, HTTPHeaders(), body)
        await exchange.write(body)

    (line,) = logged(echo, lambda site: site.once("POST", "/", body=b"four"))
    entry = json.loads(line)
    assert (entry["bytes_read"], entry["size"]) == (4, 8)
