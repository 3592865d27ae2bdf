from __future__ import annotations

import pytest

from tornado_realtime.site.fastcgi_client import Upstream, parse_upstream


@pytest.mark.parametrize(
    ("text", "upstream"),
    [
        ("unix//run/php.sock", Upstream(path="/run/php.sock")),
        ("unix/run/php.sock", Upstream(path="run/php.sock")),
        ("127.0.0.1:9000", Upstream(host="127.0.0.1", port=9000)),
        ("tcp/php:9000", Upstream(host="php", port=9000)),
        ("fastcgi://localhost:9000", Upstream(host="localhost", port=9000)),
        ("[::1]:9000", Upstream(host="::1", port=9000)),
    ],
)
def test_addresses(text: str, upstream: Upstream) -> None:
    assert parse_upstream(text) == upstream
    assert parse_upstream(str(upstream)) == upstream


@pytest.mark.parametrize(
    "text", ["", "php", "php:", ":9000", "php:0", "php:65536", "::1:9000", "unix/", "a b:1", "http://x:1"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="no FastCGI address"):
        parse_upstream(text)
