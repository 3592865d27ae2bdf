"""What may be asked for, and of whom."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tornado_realtime.bench.options import Options
from tornado_realtime.bench.stretch import Rate, Window
from tornado_realtime.bench.target import address_of, parse_target
from tornado_realtime.errors import BenchError


@pytest.mark.parametrize(
    ("url", "shown", "authority"),
    [
        ("http://localhost:8080", "http://localhost:8080", "localhost:8080"),
        ("localhost:8080/", "http://localhost:8080", "localhost:8080"),
        ("wss://a.example/live/", "https://a.example/live", "a.example"),
        ("https://[::1]:8443", "https://[::1]:8443", "[::1]:8443"),
        ("ws://127.0.0.1", "http://127.0.0.1", "127.0.0.1"),
    ],
)
def test_a_url_names_a_server(url: str, shown: str, authority: str) -> None:
    target = parse_target(url)
    assert (str(target), target.authority) == (shown, authority)


@pytest.mark.parametrize(
    "url", ["", "ftp://a", "http://", "http://a:0", "http://a:99999", "http://a/?x", "http://a/#x"]
)
def test_what_is_no_server(url: str) -> None:
    with pytest.raises(BenchError, match="is no server"):
        parse_target(url)


@pytest.mark.parametrize("host", ["192.0.2.1", "10.0.0.1", "[2001:db8::1]"])
def test_another_machine_is_refused_before_anything_is_sent(host: str) -> None:
    with pytest.raises(BenchError, match="--i-own-this-server"):
        address_of(parse_target(f"http://{host}"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"subscribers": 0}, "--subscribers must be from 1 to 20,000, not 0"),
        ({"subscribers": 20_001}, "--subscribers"),
        ({"channels": 101}, "--channels must be from 1 to 100"),
        ({"publishers": 65}, "--publishers"),
        ({"window": 0}, "--window"),
        ({"seconds": 601.0}, "--duration"),
        ({"message_bytes": 16}, "--size"),
        ({"rate": -1.0}, "--rate"),
        ({"headers": ("Cookie",)}, "a header is written"),
        ({"headers": ("A: b\r\nC: d",)}, "a header is written"),
        ({"secret": "a\nb"}, "a header is written"),
    ],
)
def test_every_option_has_its_bounds(change: dict[str, Any], says: str) -> None:
    Options().check()
    with pytest.raises(BenchError, match=says):
        replace(Options(), **change).check()


def test_subscribers_are_spread_evenly() -> None:
    assert Options(subscribers=10, channels=4).listeners == [3, 3, 2, 2]


def test_secrets_are_not_shown() -> None:
    shown = repr(Options(secret="hush", headers=("Cookie: AUTH_TOKEN=hush",)))
    assert "hush" not in shown


def test_a_window_is_full_when_one_more_would_be_too_many() -> None:
    window = Window(2)
    assert window.due(0, 0, 0, 5.0) == 5.0
    assert window.due(0, 1, 1.0, 5.0) == 5.0
    assert window.due(0, 2, 1.5, 5.0) is None


def test_a_rate_does_not_forgive_delays() -> None:
    assert [Rate(4).due(10.0, published, 0, 99.0) for published in range(3)] == [10.0, 10.25, 10.5]
