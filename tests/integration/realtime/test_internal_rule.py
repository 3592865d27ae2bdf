"""Who may publish without a secret: this host, speaking for itself; and broadcast_listen."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPConnection, HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornado.netutil import bind_sockets, bind_unix_socket
from tornado.web import Application, RequestHandler

from tests.support.rawhttp import RawClient
from tests.support.realtime_world import realtime, serving
from tornado_realtime.handlers.internal import InternalRule
from tornado_realtime.wire.form import FORM_TYPE

PATH = "/internal/broadcast"
FORM = b"channel=news&message=hello"
WAY_OUT = "; set broadcast_secret in go_handler to publish from elsewhere"


def request_from(
    peer: object, *fields: tuple[str, str], host: str | None = "localhost:8080", version: str = "HTTP/1.1"
) -> HTTPServerRequest:
    headers = HTTPHeaders()
    if host is not None:
        headers.add("Host", host)
    for name, value in fields:
        headers.add(name, value)
    connection = HTTPConnection()
    address = peer if isinstance(peer, str) and not peer else (peer, 1234, 0, 0)
    vars(connection)["context"] = type("Context", (), {"address": address, "remote_ip": "127.0.0.1"})()
    line = RequestStartLine("POST", PATH, version)
    # Tornado itself refuses a request without Host; here only the rule is asked.
    headers.setdefault("Host", "")
    return HTTPServerRequest(start_line=line, headers=headers, connection=connection)


def refusal(*args: object, **kwargs: object) -> str:
    return InternalRule("").refusal(request_from(*args, **kwargs))  # type: ignore[arg-type]


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize(
    "host",
    ["localhost", "LocalHost", "localhost:8080", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:65535"],
)
def test_this_host_may(peer: str, host: str) -> None:
    assert refusal(peer, ("Content-Type", FORM_TYPE), ("User-Agent", "curl"), host=host) == ""


@pytest.mark.parametrize(
    "peer", ["192.168.0.1", "10.0.0.1", "203.0.113.1", "::ffff:10.0.0.1", "fe80::1", "::", "0.0.0.0"]
)
def test_another_host_may_not(peer: str) -> None:
    assert refusal(peer) == f"Forbidden: publishing is open to this host only, not to {peer}{WAY_OUT}"


def test_a_unix_socket_may_not() -> None:
    assert refusal("") == f"Forbidden: publishing is open to this host only, not to a Unix socket{WAY_OUT}"


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/2", "HTTP/0.9"])
def test_another_version_may_not(version: str) -> None:
    assert refusal("127.0.0.1", version=version) == (
        f"Forbidden: publishing without a secret takes HTTP/1.1 only{WAY_OUT}"
    )


@pytest.mark.parametrize(
    "host",
    [
        "",
        "example.com",
        "localhost.example.com",
        "evil-localhost",
        "localhost.",
        "localhost:",
        "localhost:123456",
        "localhost:80a",
        "127.0.0.2",
        "127.1",
        "::1",
        "[::1",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
    ],
)
def test_another_host_header_may_not(host: str) -> None:
    assert refusal("127.0.0.1", host=host) == (
        f"Forbidden: publishing without a secret takes Host localhost, 127.0.0.1 or [::1] only{WAY_OUT}"
    )


FOREIGN = [
    "Forwarded",
    "Via",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-Anything",
    "X-Real-IP",
    "X-Client-IP",
    "CF-Connecting-IP",
    "Origin",
    "Sec-Fetch-Site",
    "Sec-Fetch-Mode",
    "Sec-Fetch-Dest",
    "Cookie",
]


@pytest.mark.parametrize("value", ["", "127.0.0.1"])
@pytest.mark.parametrize("name", FOREIGN)
def test_a_sign_of_a_proxy_or_a_browser_may_not(name: str, value: str) -> None:
    told = refusal("127.0.0.1", (name, value))
    assert told.lower() == (
        f"Forbidden: publishing without a secret takes no request with the header {name}{WAY_OUT}".lower()
    )


@pytest.mark.parametrize("given", ["", "wrong", "S3cret"])
def test_a_secret_is_all_that_counts(given: str) -> None:
    rule = InternalRule("s3cret")
    foreign = [("Cookie", "a=b"), ("Origin", "null"), ("Via", "proxy")]
    right = request_from("203.0.113.1", ("X-Broadcast-Secret", "s3cret"), *foreign, host="example.com")
    assert rule.refusal(right) == ""
    assert rule.refusal(request_from("127.0.0.1", ("X-Broadcast-Secret", given))) == "Forbidden"
    assert rule.refusal(request_from("127.0.0.1")) == "Forbidden"
    assert "s3cret" not in repr(rule)


# -- over real sockets -----------------------------------------------------------------------------------


@pytest.mark.parametrize("field", [f"{name}: x" for name in FOREIGN])
def test_the_answer_names_the_option(field: str) -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            answered = await world.post(field)
            assert (answered.status, answered.header("Content-Type")) == (403, "text/plain; charset=utf-8")
            assert b"broadcast_secret" in answered.body

    asyncio.run(main())


@pytest.mark.parametrize(
    ("host", "fields", "status"),
    [
        ("127.0.0.1", [], 202),
        ("127.0.0.1", ["Host: 127.0.0.1:80"], 202),
        ("127.0.0.1", ["Host: example.com"], 403),
        ("127.0.0.2", [], 202),
        ("::1", ["Host: [::1]:80"], 202),
    ],
)
def test_over_loopback(host: str, fields: list[str], status: int) -> None:
    async def main() -> None:
        async with serving(realtime(), host=host) as world:
            assert (await world.post(*fields)).status == status

    asyncio.run(main())


def test_an_ipv4_client_of_an_ipv6_socket() -> None:
    async def main() -> None:
        instance = realtime()
        sock = socket.socket(socket.AF_INET6)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(("::", 0))
        sock.listen()
        sock.setblocking(False)
        server = HTTPServer(Application(instance.routes, log_function=lambda handler: None))
        server.add_sockets([sock])
        await instance.start()
        client = RawClient(*await asyncio.open_connection("127.0.0.1", sock.getsockname()[1]))
        answered = await client.request("POST", PATH, f"Content-Type: {FORM_TYPE}", body=FORM)
        assert answered.status == 202
        client.close()
        server.stop()
        await instance.close()
        await server.close_all_connections()

    asyncio.run(main())


def test_over_a_unix_socket(tmp_path: Path) -> None:
    async def main() -> None:
        instance = realtime()
        server = HTTPServer(Application(instance.routes, log_function=lambda handler: None), xheaders=True)
        server.add_socket(bind_unix_socket(str(tmp_path / "s")))
        await instance.start()
        client = RawClient(*await asyncio.open_unix_connection(str(tmp_path / "s")))
        answered = await client.request("POST", PATH, f"Content-Type: {FORM_TYPE}", body=FORM)
        assert answered.status == 403
        assert b"not to a Unix socket" in answered.body
        client.close()
        server.stop()
        await instance.close()
        await server.close_all_connections()

    asyncio.run(main())


@pytest.mark.parametrize(
    "hosts", [[], ["Host: localhost", "Host: localhost"], ["Host: localhost, localhost"]]
)
def test_no_host_and_two_hosts_may_not(hosts: list[str]) -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            client = await world.connect()
            lines = [
                f"POST {PATH} HTTP/1.1",
                *hosts,
                f"Content-Type: {FORM_TYPE}",
                "Content-Length: 26",
                "",
                "",
            ]
            await client.send("\r\n".join(lines).encode() + FORM)
            assert (await client.reader.readline()).startswith(b"HTTP/1.1 400")

    asyncio.run(main())


def test_http_1_0() -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            client = await world.connect()
            head = f"POST {PATH} HTTP/1.0\r\nHost: localhost\r\nContent-Type: {FORM_TYPE}\r\n"
            await client.send(head.encode() + b"Content-Length: 26\r\n\r\n" + FORM)
            answered = await client.answer()
            assert answered.status == 403
            assert b"takes HTTP/1.1 only" in answered.body

    asyncio.run(main())


# -- broadcast_listen ------------------------------------------------------------------------------------


class Fallback(RequestHandler):
    """The application's own answer to everything."""

    def prepare(self) -> None:
        self.finish("mine")


