"""The handshake of /ws: what is refused, with which words, and in which order (wire.md A1, A3, A6)."""

from __future__ import annotations

import asyncio
import logging

import pytest
from tornado.httputil import HTTPServerRequest

from tests.support.auth_endpoint import answer, endpoint
from tests.support.rawhttp import Answered
from tests.support.realtime_world import ACCEPT, KEY, UPGRADE, TunedRealtime, realtime, serving, until
from tests.unit.wire.client_frames import CLOSE, client_frame
from tornado_realtime.auth import User
from tornado_realtime.auth.function import Answer
from tornado_realtime.hub import Heart
from tornado_realtime.realtime import Realtime

PHRASES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    405: "Method Not Allowed",
    500: "Invalid auth response",
    502: "Bad Gateway",
    504: "Gateway Timeout",
}


def refused(answered: Answered, status: int, *, after_login: bool) -> None:
    """A refusal exactly as the seed words it; the library's extra header comes from the upgrade on."""
    assert answered.status == status
    assert answered.body == f"{PHRASES[status]}\n".encode()
    assert answered.header("Content-Type") == "text/plain; charset=utf-8"
    assert answered.header("X-Content-Type-Options") == "nosniff"
    assert answered.header("Sec-WebSocket-Version") == ("13" if after_login else None)
    assert answered.header("Server") is None
    assert answered.header("Upgrade") is None


def nobody(request: HTTPServerRequest) -> None:
    return None


def without(name: str) -> list[str]:
    return [field for field in UPGRADE if not field.startswith(name)]


def test_it_opens() -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            client = await world.connect()
            answered = await client.request("GET", "/ws", *UPGRADE)
            assert answered.status == 101
            assert sorted(answered.fields) == [
                ("Connection", "Upgrade"),
                ("Sec-WebSocket-Accept", ACCEPT),
                ("Upgrade", "websocket"),
            ]
            await until(lambda: len(world.hub.connections) == 1)

    asyncio.run(main())


@pytest.mark.parametrize(
    "offer", ["Sec-WebSocket-Protocol: realtime.v2.json", "Sec-WebSocket-Extensions: permessage-deflate"]
)
def test_nothing_is_agreed_to(offer: str) -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            answered = await world.knock(*UPGRADE, offer)
            assert answered.status == 101
            assert len(answered.fields) == 3

    asyncio.run(main())


WRONG = {
    "no Connection": (without("Connection"), 400),
    "Connection: close": ([*without("Connection"), "Connection: close"], 400),
    "no Upgrade": (without("Upgrade"), 400),
    "Upgrade: h2c": ([*without("Upgrade"), "Upgrade: h2c"], 400),
    "no version": (without("Sec-WebSocket-Version"), 400),
    "version 8": ([*without("Sec-WebSocket-Version"), "Sec-WebSocket-Version: 8"], 400),
    "no key": (without("Sec-WebSocket-Key"), 400),
    "empty key": ([*without("Sec-WebSocket-Key"), "Sec-WebSocket-Key:"], 400),
    "short key": ([*without("Sec-WebSocket-Key"), "Sec-WebSocket-Key: AAAA"], 400),
    "no base64": ([*without("Sec-WebSocket-Key"), f"Sec-WebSocket-Key: {'*' * 24}"], 400),
    "two keys": ([*UPGRADE, f"Sec-WebSocket-Key: {KEY}"], 400),
    "plain request": (["Accept: text/html"], 400),
}


@pytest.mark.parametrize(("fields", "status"), WRONG.values(), ids=WRONG)
def test_each_header_wrong(fields: list[str], status: int) -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            refused(await world.knock(*fields), status, after_login=True)
            assert not world.hub.connections

    asyncio.run(main())


@pytest.mark.parametrize(
    "fields",
    [
        ["Upgrade: WebSocket", "Connection: keep-alive, UPGRADE", *UPGRADE[2:]],
        ["Upgrade: h2c, websocket", *UPGRADE[1:]],
        [*UPGRADE[:2], "Sec-WebSocket-Version: 8, 13", UPGRADE[3]],
        ["UPGRADE: websocket", "CONNECTION: upgrade", *(field.lower() for field in UPGRADE[2:3]), UPGRADE[3]],
    ],
)
def test_headers_in_other_right_forms(fields: list[str]) -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            assert (await world.knock(*fields)).status == 101

    asyncio.run(main())


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_another_method(method: str) -> None:
    async def main() -> None:
        async with serving(realtime(), xsrf_cookies=True) as world:
            answered = await world.knock(*UPGRADE, method=method)
            refused(answered, 405, after_login=True)
            assert answered.header("Allow") is None
            # as the seed has it: what is no upgrade is bad before its method is
            refused(await world.knock("Accept: */*", method=method), 400, after_login=True)

    asyncio.run(main())


