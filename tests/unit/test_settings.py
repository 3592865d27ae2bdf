"""go_handler's options, each in its two readings: a Caddyfile's directive and keyword arguments."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from tornado_realtime.caddyfile.directive import Directive, Token
from tornado_realtime.errors import ConfigError
from tornado_realtime.rates import Rate
from tornado_realtime.settings import (
    OPTIONS,
    Settings,
    settings_from_directive,
    settings_from_options,
    with_own_options,
)


def go_handler(*lines: str) -> Directive:
    """The directive of a block with ``lines``, the first of them in line 2."""
    return Directive(Token("go_handler", "Caddyfile", 1), (), tuple(map(segment, lines, range(2, 99))))


def segment(line: str, number: int) -> Directive:
    name, *args = line.split(" ")
    tokens = [Token("" if text == '""' else text, "Caddyfile", number) for text in (name, *args)]
    return Directive(tokens[0], tuple(tokens[1:]))


RIGHT: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("driver memory", {"driver": "memory"}, {"driver": "memory"}),
    ("driver redis", {"driver": "redis"}, {"driver": "redis"}),
    ("redis_address h:1", {"redis_address": "h:1"}, {"redis_address": "h:1"}),
    (
        "auth_endpoint https://a.b/c?d",
        {"auth_endpoint": "https://a.b/c?d"},
        {"auth_endpoint": "https://a.b/c?d"},
    ),
    ("auth_timeout 1m30s", {"auth_timeout": 90}, {"auth_timeout": 90.0}),
    ("canary 30s", {"canary": 30}, {"canary": 30.0}),
    ("canary 100ms", {"canary": 0.1}, {"canary": 0.1}),
    ("canary off", {"canary": "off"}, {"canary": 0.0}),
    ("publish_timeout 500ms", {"publish_timeout": 0.5}, {"publish_timeout": 0.5}),
    ("replicas 1", {"replicas": 1}, {"replicas": 1}),
    ("replicas 0", {"replicas": 0}, {"replicas": 0}),
    ("interop on", {"interop": "on"}, {"interop": True}),
    ("auth_timeout 250ms", {"auth_timeout": 0.25}, {"auth_timeout": 0.25}),
    ("auth_concurrency 8", {"auth_concurrency": 8}, {"auth_concurrency": 8}),
    (
        "auth_concurrency 8 100",
        {"auth_concurrency": [8, 100]},
        {"auth_concurrency": 8, "auth_queue": 100},
    ),
    ("auth_cache 10s", {"auth_cache": "10s"}, {"auth_cache": 10.0}),
    ("anonymous on", {"anonymous": "on"}, {"anonymous": True}),
    ("resume 10m", {"resume": 600}, {"resume": 600.0}),
    (
        f"ticket_key {'k' * 32} {'o' * 32}",
        {"ticket_key": ["k" * 32, "o" * 32]},
        {"ticket_keys": ("k" * 32, "o" * 32)},
    ),
    ("broadcast_secret s3cret", {"broadcast_secret": "s3cret"}, {"broadcast_secret": "s3cret"}),
    ("broadcast_listen :8081", {"broadcast_listen": ":8081"}, {"broadcast_listen": ":8081"}),
    ("broadcast_listen [::1]:1", {"broadcast_listen": "[::1]:1"}, {"broadcast_listen": "[::1]:1"}),
    ("allowed_origins https://a", {"allowed_origins": "https://a"}, {"allowed_origins": ("https://a",)}),
    (
        "allowed_origins https://a *.b null",
        {"allowed_origins": ["https://a", "*.b", "null"]},
        {"allowed_origins": ("https://a", "*.b", "null")},
    ),
    ("cross_site_cookies allow", {"cross_site_cookies": "allow"}, {"cross_site_cookies": "allow"}),
    ("wire raw", {"wire": "raw"}, {"wire": "raw"}),
    ("wire envelope", {"wire": "envelope"}, {"wire": "envelope"}),
    ("max_message_size 1KiB", {"max_message_size": 1024}, {"max_message_size_bytes": 1024}),
    ("max_publication_size 2MB", {"max_publication_size": "2MB"}, {"max_publication_size_bytes": 2_000_000}),
    ("send_queue 16", {"send_queue": 16}, {"send_queue_frames": 16}),
    (
        "send_queue 1000000 1KiB",
        {"send_queue": (1_000_000, "1KiB")},
        {"send_queue_frames": 1_000_000, "send_queue_bytes": 1024},
    ),
    ("max_connections 9", {"max_connections": 9}, {"max_connections": 9}),
    ("max_connections off", {"max_connections": "off"}, {"max_connections": 0}),
    (
        "max_connections_per_address 9",
        {"max_connections_per_address": 9},
        {"max_connections_per_address": 9},
    ),
    ("max_connections_per_user 9", {"max_connections_per_user": 9}, {"max_connections_per_user": 9}),
    ("handshake_rate 5 50", {"handshake_rate": [5, 50]}, {"handshake_rate": Rate(5.0, 50)}),
    ("handshake_rate 5", {"handshake_rate": 5}, {"handshake_rate": Rate(5.0, 5)}),
    ("message_rate 10 20", {"message_rate": (10, 20)}, {"message_rate": Rate(10.0, 20)}),
    ("message_rate off", {"message_rate": "off"}, {"message_rate": None}),
    ("presence_delay 2s", {"presence_delay": 2}, {"presence_delay": 2.0}),
    ("presence_lease 90s", {"presence_lease": 90}, {"presence_lease": 90.0}),
    ("max_channels 7", {"max_channels": 7}, {"max_channels": 7}),
    ("slow_consumer drop_oldest", {"slow_consumer": "drop_oldest"}, {"slow_consumer": "drop_oldest"}),
    ("slow_consumer latest", {"slow_consumer": "latest"}, {"slow_consumer": "latest"}),
]


@pytest.mark.parametrize(("line", "options", "fields"), RIGHT, ids=[line for line, _, _ in RIGHT])
def test_both_readings(line: str, options: dict[str, Any], fields: dict[str, Any]) -> None:
    expected = Settings(**fields)
    read = settings_from_directive(go_handler(line))
    assert read == expected == settings_from_options(**options)
    assert read != Settings() or line.split()[1] in ("memory", "raw")
    assert read.given == settings_from_options(**options).given == {line.split()[0]}


def test_every_option_is_tested_above() -> None:
    assert {line.split()[0] for line, _, _ in RIGHT} == {
        option.name for option in OPTIONS if not option.block
    }


@pytest.mark.parametrize("block", [None, ()])
def test_defaults(block: tuple[Directive, ...] | None) -> None:
    settings = settings_from_directive(Directive(Token("go_handler", "Caddyfile", 1), (), block))
    assert settings == settings_from_options() == Settings()
    assert settings.given == frozenset()
    assert (settings.driver, settings.auth_endpoint) == ("memory", "http://localhost:8080/auth.php")
    assert (settings.auth_timeout, settings.wire, settings.max_message_size_bytes) == (5.0, "raw", 512)
    assert settings.max_publication_size_bytes == settings.send_queue_bytes == 1 << 20
    assert (settings.send_queue_frames, settings.broadcast_secret, settings.allowed_origins) == (256, "", ())


@pytest.mark.parametrize("option", [option for option in OPTIONS if option.default], ids=lambda o: o.name)
def test_the_defaults_in_the_table_are_the_defaults(option: Any) -> None:
    if option.name != "redis_address":  # the driver fills it in
        assert settings_from_directive(go_handler(f"{option.name} {option.default}")) == Settings()


def test_the_directive_is_kept_but_does_not_count_in_comparisons() -> None:
    directive = go_handler("wire raw")
    assert settings_from_directive(directive).directive is directive
    assert settings_from_options().directive is None


def test_a_secret_is_not_shown() -> None:
    assert "s3cret" not in repr(settings_from_options(broadcast_secret="s3cret"))
    assert "k" * 32 not in repr(settings_from_options(ticket_key="k" * 32))


WRONG: list[tuple[str, str]] = [
    ("driver", "wrong number of arguments after driver: write driver memory|redis"),
    ("driver memory redis", "wrong number of arguments after driver: write driver memory|redis"),
    ("driver memroy", "driver must be memory or redis, not 'memroy' (did you mean memory?)"),
    ("driver kafka", "driver must be memory or redis, not 'kafka'"),
    ("redis_address a b", "wrong number of arguments after redis_address: write redis_address ADDRESS"),
    ("auth_endpoint ftp://a/b", "auth_endpoint must be an http:// or https:// address, not 'ftp://a/b'"),
    ("auth_endpoint /auth.php", "auth_endpoint must be an http:// or https:// address, not '/auth.php'"),
    ("auth_endpoint http://", "auth_endpoint must be an http:// or https:// address, not 'http://'"),
    ("auth_endpoint http://a:x", "auth_endpoint must be an http:// or https:// address, not 'http://a:x'"),
    ("auth_endpoint http://[a/", "auth_endpoint must be an http:// or https:// address, not 'http://[a/'"),
    ("auth_timeout 5", "auth_timeout duration '5' has no unit: write 5s for seconds or 5ms for milliseconds"),
    ("replicas few", "replicas needs a whole number from 1 to 16, not 'few'"),
    ("interop yes", "interop must be on or off, not 'yes'"),
    ("canary 0", "canary must be off, or 100ms or longer, not '0'"),
    ("canary 99ms", "canary must be off, or 100ms or longer, not '99ms'"),
    ("canary no", "canary 'no' is not a duration: write something like 10s, 500ms, 1h30m or 2d"),
    ("auth_concurrency 0", "auth_concurrency needs a number from 1 to 99999, not '0'"),
    ("auth_concurrency 8 x", "auth_concurrency needs a number from 1 to 99999, not 'x'"),
    ("auth_cache -1s", "auth_cache must be longer than nothing, not '-1s'"),
    ("resume -1s", "resume must be longer than nothing, not '-1s'"),
    ("ticket_key short", "ticket_key needs at least 32 bytes; make one with: openssl rand -hex 32"),
    ("auth_timeout 0", "auth_timeout must be longer than nothing, not '0'"),
    ("auth_timeout -1s", "auth_timeout must be longer than nothing, not '-1s'"),
    (
        'broadcast_secret ""',
        "broadcast_secret is empty; set the variable it comes from, "
        "or leave the option out to let only this host publish",
    ),
    (
        "broadcast_listen 8081",
        "broadcast_listen needs an address like 127.0.0.1:8081, [::1]:8081 or :8081, not '8081'",
    ),
    (
        "broadcast_listen a:0",
        "broadcast_listen needs an address like 127.0.0.1:8081, [::1]:8081 or :8081, not 'a:0'",
    ),
    (
        "broadcast_listen ::1",
        "broadcast_listen needs an address like 127.0.0.1:8081, [::1]:8081 or :8081, not '::1'",
    ),
    (
        "broadcast_listen :65536",
        "broadcast_listen needs an address like 127.0.0.1:8081, [::1]:8081 or :8081, not ':65536'",
    ),
    ("allowed_origins", "wrong number of arguments after allowed_origins: write allowed_origins ORIGIN..."),
    (
        "allowed_origins https://a b",
        "allowed_origins has 'b', which no page has as its origin; "
        "write scheme and host such as https://example.com, or https://*.example.com",
    ),
    (
        'allowed_origins https://a ""',
        "allowed_origins has an empty origin; write something like https://example.com",
    ),
    ("wire pusher", "wire must be raw or envelope, not 'pusher'"),
    ("max_message_size 0", "max_message_size must be at least 1 bytes, not '0'"),
    ("max_message_size x", "max_message_size 'x' is not a size: write something like 512, 16kb or 1MiB"),
    ("max_publication_size .1", "max_publication_size must be at least 1 bytes, not '.1'"),
    ("max_connections many", "max_connections needs a whole number from 1 to 1000000000, not 'many'"),
    ("handshake_rate 0", "handshake_rate needs a whole number from 1 to 1000000, not '0'"),
    ("handshake_rate 1 0", "handshake_rate needs a whole number from 1 to 1000000, not '0'"),
    ("message_rate off 5", "message_rate needs a whole number from 1 to 1000000, not 'off'"),
    ("message_rate 1.5", "message_rate needs a whole number from 1 to 1000000, not '1.5'"),
    ("max_channels 0", "max_channels needs a whole number from 1 to 1000000000, not '0'"),
    ("send_queue 0", "send_queue needs a number of frames from 1 to 1000000, not '0'"),
    ("send_queue 1000001", "send_queue needs a number of frames from 1 to 1000000, not '1000001'"),
    ("send_queue ²", "send_queue needs a number of frames from 1 to 1000000, not '²'"),
    ("send_queue 1 1023", "send_queue must be at least 1024 bytes, not '1023'"),
    ("send_queue 1 1MB x", "wrong number of arguments after send_queue: write send_queue FRAMES [SIZE]"),
    ("brodcast_secret x", "unknown option brodcast_secret of go_handler (did you mean broadcast_secret?)"),
    ("colour red", "unknown option colour of go_handler"),
    ("socket_path /x", "unknown option socket_path of go_handler"),
]


@pytest.mark.parametrize(("line", "message"), WRONG, ids=[line for line, _ in WRONG])
def test_wrong_in_a_caddyfile(line: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings_from_directive(
            go_handler("wire raw" if not line.startswith("wire") else "driver memory", line)
        )
    assert str(caught.value) == f"Caddyfile:3: {message}"


@pytest.mark.parametrize("line", [line for line, _ in WRONG if " " in line and not line.startswith("socket")])
def test_wrong_as_keyword_argument_says_the_same_without_a_place(line: str) -> None:
    name, *words = line.replace('""', "").split(" ")
    with pytest.raises(ConfigError) as caught:
        settings_from_options(**{name: words})
    assert str(caught.value) == dict(WRONG)[line]


def test_an_option_twice() -> None:
    with pytest.raises(ConfigError) as caught:
        settings_from_directive(go_handler("wire raw", "driver memory", "wire envelope"))
    assert str(caught.value) == "Caddyfile:4: wire is given twice (first in line 2)"


def test_a_nested_block() -> None:
    nested = Directive(Token("driver", "Caddyfile", 2), (), ())
    with pytest.raises(ConfigError) as caught:
        settings_from_directive(Directive(Token("go_handler", "Caddyfile", 1), (), (nested,)))
    assert str(caught.value) == "Caddyfile:2: driver takes no block: write driver memory|redis"


def test_numbers_as_keyword_arguments() -> None:
    settings = settings_from_options(auth_timeout=2, max_message_size=1024.0, send_queue=[8, 4096])
    assert (settings.auth_timeout, settings.max_message_size_bytes) == (2.0, 1024)
    assert (settings.send_queue_frames, settings.send_queue_bytes) == (8, 4096)
    assert settings_from_options(auth_timeout=0.00001).auth_timeout == pytest.approx(1e-5)


@pytest.mark.parametrize("value", [None, True, b"raw", object()])
def test_types_that_no_option_has(value: object) -> None:
    with pytest.raises(ConfigError, match=r"^wire must be text, a number or a list of words, not "):
        settings_from_options(wire=value)


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_no_number(value: float) -> None:
    with pytest.raises(ConfigError, match=r"^auth_timeout .* is not a duration"):
        settings_from_options(auth_timeout=value)


def test_a_misspelt_name_among_the_application_s_own() -> None:
    with pytest.raises(
        ConfigError, match=r"unknown option soket_path of go_handler \(did you mean socket_path\?\)"
    ):
        settings_from_options(soket_path="/x")
    with pytest.raises(ConfigError, match=r"unknown option prefx of go_handler \(did you mean prefix\?\)"):
        with_own_options(Settings(), prefx="/x")


def test_paths() -> None:
    settings = settings_from_options(prefix="/rt/", socket_path="/s", publish_path="/p")
    assert (settings.prefix, settings.socket_path, settings.publish_path) == ("/rt", "/s", "/p")
    assert settings_from_options(prefix="/").prefix == settings_from_options(prefix="").prefix == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prefix": "rt"}, "prefix must begin with a slash, not 'rt'"),
        ({"prefix": None}, "prefix must begin with a slash, not None"),
        ({"socket_path": "ws"}, "socket_path must begin with a slash, not 'ws'"),
        ({"socket_path": ""}, "socket_path must name a path, not ''"),
        ({"publish_path": "/"}, "publish_path must name a path, not '/'"),
        ({"publish_path": "/p?x"}, "publish_path must be a path without query or fragment, not '/p?x'"),
        ({"publish_path": "/ws"}, "socket_path and publish_path are both /ws"),
        ({"trusted_proxies": "here"}, "trusted_proxies: 'here' is no address or network such as 10.0.0.0/8"),
        ({"trusted_proxies": [None]}, "trusted_proxies: 'None' is no address or network such as 10.0.0.0/8"),
        ({"trusted_proxies": 7}, "trusted_proxies: '7' is no address or network such as 10.0.0.0/8"),
    ],
)
def test_wrong_own_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings_from_options(**options)
    assert str(caught.value) == message


def test_trusted_proxies() -> None:
    ten = ip_network("10.0.0.0/8")
    assert settings_from_options(trusted_proxies="10.0.0.0/8").trusted_proxies == (ten,)
    assert settings_from_options(trusted_proxies=["10.0.0.1", ten]).trusted_proxies == (
        ip_network("10.0.0.1"),
        ten,
    )
    assert ten in settings_from_options(trusted_proxies="private_ranges").trusted_proxies


def test_own_options_are_added_to_settings_from_a_caddyfile() -> None:
    settings = settings_from_directive(go_handler("wire envelope"))
    assert with_own_options(settings, prefix="/rt").wire == "envelope"
    assert with_own_options(settings, prefix="/rt").prefix == "/rt"