@pytest.mark.parametrize("prefix", ["", "/rt"])
def test_with_broadcast_listen_other_listeners_know_no_internal_path(prefix: str) -> None:
    async def main() -> None:
        instance = realtime(broadcast_listen="127.0.0.1:1", prefix=prefix, broadcast_secret="s")
        async with serving(instance) as world:
            paths = [PATH, "/internal/", "/internal/health", "/internal/x/y", "/%69nternal/broadcast"]
            for path in [prefix + path for path in paths]:
                assert instance.serves(path.replace("%69", "i"))
                for method in ("GET", "POST", "PUT", "OPTIONS"):
                    answered = await world.knock("X-Broadcast-Secret: s", path=path, method=method)
                    assert (answered.status, answered.body) == (404, b"Not Found\n")
                    assert answered.header("X-Content-Type-Options") == "nosniff"
            assert not instance.serves(f"{prefix}/internal")

    asyncio.run(main())


def test_with_broadcast_listen_a_publish_path_of_one_s_own_is_hidden_too() -> None:
    async def main() -> None:
        instance = realtime(broadcast_listen="127.0.0.1:1", publish_path="/publish")
        async with serving(instance) as world:
            assert (await world.post(path="/publish")).body == b"Not Found\n"
            assert (await world.post(path=PATH)).body == b"Not Found\n"

    asyncio.run(main())


def test_the_listener_for_publishing_has_nothing_else() -> None:
    async def main() -> None:
        instance = realtime(broadcast_listen="127.0.0.1:1")
        server = HTTPServer(Application(instance.publish_routes, log_function=lambda handler: None))
        (listener,) = bind_sockets(0, "127.0.0.1")
        server.add_sockets([listener])
        async with serving(instance) as world:
            subscriber = await world.open("news")
            public, world.port = world.port, listener.getsockname()[1]
            assert (await world.post()).status == 202
            assert await subscriber.text() == b"hello"
            assert (await world.knock(path="/ws")).status == 404
            assert (await world.post("Cookie: a=b")).status == 403
            world.port = public
            assert (await world.post()).status == 404
        server.stop()
        await server.close_all_connections()

    asyncio.run(main())


def test_without_broadcast_listen_only_the_publish_path_is_taken() -> None:
    async def main() -> None:
        instance = realtime()
        async with serving(instance, default_handler_class=Fallback) as world:
            assert (await world.knock(path="/internal/other")).body == b"mine"
            assert (await world.knock(path="/internal/broadcast/")).body == b"mine"
            assert (await world.post()).status == 202
            assert not instance.serves("/internal/other")
            assert instance.serves(PATH)
            assert instance.serves("/ws")

    asyncio.run(main())