def test_http_1_0() -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            client = await world.connect()
            await client.send("\r\n".join(["GET /ws HTTP/1.0", "Host: h", *UPGRADE, "", ""]).encode())
            refused(await client.answer(), 400, after_login=True)

    asyncio.run(main())


# -- the order: origin, login, upgrade ---------------------------------------------------------------


def test_a_foreign_origin_never_reaches_the_login() -> None:
    async def main() -> None:
        asked: list[HTTPServerRequest] = []
        async with serving(realtime(authenticate=asked.append)) as world:
            answered = await world.knock("Origin: https://evil.example", "Accept: */*")
            refused(answered, 403, after_login=True)
            assert asked == []

    asyncio.run(main())


def test_the_login_comes_before_the_upgrade_is_judged() -> None:
    async def main() -> None:
        async with serving(realtime(authenticate=nobody)) as world:
            refused(await world.knock("Accept: */*"), 401, after_login=False)
            refused(await world.knock(*UPGRADE, method="POST"), 401, after_login=False)
            refused(await world.knock(*UPGRADE), 401, after_login=False)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("origin", "host", "status"),
    [
        (None, "localhost", 101),
        ("http://localhost", "localhost", 101),
        ("https://localhost", "localhost", 101),  # the scheme does not count
        ("http://LOCALHOST", "localhost", 101),
        ("http://localhost:8080", "localhost:8080", 101),
        ("http://localhost:80", "localhost", 403),  # no default port is filled in
        ("http://localhost:8080", "localhost:8081", 403),
        ("http://localhost.evil.example", "localhost", 403),
        ("http://evil.example", "localhost", 403),
        ("null", "localhost", 403),
        ("", "localhost", 403),
        ("localhost", "localhost", 403),
    ],
)
def test_origin_without_a_list(origin: str | None, host: str, status: int) -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            fields = [f"Host: {host}", *UPGRADE, *([] if origin is None else [f"Origin: {origin}"])]
            answered = await world.knock(*fields)
            assert answered.status == status
            if status == 403:
                refused(answered, 403, after_login=True)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 101),
        ("https://a.example", 101),
        ("https://b.example:8443", 101),
        ("http://a.example", 403),
        ("https://A.example", 403),
        ("https://a.example/", 403),
        ("https://c.example", 403),
        ("http://localhost", 403),  # the list replaces "the same host"
    ],
)
def test_origin_with_a_list(origin: str | None, status: int) -> None:
    async def main() -> None:
        allowed = ["https://a.example", "https://b.example:8443"]
        async with serving(realtime(allowed_origins=allowed)) as world:
            fields = [*UPGRADE, *([] if origin is None else [f"Origin: {origin}"])]
            assert (await world.knock(*fields)).status == status

    asyncio.run(main())


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (answer(401), 401),
        (answer(403), 401),
        (answer(404), 401),
        (answer(201, b'{"id":"u1"}'), 401),
        (answer(500), 401),
        (answer(200, b'{"id":5}'), 500),
        (answer(200, b"hello"), 500),
        (b"SSH-2.0-OpenSSH\r\n\r\n", 502),
    ],
)
def test_what_the_visitor_hears_of_the_endpoint_s_answer(given: bytes, status: int) -> None:
    async def main() -> None:
        async with endpoint(given) as auth, serving(Realtime(auth_endpoint=auth.url)) as world:
            refused(await world.knock(*UPGRADE), status, after_login=False)

    asyncio.run(main())


def test_an_endpoint_that_is_slow() -> None:
    async def main() -> None:
        async with endpoint() as auth:
            auth.behaviour = lambda writer: asyncio.sleep(5)
            async with serving(Realtime(auth_endpoint=auth.url, auth_timeout=0.05)) as world:
                refused(await world.knock(*UPGRADE), 504, after_login=False)

    asyncio.run(main())


def test_routes_match_the_exact_path() -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            for path in ("/ws/", "/WS", "/ws/x", "/w", "/ws%2f"):
                assert (await world.knock(*UPGRADE, path=path)).status == 404
            for path in ("/ws?x=1", "/%77s", "/ws?"):
                assert (await world.knock(*UPGRADE, path=path)).status == 101

    asyncio.run(main())


