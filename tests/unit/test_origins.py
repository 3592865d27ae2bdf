"""Origins: what may stand in the list, and whom it lets in."""

from __future__ import annotations

import pytest

from tornado_realtime.origins import origin_allowed, parse_allowed


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        (None, "example.com", ()),
        (None, "example.com", ("http://other",)),
        ("http://example.com", "example.com", ()),
        ("https://example.com", "example.com", ()),
        ("http://EXAMPLE.com:8080", "example.COM:8080", ()),
        ("http://[::1]:8080", "[::1]:8080", ()),
        ("http://example.com/", "example.com", ()),
        ("http://other", "example.com", ("http://a", "http://other")),
        ("null", "example.com", ("null",)),
        ("null", "example.com", ("*",)),
        ("http://evil", "example.com", ("*",)),
        ("http://x.a.b", "a", ("*.a.b",)),
        ("https://x.y.a.b", "a", ("https://c", "*.a.b")),
        ("https://x_1-2.a.b", "a", ("https://*.a.b",)),
        ("https://x.a.b:8443", "a", ("https://*.a.b:8443",)),
    ],
)
def test_allowed_origins(origin: str | None, host: str, allowed: tuple[str, ...]) -> None:
    assert origin_allowed(origin, host, allowed)


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        ("", "", ()),
        ("", "example.com", ("http://a",)),
        ("null", "null", ()),
        ("example.com", "example.com", ()),
        ("//example.com", "example.com", ()),
        ("http://", "", ()),
        ("http://evil.com", "example.com", ()),
        ("http://example.com.evil.com", "example.com", ()),
        ("http://example.com@evil.com", "example.com", ()),
        ("http://evil.com/example.com", "example.com", ()),
        ("http://evil.com\\@example.com", "example.com", ()),
        ("http://example.com:80", "example.com", ()),
        ("http://example.com", "example.com:80", ()),
        ("http://exam ple.com", "exam ple.com", ()),
        ("http://example.com\n", "example.com", ()),
        ("http://\u212aey.com", "key.com", ()),
        ("http://a", "a", ("http://b",)),
        ("http://A", "a", ("http://a",)),
        ("http://a/", "a", ("http://a",)),
        ("http://sub.a", "a", ("http://a",)),
        ("http://a.b", "a", ("http://*.a.b", "*.a.b")),
        ("http://.a.b", "a", ("*.a.b",)),
        ("http://x..a.b", "a", ("*.a.b",)),
        ("http://xa.b", "a", ("*.a.b",)),
        ("http://x.a.b.c", "a", ("*.a.b",)),
        ("http://x.a.b:8080", "a", ("*.a.b",)),
        ("http://evil:80.a.b", "a", ("*.a.b",)),
        ("http://evil@x.a.b", "a", ("*.a.b",)),
        ("http://evil/.a.b", "a", ("*.a.b",)),
        ("http://x.a.b/", "a", ("*.a.b",)),
        ("http://x.a.b", "a", ("https://*.a.b",)),
        ("ftp://x.a.b", "a", ("*.a.b",)),
        ("*.a.b", "a", ("x.a.b",)),
        ("null", "a", ("*.a.b",)),
    ],
)
def test_refused_origins(origin: str, host: str, allowed: tuple[str, ...]) -> None:
    assert not origin_allowed(origin, host, allowed)


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("https://example.com", "https://example.com"),
        ("https://Example.COM", "https://example.com"),
        ("https://example.com:443", "https://example.com"),
        ("http://example.com:80", "http://example.com"),
        ("http://example.com:443", "http://example.com:443"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("*.example.com", "*.example.com"),
        ("https://*.example.com:8443", "https://*.example.com:8443"),
        ("*", "*"),
        ("NULL", "null"),
    ],
)
def test_entries(text: str, entry: str) -> None:
    assert parse_allowed(text) == entry


@pytest.mark.parametrize(
    "text",
    [
        "example.com",
        "https://example.com/",
        "https://a@example.com",
        "//example.com",
        "https://",
        "https://*",
        "*example.com",
        "https://a.*.com",
        "*.*.com",
        "https://*.example.com/path",
        "https://exam ple.com",
    ],
)
def test_entries_that_no_origin_can_match(text: str) -> None:
    with pytest.raises(ValueError, match="which no page has as its origin; write scheme and host such as"):
        parse_allowed(text)
