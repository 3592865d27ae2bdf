"""The application's auth endpoint: what it is asked, and what is made of its answers (wire.md A3)."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from typing import Any

import pytest
from tornado.httputil import HTTPConnection, HTTPHeaders, HTTPServerRequest, RequestStartLine

from tests.support.auth_endpoint import Endpoint, answer, endpoint
from tornado_realtime.auth import EndpointAuthenticator, User
from tornado_realtime.auth.backend import Care
from tornado_realtime.errors import (
    AuthError,
    AuthInvalidError,
    AuthRefusedError,
    AuthTimeoutError,
    AuthUnavailableError,
)
from tornado_realtime.peers import parse_network

YES = answer(200, b'{"id":"u1"}')
PROXIES = [parse_network("10.0.0.0/8")]


class Peer(HTTPConnection):
    """As much of a connection as tells who is at its other end."""

    def __init__(self, address: Any) -> None:
        self.context = type("Context", (), {"address": address, "remote_ip": "6.6.6.6"})()


def request_from(address: Any, *fields: tuple[str, str]) -> HTTPServerRequest:
    headers = HTTPHeaders({"Host": "localhost"})
    for name, value in fields:
        headers.add(name, value)
    line = RequestStartLine("GET", "/ws", "HTTP/1.1")
    return HTTPServerRequest(start_line=line, headers=headers, connection=Peer(address))


REQUEST = request_from(("192.0.2.7", 1234))


def ask(
    *answers: bytes,
    request: HTTPServerRequest = REQUEST,
    timeout: float = 5.0,
    trusted: Sequence[Any] = PROXIES,
    url: str = "",
) -> tuple[User | AuthError, Endpoint]:
    """What one question ends with."""

    async def main() -> tuple[User | AuthError, Endpoint]:
        async with endpoint(*answers) as auth:
            authenticator = EndpointAuthenticator(url or auth.url, Care(timeout), trusted)
            try:
                return await authenticator.authenticate(request), auth
            except AuthError as error:
                return error, auth
            finally:
                authenticator.close()

    return asyncio.run(main())


# -- what it is asked ----------------------------------------------------------------------------------


def test_the_question() -> None:
    found, auth = ask()
    assert found == User("u1")
    (asked,) = auth.asked
    assert asked.line == "GET /auth.php HTTP/1.1"
    assert sorted(asked.headers.get_all()) == [
        ("Host", f"127.0.0.1:{auth.port}"),
        ("X-Forwarded-For", "192.0.2.7"),
        ("X-Real-Ip", "192.0.2.7"),
    ]


def test_what_of_the_visitor_is_passed_on() -> None:
    _, auth = ask(
        request=request_from(
            ("192.0.2.7", 1),
            ("Authorization", "Bearer abc"),
            ("Authorization", "Bearer second"),
            ("Cookie", "AUTH_TOKEN=abc; theme=d\xe4rk"),
            ("User-Agent", "Visitor/1"),
            ("Accept-Language", "de"),
            ("X-Broadcast-Secret", "s3cret"),
            ("Connection", "Upgrade"),
            ("X-Client-IP", "6.6.6.6"),
            ("Forwarded", "for=6.6.6.6"),
        )
    )
    headers = auth.asked[0].headers
    assert headers.get_list("Authorization") == ["Bearer abc"]
    assert headers["Cookie"] == "AUTH_TOKEN=abc; theme=d\xe4rk"
    assert headers["User-Agent"] == "Visitor/1"
    assert set(headers) == {
        "Authorization",
        "Cookie",
        "Host",
        "User-Agent",
        "X-Forwarded-For",
        "X-Real-Ip",
    }


def test_empty_headers_are_not_passed_on() -> None:
    _, auth = ask(request=request_from(("192.0.2.7", 1), ("Cookie", ""), ("User-Agent", "")))
    assert "Cookie" not in auth.asked[0].headers
    assert "User-Agent" not in auth.asked[0].headers


@pytest.mark.parametrize(
    ("peer", "claims", "forwarded", "real"),
    [
        ("192.0.2.7", [], "192.0.2.7", "192.0.2.7"),
        ("192.0.2.7", ["1.1.1.1"], "192.0.2.7", "192.0.2.7"),  # what a visitor claims is discarded
        ("10.0.0.1", [], "10.0.0.1", "10.0.0.1"),
        ("10.0.0.1", ["1.1.1.1"], "1.1.1.1, 10.0.0.1", "1.1.1.1"),
        ("10.0.0.1", ["6.6.6.6, 1.1.1.1", "10.0.0.2"], "6.6.6.6, 1.1.1.1, 10.0.0.2, 10.0.0.1", "1.1.1.1"),
        ("::ffff:10.0.0.1", ["1.1.1.1"], "1.1.1.1, ::ffff:10.0.0.1", "1.1.1.1"),
    ],
)
def test_the_truth_about_addresses(peer: str, claims: list[str], forwarded: str, real: str) -> None:
    fields = [("X-Forwarded-For", claim) for claim in claims] + [("X-Real-IP", "7.7.7.7")]
    _, auth = ask(request=request_from((peer, 1), *fields))
    assert auth.asked[0].headers.get_list("X-Forwarded-For") == [forwarded]
    assert auth.asked[0].headers.get_list("X-Real-IP") == [real]


def test_over_a_unix_socket_there_is_no_address_to_tell() -> None:
    _, auth = ask(request=request_from("", ("X-Forwarded-For", "1.1.1.1"), ("X-Real-IP", "1.1.1.1")))
    assert "X-Forwarded-For" not in auth.asked[0].headers
    assert "X-Real-Ip" not in auth.asked[0].headers


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("http://127.0.0.1:{port}", "GET / HTTP/1.1"),
        ("http://127.0.0.1:{port}?a=b", "GET /?a=b HTTP/1.1"),
        ("http://127.0.0.1:{port}/a%20b/é?c=d&e=%26#fragment", "GET /a%20b/%C3%A9?c=d&e=%26 HTTP/1.1"),
    ],
)
def test_the_address_as_configured(url: str, line: str) -> None:
    async def main() -> None:
        async with endpoint() as auth:
            authenticator = EndpointAuthenticator(url.format(port=auth.port), Care(5))
            assert await authenticator.authenticate(REQUEST) == User("u1")
            assert auth.asked[0].line == line
            authenticator.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("given", "sent"),
    [([], "Basic " + base64.b64encode(b"app:p:w d").decode()), ([("Authorization", "Bearer x")], "Bearer x")],
)
def test_a_password_in_the_address(
    given: list[tuple[str, str]], sent: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with endpoint(answer(200, b"[]")) as auth:
            url = f"http://app:p%3Aw%20d@127.0.0.1:{auth.port}/auth?key=s3cret"
            authenticator = EndpointAuthenticator(url, Care(5))
            with pytest.raises(AuthInvalidError):
                await authenticator.authenticate(request_from(("192.0.2.7", 1), *given))
            assert auth.asked[0].headers["Authorization"] == sent
            assert auth.asked[0].headers["Host"] == f"127.0.0.1:{auth.port}"
            authenticator.close()

    asyncio.run(main())
    assert "/auth: the answer is no JSON object" in caplog.text
    assert "w%20d" not in caplog.text
    assert "s3cret" not in caplog.text


# -- what is made of its answers -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        YES,
        answer(200, b' \r\n\t{"Id":"u1"} trailing } bytes'),
        answer(200, b'{"id":"u1"}', "Content-Type: text/html"),
        b'HTTP/1.1 200 OK\r\n\r\n{"id":"u1"}',  # until the end
        b'HTTP/1.0 200 OK\r\n\r\n{"id":"u1"}',
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{"id\r\n7\r\n":"u1"}\r\n0\r\n\r\n',
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + YES,
        answer(200, b'{"id":"u1"}' + b" " * (64 * 1024 - 11)),
    ],
)
def test_yes(given: bytes) -> None:
    assert ask(given)[0] == User("u1")


def test_everything_that_may_be_in_an_answer() -> None:
    found, _ = ask(answer(200, '{"id":"ü","info":{"n":"Zoé"},"exp":32503680000,"other":[]}'.encode()))
    assert found == User("ü", {"n": "Zoé"}, 32503680000.0)


@pytest.mark.parametrize("status", [201, 204, 206, 301, 304, 400, 401, 403, 404, 500, 503])
def test_another_status_is_a_no(status: int) -> None:
    assert isinstance(
        ask(answer(status, b"" if status in (204, 304) else b'{"id":"u1"}'))[0], AuthRefusedError
    )


@pytest.mark.parametrize(
    "given",
    [
        answer(200),
        answer(200, b"null"),
        answer(200, b'"u1"'),
        answer(200, b"u1"),
        answer(200, b'[{"id":"u1"}]'),
        answer(200, b'{"id":5}'),
        answer(200, b'{"id":""}'),
        answer(200, b'{"id":null}'),
        answer(200, b'{"name":"u1"}'),
        answer(200, b'{"id":"u1","exp":"soon"}'),
        answer(200, b'{"id":"\xff"}'),
        answer(200, b"\xef\xbb\xbf" + b'{"id":"u1"}'),
        answer(200, b"[" * 60_000),
        answer(200, b'{"id":"u1"}' + b" " * (64 * 1024 - 10)),
        answer(200, b'{"id":"u1"}' + b" " * 10_000_000),
        b'HTTP/1.1 200 OK\r\n\r\n{"id":"u1"}' + b" " * (64 * 1024),
        b'HTTP/1.1 200 OK\r\n\r\n{"id":"u1"}' + b" " * 10_000_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"8000\r\n"
        + b"x" * 32768
        + b"\r\n9000\r\n",
        b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"id":"u1"}',  # breaks off
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n{}",
    ],
)
def test_an_answer_that_makes_no_sense(given: bytes) -> None:
    assert isinstance(ask(given)[0], AuthInvalidError)


@pytest.mark.parametrize("body", [b'{"id":"u1","exp":1}', b'{"id":"u1","ttl":0}', b'{"id":"u1","ttl":-5}'])
def test_a_login_that_has_run_out(body: bytes) -> None:
    assert isinstance(ask(answer(200, body))[0], AuthRefusedError)


@pytest.mark.parametrize(
    "given",
    [b"", b"\0" * 50, b"hello\r\n\r\n", b"HTTP/1.1 200", b"HTTP/1.1 abc OK\r\n\r\n", b"x" * 200_000],
)
def test_no_answer_in_http(given: bytes, caplog: pytest.LogCaptureFixture) -> None:
    found, auth = ask(given)
    assert isinstance(found, AuthUnavailableError)
    assert f"auth endpoint {auth.url}: no answer" in caplog.text


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/x", "http://no-such-host.invalid/", "https://{at}/"])
def test_an_endpoint_that_is_down(url: str) -> None:
    async def main() -> None:
        async with endpoint() as auth:
            auth.greeting = b"no TLS here"
            authenticator = EndpointAuthenticator(url.format(at=f"127.0.0.1:{auth.port}"), Care(5))
            with pytest.raises(AuthUnavailableError):
                await authenticator.authenticate(REQUEST)
            authenticator.close()

    asyncio.run(main())


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n", b"HTTP/1.1 200"])
def test_an_endpoint_that_is_slow(said: bytes) -> None:
    async def main() -> None:
        async with endpoint() as auth:

            async def dawdle(writer: asyncio.StreamWriter) -> None:
                writer.write(said)
                await asyncio.sleep(10)

            auth.behaviour = dawdle
            authenticator = EndpointAuthenticator(auth.url, Care(0.05))
            with pytest.raises(AuthTimeoutError):
                await authenticator.authenticate(REQUEST)
            authenticator.close()

    asyncio.run(main())


def test_the_time_is_for_all_redirects_together() -> None:
    async def main() -> None:
        async with endpoint() as auth:

            async def redirect_slowly(writer: asyncio.StreamWriter) -> None:
                await asyncio.sleep(0.1)
                writer.write(answer(302, b"", "Location: /again"))

            auth.behaviour = redirect_slowly
            authenticator = EndpointAuthenticator(auth.url, Care(0.25))
            with pytest.raises(AuthTimeoutError):
                await authenticator.authenticate(REQUEST)
            authenticator.close()

    asyncio.run(main())


# -- redirects -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_three_redirects_within_the_origin(status: int) -> None:
    request = request_from(("192.0.2.7", 1), ("Cookie", "a=b"))
    steps = ["Location: /one?x=1", "Location: two", "Location: ../three#fragment"]
    found, auth = ask(*(answer(status, b"ignored", step) for step in steps), YES, request=request)
    assert found == User("u1")
    assert [asked.line.split()[1] for asked in auth.asked] == ["/auth.php", "/one?x=1", "/two", "/three"]
    assert all(asked.headers["Cookie"] == "a=b" for asked in auth.asked)


def test_four_redirects() -> None:
    found, auth = ask(answer(302, b"", "Location: /again"))
    assert isinstance(found, AuthUnavailableError)
    assert len(auth.asked) == 4


def test_a_redirect_to_an_absolute_address_of_the_same_origin() -> None:
    async def main() -> None:
        async with endpoint(YES) as auth:
            auth.answers = [answer(302, b"", f"Location: HTTP://127.0.0.1:{auth.port}/x y"), YES]
            authenticator = EndpointAuthenticator(auth.url, Care(5))
            assert await authenticator.authenticate(REQUEST) == User("u1")
            assert auth.asked[1].line == "GET /x%20y HTTP/1.1"
            authenticator.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:{other}/x",
        "//127.0.0.1:{other}/x",
        "http://localhost:{port}/x",
        "https://127.0.0.1:{port}/x",
        "http://[::1/",
        "http://127.0.0.1:99999999/",
        "javascript:alert(1)",
        "file:///etc/passwd",
    ],
)
def test_a_redirect_to_another_origin_is_not_followed(location: str) -> None:
    async def main() -> None:
        async with endpoint() as other, endpoint() as auth:
            auth.answers = [
                answer(302, b"", f"Location: {location.format(port=auth.port, other=other.port)}")
            ]
            authenticator = EndpointAuthenticator(auth.url, Care(5))
            with pytest.raises(AuthUnavailableError, match="another origin"):
                await authenticator.authenticate(REQUEST)
            assert (len(auth.asked), len(other.asked)) == (1, 0)
            authenticator.close()

    asyncio.run(main())


# -- many at once ----------------------------------------------------------------------------------------


def test_giving_up_closes_the_connection() -> None:
    async def main() -> None:
        async with endpoint() as auth:

            async def until_gone(writer: asyncio.StreamWriter) -> None:
                while True:
                    writer.write(b"HTTP/1.1 102 Processing\r\n\r\n")
                    await writer.drain()
                    await asyncio.sleep(0.01)

            auth.behaviour = until_gone
            authenticator = EndpointAuthenticator(auth.url, Care(5))
            asking = asyncio.create_task(authenticator.authenticate(REQUEST))
            while not auth.asked:
                await asyncio.sleep(0.005)
            asking.cancel()
            await asyncio.wait_for(auth.gone.wait(), 2)
            authenticator.close()

    asyncio.run(main())
