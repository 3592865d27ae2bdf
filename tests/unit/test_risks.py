"""Doors that nobody leaves open by mistake: the program does not start."""

from __future__ import annotations

import pytest

from tornado_realtime.errors import ConfigError
from tornado_realtime.realtime import Realtime


def start(lines: str) -> None:
    Realtime.from_caddyfile(f"go_handler {{\n{lines}\n}}")


@pytest.mark.parametrize(
    "lines",
    [
        "allowed_origins https://*.example.com",
        "allowed_origins *\ncross_site_cookies allow",
        "allowed_origins null\ncross_site_cookies allow",
        "broadcast_listen 127.0.0.1:8081",
        "broadcast_listen 127.1.2.3:8081",
        "broadcast_listen [::1]:8081",
        "broadcast_listen LocalHost:8081",
        "broadcast_listen :8081\nbroadcast_secret s",
        "broadcast_listen 10.0.0.1:8081\nbroadcast_secret s",
    ],
)
def test_what_starts(lines: str) -> None:
    start(lines)


@pytest.mark.parametrize("entry", ["*", "null"])
def test_any_page_in_the_world_must_be_meant(entry: str) -> None:
    with pytest.raises(ConfigError) as caught:
        start(f"driver memory\nallowed_origins https://a {entry}")
    assert str(caught.value) == (
        f"go_handler:3: allowed_origins {entry} lets any page in the world connect with its visitor's "
        "cookies; name the origins instead, or write cross_site_cookies allow"
    )
    with pytest.raises(ConfigError, match=r"^allowed_origins"):
        Realtime(allowed_origins=entry)


@pytest.mark.parametrize("address", [":8081", "0.0.0.0:8081", "[::]:8081", "10.0.0.1:8081", "realtime:8081"])
def test_a_public_listener_needs_a_secret(address: str) -> None:
    with pytest.raises(ConfigError) as caught:
        start(f"broadcast_listen {address}")
    assert str(caught.value) == (
        f"go_handler:2: broadcast_listen {address} can be reached from other hosts, and without a secret "
        "nobody there may publish; set broadcast_secret, or listen on 127.0.0.1 only"
    )
