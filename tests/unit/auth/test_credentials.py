"""Where a token is found in a request."""

from __future__ import annotations

from base64 import urlsafe_b64encode

import pytest
from tornado.httputil import HTTPHeaders

from tornado_realtime.auth.credentials import bearer_token, cookie, offered_token, shown_token


def encoded(token: str) -> str:
    return urlsafe_b64encode(token.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("offered", "token"),
    [
        (f"bearer.{encoded('a token')}", encoded("a token")),  # a space is in no token
        (f"bearer.{encoded('opaque+/=~')}", "opaque+/=~"),
        (f"realtime.v1.json, bearer.{encoded('opaque')}", "opaque"),
        (f"bearer.{encoded('first')},bearer.{encoded('second')}", "first"),
        ("bearer.a.b.c", "a.b.c"),
        ("bearer.abcde", "abcde"),
        ("bearer.4pyT", "4pyT"),
        ("bearer.", ""),
        ("bearer", ""),
        ("Bearer.a.b.c", ""),
        ("chat", ""),
        ("", ""),
    ],
)
def test_the_subprotocol(offered: str, token: str) -> None:
    assert offered_token(HTTPHeaders({"Sec-WebSocket-Protocol": offered})) == token


def test_the_subprotocol_in_several_lines() -> None:
    headers = HTTPHeaders()
    headers.add("Sec-WebSocket-Protocol", "chat")
    headers.add("Sec-WebSocket-Protocol", "bearer.a.b.c")
    assert offered_token(headers) == "a.b.c"


def test_the_order() -> None:
    headers = HTTPHeaders({"Cookie": "AUTH_TOKEN=third"})
    assert (shown_token(headers), bearer_token(headers)) == ("third", "")
    headers["Sec-WebSocket-Protocol"] = "bearer.sec.on.d"
    assert shown_token(headers) == bearer_token(headers) == "sec.on.d"
    headers["Authorization"] = "Basic abc"
    assert shown_token(headers) == "sec.on.d"
    headers["Authorization"] = "BEARER  first "
    assert shown_token(headers) == bearer_token(headers) == "first"


def test_cookies() -> None:
    headers = HTTPHeaders({"Cookie": 'a=; b=2; AUTH_TOKEN="x y"'})
    assert [cookie(headers, name) for name in ("a", "b", "AUTH_TOKEN", "c")] == ["", "2", "x y", ""]
