from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection

from tornado_realtime.brokers.redis import RedisBroker
from tornado_realtime.brokers.redis.address import PARAMETERS, parse_address
from tornado_realtime.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "shown", "options"),
    [
        ("", "localhost:6379", {"host": "localhost", "port": 6379}),
        ("redis.internal", "redis.internal:6379", {"host": "redis.internal", "port": 6379}),
        ("10.0.0.7:7000", "10.0.0.7:7000", {"host": "10.0.0.7", "port": 7000}),
        (":7000", "localhost:7000", {"host": "localhost", "port": 7000}),
        ("[::1]:7000", "[::1]:7000", {"host": "::1", "port": 7000}),
        ("[::1]", "[::1]:6379", {"host": "::1", "port": 6379}),
        ("redis://", "localhost:6379", {"host": "localhost", "port": 6379}),
        ("redis://cache/", "cache:6379", {"host": "cache", "port": 6379}),
        ("redis://cache:1/2", "cache:1", {"host": "cache", "port": 1, "db": 2}),
        ("redis://cache?db=3", "cache:6379", {"host": "cache", "port": 6379, "db": 3}),
        ("redis://:pw@cache", "cache:6379", {"host": "cache", "port": 6379, "password": "pw"}),
        (
            "redis://us%40er:p%2Fw%23@[2001:db8::1]:9",
            "[2001:db8::1]:9",
            {"host": "2001:db8::1", "port": 9, "username": "us@er", "password": "p/w#"},
        ),
    ],
)
def test_addresses_over_tcp(text: str, shown: str, options: dict[str, object]) -> None:
    address = parse_address(text)
    assert (address.shown, dict(address.options), address.kind) == (shown, options, Connection)


def test_tls_with_parameters() -> None:
    address = parse_address(
        "rediss://cache/1?ssl_ca_certs=/ca.pem&ssl_check_hostname=false&ssl_cert_reqs=none"
    )
    assert address.kind is SSLConnection
    assert address.options["ssl_ca_certs"] == "/ca.pem"
    assert address.options["ssl_check_hostname"] is False
    assert address.options["ssl_cert_reqs"] == "none"


def test_unix_socket() -> None:
    address = parse_address("unix://:pw@/run/redis%20x.sock?db=2")
    assert address.kind is UnixDomainSocketConnection
    assert dict(address.options) == {"path": "/run/redis x.sock", "db": 2, "password": "pw"}
    assert address.shown == "unix:/run/redis x.sock"


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_every_parameter_is_one_that_redis_py_takes(name: str) -> None:
    value = {"db": "1", "ssl_check_hostname": "true", "ssl_cert_reqs": "required"}.get(name, "text")
    connection = parse_address(f"rediss://h?{name}={value}").connection(socket_timeout=None)
    assert connection.protocol == 2
    assert not connection.is_connected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("redis://h:0", "the port is not a number"),
        ("h:65536", "the port is not a number"),
        ("h:port", "the port is not a number"),
        ("::1", "in brackets, as in [::1]:6379"),
        ("redis://[::1", "not an IPv6 address"),
        ("http://h", "one of redis, rediss, unix"),
        ("redi://h", "did you mean redis?"),
        ("h/1", "need the form redis://"),
        ("me:pw@h:6379", "need the form redis://"),
        ("h 6379", "a space or an unprintable"),
        ("h\n", "a space or an unprintable"),
        ("redis://h/one", "the database is a number"),
        ("redis://h/-1", "the database is a number"),
        ("redis://h?db=x", "the database is a number"),
        ("redis://h?usernam=me", "unknown parameter 'usernam'; did you mean 'username'?"),
        ("redis://h?decode_responses=1", "unknown parameter 'decode_responses'"),
        ("redis://h?ssl_ca_certs=/x", "needs rediss://"),
        ("rediss://h?ssl_ca_certs=", "a parameter is empty"),
        ("rediss://h?ssl_cert_reqs=maybe", "none, optional or required"),
        ("rediss://h?ssl_check_hostname=1", "true or false"),
        ("redis://h#x", "it contains a # or ?"),
        ("unix://run/redis.sock", "three slashes"),
        ("unix://", "three slashes"),
        ("unix:///", "three slashes"),
    ],
)
def test_bad_addresses(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        RedisBroker(text)
    assert says in caught.value.message
    assert (caught.value.file, caught.value.line) == ("", 0)


@pytest.mark.parametrize("mark", list("/?#@[]: \t"))
@pytest.mark.parametrize(
    "form", ["redis://me:{}@h", "me:{}@h:1", "unix://me:{}@/s", "redis://h?password={}&x=1"]
)
def test_no_refusal_repeats_a_password(form: str, mark: str) -> None:
    text = form.format(f"12{mark}hunter")
    try:
        address = parse_address(text)
    except ConfigError as error:
        assert "hunter" not in str(error)
    else:
        assert "hunter" not in address.shown
        assert "hunter" not in repr(address)


@given(st.text(max_size=40) | st.from_regex(r"(redis|rediss|unix)://[ -~]{0,30}", fullmatch=True))
@settings(deadline=None, max_examples=300)
def test_any_text_is_an_address_or_a_config_error(text: str) -> None:
    try:
        address = parse_address(text)
    except ConfigError:
        return
    assert address.shown


def test_what_redis_says_is_logged_without_secrets() -> None:
    address = parse_address("redis://:s3cret@h")
    assert address.without_secrets("bad s3cret here") == "bad *** here"
    said = "unknown command 'AUTH', with args beginning with: 's3cr..."
    assert address.without_secrets(said) == "unknown command 'AUTH'"
