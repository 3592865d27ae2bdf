from __future__ import annotations

import pytest

from tornado_realtime.errors import HandshakeError
from tornado_realtime.wire.handshake import accept_value, check_upgrade, response_101

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""The example of RFC 6455 section 1.3."""

Changes = dict[str, str | list[str] | None]


class FakeHeaders:
    def __init__(self, changes: Changes | None = None) -> None:
        good: Changes = {"connection": "Upgrade", "upgrade": "websocket", "version": "13", "key": KEY}
        self._values = good | (changes or {})

    def get_list(self, name: str) -> list[str]:
        value = self._values[name.lower().removeprefix("sec-websocket-")]
        return [] if value is None else [value] if isinstance(value, str) else value


def refusal(changes: Changes, method: str = "GET", version: str = "HTTP/1.1") -> int:
    with pytest.raises(HandshakeError) as caught:
        check_upgrade(method, FakeHeaders(changes), version)
    return caught.value.status


def test_the_example_of_the_standard() -> None:
    assert accept_value(KEY) == ACCEPT
    assert check_upgrade("GET", FakeHeaders()) == ACCEPT


@pytest.mark.parametrize(
    "changes",
    [
        {"connection": "keep-alive, Upgrade"},
        {"connection": ["keep-alive", "\tUPGRADE "]},
        {"connection": ["not a token list", "upgrade"]},
        {"connection": "upgrade, not a token"},
        {"upgrade": "WebSocket"},
        {"upgrade": ["h2c, websocket"]},
        {"version": "8, 13"},
        {"key": "AAAAAAAAAAAAAAAAAAAAAA=="},
    ],
)
def test_accepted(changes: Changes) -> None:
    assert check_upgrade("GET", FakeHeaders(changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"connection": None},
        {"connection": ""},
        {"connection": "keep-alive"},
        {"connection": "upgraded"},
        {"connection": "up grade"},
        {"connection": "not a token, upgrade"},
        {"connection": ",upgrade"},
        {"connection": '"upgrade"'},
        {"upgrade": None},
        {"upgrade": "h2c"},
        {"upgrade": "websocket/13"},
        {"version": None},
        {"version": "12"},
        {"version": "013"},
        {"version": "1 3"},
        {"key": None},
        {"key": ""},
        {"key": "short"},
        {"key": "AAAAAAAAAAAAAAAAAAAAAAA="},
        {"key": "AAAAAAAAAAAAAAAAAAAAAAAA"},
        {"key": "AAAAAAAAAAAAAAAAAAAAAA"},
        {"key": "AAAAAAAAAAAAAAAAAAAA-_=="},
        {"key": " " + KEY},
        {"key": KEY + "\n"},
        {"key": "é" * 22 + "=="},
        {"key": [KEY, KEY]},
    ],
)
def test_refused_with_400(changes: Changes) -> None:
    assert refusal(changes) == 400


@pytest.mark.parametrize("method", ["POST", "HEAD", "get", "OPTIONS"])
def test_another_method_is_405(method: str) -> None:
    assert refusal({}, method) == 405


def test_another_http_version_is_400() -> None:
    assert refusal({}, version="HTTP/1.0") == 400


def test_the_first_thing_wrong_decides() -> None:
    assert refusal({"connection": "close"}, "POST") == 400
    assert refusal({"upgrade": "h2c"}, "POST") == 400
    assert refusal({"key": None}, "POST", "HTTP/1.0") == 405


def test_the_101_has_these_headers_only() -> None:
    head = (
        b"HTTP/1.1 101 Switching Protocols\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
    )
    assert response_101(ACCEPT) == head + b"\r\n"
    assert (
        response_101(ACCEPT, "realtime.v1.json") == head + b"Sec-WebSocket-Protocol: realtime.v1.json\r\n\r\n"
    )
