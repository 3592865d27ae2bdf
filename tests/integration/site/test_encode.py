"""``encode``: what is compressed, and what is left alone."""

from __future__ import annotations

import gzip
import logging
import zlib

import pytest
import zstandard
from tornado.httputil import HTTPHeaders
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler, websocket_connect

from tests.support.chains import fetch, run_chain, saying
from tests.support.rawhttp import RunningFront
from tornado_realtime.site import encode as encode_module
from tornado_realtime.site.encode import Encode, EncodeOptions, becomes_smaller, usable_formats
from tornado_realtime.site.exchange import Exchange, Next

TEXT = "compressible " * 100
GZIP = ("Accept-Encoding: gzip",)
both = Encode(EncodeOptions())


def test_gzip_and_its_headers() -> None:
    page = saying(TEXT, Content_Type="text/html", ETag='"v1"', Accept_Ranges="bytes")
    answer = fetch(both, page, fields=GZIP)
    assert gzip.decompress(answer.body) == TEXT.encode()
    assert answer.header("Content-Encoding") == "gzip"
    assert answer.header("Vary") == "Accept-Encoding"
    assert answer.header("ETag") == 'W/"v1"'
    assert answer.header("Accept-Ranges") is None
    assert answer.header("Content-Length") is None


def test_zstd_is_preferred_where_the_client_takes_both() -> None:
    answer = fetch(both, saying(TEXT, Content_Type="text/html"), fields=("Accept-Encoding: gzip, zstd",))
    assert answer.header("Content-Encoding") == "zstd"
    assert zstandard.ZstdDecompressor().decompressobj().decompress(answer.body) == TEXT.encode()


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        ((), {"Content_Type": "text/html"}),
        (("Accept-Encoding: gzip;q=0",), {"Content_Type": "text/html"}),
        (GZIP, {"Content_Type": "image/png"}),
        (GZIP, {}),
        (GZIP, {"Content_Type": "text/html", "Content_Encoding": "br"}),
        (GZIP, {"Content_Type": "text/html", "Cache_Control": "public, no-transform"}),
        (GZIP, {"Content_Type": "text/html", "Content_Range": "bytes 0-1/2"}),
        ((*GZIP, "Upgrade: websocket"), {"Content_Type": "text/html"}),
    ],
)
def test_what_is_left_alone(fields: tuple[str, ...], headers: dict[str, str]) -> None:
    assert fetch(both, saying(TEXT, **headers), fields=fields).body == TEXT.encode()


def test_short_answers_stay() -> None:
    page = saying("x" * 511, Content_Type="text/html")
    assert fetch(both, page, fields=GZIP).header("Content-Encoding") is None
    assert (
        fetch(Encode(EncodeOptions(minimum_bytes=511)), page, fields=GZIP).header("Content-Encoding")
        == "gzip"
    )


def test_vary_is_said_once_and_also_to_those_who_get_it_plain() -> None:
    page = saying(TEXT, Content_Type="text/html", Vary="Cookie, accept-encoding")
    assert fetch(both, page).all("Vary") == ["Cookie, accept-encoding"]
    assert fetch(both, saying(TEXT, Content_Type="text/html")).all("Vary") == ["Accept-Encoding"]


def test_nothing_is_compressed_twice() -> None:
    answer = fetch(both, both, saying(TEXT, Content_Type="text/html"), fields=GZIP)
    assert gzip.decompress(answer.body) == TEXT.encode()


def test_a_matcher_chooses() -> None:
    def only(status: int, headers: HTTPHeaders) -> bool:
        return headers.get("X-Pack") == "yes"

    chosen = Encode(EncodeOptions(only_for=only))
    assert fetch(chosen, saying(TEXT, X_Pack="yes"), fields=GZIP).header("Content-Encoding") == "gzip"
    assert (
        fetch(chosen, saying(TEXT, Content_Type="text/html"), fields=GZIP).header("Content-Encoding") is None
    )


def test_head_has_the_headers_only() -> None:
    answer = fetch(both, saying(TEXT, Content_Type="text/html"), fields=GZIP, method="HEAD")
    assert (answer.header("Content-Encoding"), answer.body) == ("gzip", b"")


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_streams_arrive_piece_by_piece(coding: str) -> None:
    async def stream(exchange: Exchange, next_step: Next) -> None:
        await exchange.start(200, HTTPHeaders({"Content-Type": "text/event-stream"}))
        await exchange.write(b"data: one\n\n")
        async for _ in exchange.body():
            pass
        await exchange.write(b"data: two\n\n")

    async def steps(site: RunningFront) -> None:
        client = await site.connect()
        await client.send(
            f"POST / HTTP/1.1\r\nHost: x\r\nAccept-Encoding: {coding}\r\nContent-Length: 1\r\n\r\n".encode()
        )
        await client.reader.readuntil(b"\r\n\r\n")
        size = int(await client.reader.readline(), 16)
        first = await client.reader.readexactly(size)
        unpack = zlib.decompressobj(31) if coding == "gzip" else zstandard.ZstdDecompressor().decompressobj()
        assert unpack.decompress(first) == b"data: one\n\n"
        await client.send(b"x")
        await client.reader.readline()
        rest = b""
        while size := int(await client.reader.readline(), 16):
            rest += await client.reader.readexactly(size)
            await client.reader.readline()
        assert unpack.decompress(rest) == b"data: two\n\n"

    run_chain(steps, both, stream)


def test_tornado_handlers_are_compressed_and_websockets_are_not() -> None:
    class Page(RequestHandler):
        def get(self) -> None:
            self.write(TEXT)

    class Echo(WebSocketHandler):
        def open(self) -> None:
            self.write_message(TEXT)

    application = Application([("/page", Page), ("/echo", Echo)], log_function=lambda handler: None)

    async def delegate(exchange: Exchange, next_step: Next) -> None:
        await exchange.delegate(application)

    async def steps(site: RunningFront) -> None:
        page = await site.get("/page", *GZIP)
        assert gzip.decompress(page.body) == TEXT.encode()
        socket = await websocket_connect(f"ws://127.0.0.1:{site.port}/echo")
        assert await socket.read_message() == TEXT
        socket.close()
        assert await socket.read_message() is None

    run_chain(steps, both, delegate)


def test_without_its_module_zstd_becomes_gzip(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def missing() -> object:
        raise ImportError("zstandard")

    monkeypatch.setattr(encode_module, "_zstandard", missing)
    with caplog.at_level(logging.WARNING):
        assert usable_formats(["zstd", "gzip"]) == ("gzip",)
    assert "tornado-realtime[zstd]" in caplog.text
    monkeypatch.undo()
    assert usable_formats(["zstd", "gzip", "zstd"]) == ("zstd", "gzip")


@pytest.mark.parametrize(
    ("kind", "smaller"),
    [
        ("text/css", True),
        ("Application/JSON; charset=utf-8", True),
        ("image/svg+xml", True),
        ("application/problem+json", True),
        ("font/ttf", True),
        ("image/jpeg", False),
        ("video/mp4", False),
        ("application/zip", False),
        ("", False),
    ],
)
def test_kinds_that_become_smaller(kind: str, smaller: bool) -> None:
    assert becomes_smaller(kind) == smaller
