"""What somebody writes as the URL of a server, and where that leads."""

from __future__ import annotations

import pytest

from tornado_realtime.client.address import site_url, socket_url


@pytest.mark.parametrize(
    ("url", "socket", "site"),
    [
        ("http://localhost:8080", "ws://localhost:8080/ws", "http://localhost:8080"),
        ("https://example.com/", "wss://example.com/ws", "https://example.com"),
        ("wss://example.com/rt/ws", "wss://example.com/rt/ws", "https://example.com"),
        ("ws://[::1]:81/ws?a=b#c", "ws://[::1]:81/ws?a=b", "http://[::1]:81"),
        ("HTTP://EXAMPLE.com", "ws://EXAMPLE.com/ws", "http://EXAMPLE.com"),
    ],
)
def test_what_is_meant(url: str, socket: str, site: str) -> None:
    assert (socket_url(url), site_url(url)) == (socket, site)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        (
            "localhost:8080",
            "'localhost:8080' is no URL of a server: write something like https://example.com",
        ),
        ("", "'' is no URL of a server: write something like https://example.com"),
        (
            "ftp://example.com",
            "'ftp://example.com' is no URL of a server: write something like https://example.com",
        ),
        ("http://", "'http://' is no URL of a server: write something like https://example.com"),
        ("http://a:0", "'http://a:0' is no URL of a server: write something like https://example.com"),
        ("http://a:99999", "'http://a:99999' is no URL: Port out of range 0-65535"),
        ("http://[::1", "'http://[::1' is no URL: Invalid IPv6 URL"),
        (
            "https://ada:secret@example.com",
            "the URL has a login in it: give a token, a cookie or header fields instead",
        ),
    ],
)
def test_what_cannot_be_meant(url: str, why: str) -> None:
    with pytest.raises(ValueError) as caught:
        socket_url(url)
    assert str(caught.value) == why