# -- what else may happen ------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", ["raw", "envelope"])
def test_bytes_sent_together_with_the_handshake(wire: str) -> None:
    async def main() -> None:
        async with serving(realtime(wire=wire)) as world:
            client = await world.connect()
            request = "\r\n".join(["GET /ws HTTP/1.1", "Host: localhost", *UPGRADE, "", ""]).encode()
            subscribe = client_frame(b'{"action":"subscribe","channel":"news"}')
            await client.send(request + subscribe + subscribe[:10])
            assert (await client.answer()).status == 101
            if wire == "envelope":
                assert await client.text() == b'{"type":"subscribed","channel":"news"}'
            await until(lambda: world.hub.subscribers("news") == 1)
            await world.realtime.publish("news", '"hello"')
            assert b"hello" in await client.text()
            await client.send(subscribe[10:])
            if wire == "envelope":
                assert await client.text() == b'{"type":"subscribed","channel":"news"}'
            await client.silence()

    asyncio.run(main())


def test_a_goodbye_sent_together_with_the_handshake() -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            client = await world.connect()
            request = "\r\n".join(["GET /ws HTTP/1.1", "Host: localhost", *UPGRADE, "", ""]).encode()
            await client.send(request + client_frame(b"\x03\xe8", CLOSE))
            assert (await client.answer()).status == 101
            assert await client.frame() == (0x88, b"\x03\xe8")
            assert await client.at_end()
            # It ended before it had well begun, and is not remembered.
            assert not world.hub.connections

    asyncio.run(main())


def test_a_broken_frame_sent_together_with_the_handshake() -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            client = await world.connect()
            request = "\r\n".join(["GET /ws HTTP/1.1", "Host: localhost", *UPGRADE, "", ""]).encode()
            await client.send(request + b"\x81\x01x")
            assert (await client.answer()).status == 101
            assert await client.closed_with() == (1002, "")
            await until(lambda: not world.hub.connections)

    asyncio.run(main())


def test_a_client_that_leaves_before_it_is_known(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with endpoint() as auth:
            arrived = asyncio.Event()

            async def wait(writer: asyncio.StreamWriter) -> None:
                arrived.set()
                while not writer.is_closing():
                    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                    await writer.drain()
                    await asyncio.sleep(0.01)

            auth.behaviour = wait
            async with serving(Realtime(auth_endpoint=auth.url)) as world:
                client = await world.connect()
                await client.send("\r\n".join(["GET /ws HTTP/1.1", "Host: h", *UPGRADE, "", ""]).encode())
                await arrived.wait()
                client.vanish()
                await asyncio.wait_for(auth.gone.wait(), 2)
                assert not world.hub.connections

    with caplog.at_level(logging.INFO):
        asyncio.run(main())
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_client_that_leaves_while_a_function_is_asked() -> None:
    async def main() -> None:
        cancelled = asyncio.Event()
        arrived = asyncio.Event()

        async def ask(request: HTTPServerRequest) -> str:
            arrived.set()
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                cancelled.set()
                raise
            return "u1"

        async with serving(realtime(authenticate=ask)) as world:
            client = await world.connect()
            await client.send("\r\n".join(["GET /ws HTTP/1.1", "Host: h", *UPGRADE, "", ""]).encode())
            await arrived.wait()
            client.close()
            await asyncio.wait_for(cancelled.wait(), 2)
            assert not world.hub.connections

    asyncio.run(main())


def test_an_instance_that_closes_while_a_visitor_is_asked_for() -> None:
    async def main() -> None:
        arrived, go_on = asyncio.Event(), asyncio.Event()

        async def ask(request: HTTPServerRequest) -> str:
            arrived.set()
            await go_on.wait()
            return "u1"

        async with serving(realtime(authenticate=ask)) as world:
            knocking = asyncio.create_task(world.knock(*UPGRADE))
            await arrived.wait()
            await world.realtime.close()
            go_on.set()
            answered = await knocking
            assert (answered.status, answered.header("Retry-After")) == (503, "1")

    asyncio.run(main())


class Quick(TunedRealtime):
    """Looks at its connections twenty times a second."""

    heart = staticmethod(lambda loop: Heart(loop, tick=0.05))


@pytest.mark.parametrize("found", [{"id": "u1", "ttl": 0.3}, User("u1")])
def test_a_login_that_runs_out(found: Answer) -> None:
    async def main() -> None:
        async with serving(Quick(authenticate=lambda request: found)) as world:
            client = await world.open("news")
            if isinstance(found, User):
                await client.silence(0.5)
            else:
                assert await client.closed_with() == (4110, "login expired")

    asyncio.run(main())
