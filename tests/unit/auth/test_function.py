"""Authentication by a function of the application, whatever it does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from tornado_realtime.auth import FunctionAuthenticator, User
from tornado_realtime.errors import (
    AuthError,
    AuthInvalidError,
    AuthRefusedError,
    AuthTimeoutError,
    AuthUnavailableError,
)

REQUEST = HTTPServerRequest(
    start_line=RequestStartLine("GET", "/ws", "HTTP/1.1"), headers=HTTPHeaders({"Host": "localhost"})
)


def ask(function: Callable[[HTTPServerRequest], Any], timeout: float = 5.0) -> User:
    async def main() -> User:
        authenticator = FunctionAuthenticator(function, timeout)
        try:
            return await authenticator.authenticate(REQUEST)
        finally:
            authenticator.close()

    return asyncio.run(main())


def later(value: object) -> Callable[[HTTPServerRequest], Awaitable[object]]:
    async def function(request: HTTPServerRequest) -> object:
        await asyncio.sleep(0)
        if isinstance(value, Exception):
            raise value
        return value

    return function


def now(value: object) -> Callable[[HTTPServerRequest], object]:
    def function(request: HTTPServerRequest) -> object:
        if isinstance(value, Exception):
            raise value
        return value

    return function


@pytest.mark.parametrize("make", [now, later])
@pytest.mark.parametrize(
    ("answer", "user"),
    [
        ("u1", User("u1")),
        (User("u1", {"name": "A"}), User("u1", {"name": "A"})),
        ({"id": "u1", "info": 7}, User("u1", 7)),
    ],
)
def test_who_it_is(make: Callable[[object], Any], answer: object, user: User) -> None:
    assert ask(make(answer)) == user


@pytest.mark.parametrize("make", [now, later])
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (None, AuthRefusedError),
        ("", AuthInvalidError),
        (5, AuthInvalidError),
        (False, AuthInvalidError),
        ({"name": "A"}, AuthInvalidError),
        ({"id": "u1", "exp": 1}, AuthRefusedError),
        (User("u1", None, 1.0), AuthRefusedError),
        (AuthRefusedError("no"), AuthRefusedError),
        (AuthUnavailableError("the directory is away"), AuthUnavailableError),
        (TimeoutError("the directory is slow"), AuthTimeoutError),
    ],
)
def test_who_it_is_not(make: Callable[[object], Any], answer: object, error: type[AuthError]) -> None:
    with pytest.raises(error):
        ask(make(answer))


def test_the_request_is_passed() -> None:
    assert ask(lambda request: request.path) == User("/ws")


def test_a_slow_function() -> None:
    cancelled = []

    async def slow(request: HTTPServerRequest) -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise
        return "u1"

    with pytest.raises(AuthTimeoutError):
        ask(slow, timeout=0.01)
    assert cancelled


def test_an_error_in_the_function_is_logged_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(AuthInvalidError, match=r"^the authenticate function failed$"):
        ask(now(KeyError("token abc")))
    assert "the authenticate function failed" in caplog.text
    assert caplog.records[0].exc_info is not None
