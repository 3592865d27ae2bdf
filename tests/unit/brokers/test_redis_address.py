from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection

from tornado_realtime.brokers.redis.address import PARAMETERS, Place, parse_address
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
    assert (address.shown, dict(address.options), address.scheme.kind) == (shown, options, Connection)


def test_tls_with_parameters() -> None:
    address = parse_address(
        "rediss://cache/1?ssl_ca_certs=/ca.pem&ssl_check_hostname=false&ssl_cert_reqs=none"
    )
    assert address.scheme.kind is SSLConnection
    assert address.options["ssl_ca_certs"] == "/ca.pem"
    assert address.options["ssl_check_hostname"] is False
    assert address.options["ssl_cert_reqs"] == "none"


def test_sentinels() -> None:
    address = parse_address(
        "sentinel://me:pw@a,[::1]:7,B:9/my-master.1?db=2&sentinel_username=s&sentinel_password=t"
    )
    assert address.scheme.form == "sentinel"
    assert address.places == (("a", 26379), ("::1", 7), ("b", 9))
    assert address.master == "my-master.1"
    assert address.shown == "my-master.1 (a:26379,[::1]:7,b:9)"
    master, sentinel = address.at(Place("m", 1)), address.sentinel(address.places[1])
    assert dict(master.options) == {"host": "m", "port": 1, "username": "me", "password": "pw", "db": 2}
    assert dict(sentinel.options) == {"host": "::1", "port": 7, "username": "s", "password": "t"}
    assert (master.shown, sentinel.shown) == ("m:1", "[::1]:7")
    assert address.without_secrets("pw t") == "*** ***"


def test_sentinels_over_tls_share_its_parameters() -> None:
    address = parse_address("sentinels://a/m?ssl_ca_certs=/ca.pem")
    for single in (address.at(Place("m", 1)), address.sentinel(address.places[0])):
        assert single.scheme.kind is SSLConnection
        assert single.options["ssl_ca_certs"] == "/ca.pem"


def test_a_cluster() -> None:
    address = parse_address("redis-cluster://me:pw@a,b:7001")
    assert (address.scheme.form, address.shown) == ("cluster", "a:6379,b:7001")
    assert address.places == (("a", 6379), ("b", 7001))
    assert dict(address.at(Place("c", 1)).options) == {
        "host": "c",
        "port": 1,
        "username": "me",
        "password": "pw",
    }
    assert parse_address("rediss-cluster://a").scheme.kind is SSLConnection


def test_unix_socket() -> None:
    address = parse_address("unix://:pw@/run/redis%20x.sock?db=2")
    assert address.scheme.kind is UnixDomainSocketConnection
    assert dict(address.options) == {"path": "/run/redis x.sock", "db": 2, "password": "pw"}
    assert address.shown == "unix:/run/redis x.sock"


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_every_parameter_is_one_that_redis_py_takes(name: str) -> None:
    value = {"db": "1", "ssl_check_hostname": "true", "ssl_cert_reqs": "required"}.get(name, "text")
    if name.startswith("sentinel_"):
        address = parse_address(f"sentinel://h/m?{name}={value}").sentinel(Place("h", 1))
    else:
        address = parse_address(f"rediss://h?{name}={value}")
    connection = address.connection(socket_timeout=None)
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
        ("http://h", "one of redis, rediss, unix, sentinel"),
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
        ("redis://a,b", "several hosts need sentinel://"),
        ("a:1,b:2", "several hosts need sentinel://"),
        ("sentinel://a", "the name of the master is missing"),
        ("sentinel://a/", "the name of the master is missing"),
        ("sentinel://a/my/master", "the name of the master is missing"),
        ("sentinel://a,,b/mymaster", "a host is missing in the list"),
        ("sentinel:///mymaster", "a host is missing in the list"),
        ("sentinel://a:0,b/mymaster", "the port is not a number"),
        ("sentinel://a,::1/mymaster", "in brackets, as in [::1]:6379"),
        ("sentinel://a/mymaster?ssl_ca_certs=/x", "needs sentinels://"),
        ("sentinal://a/mymaster", "did you mean sentinel?"),
        ("redis://a?sentinel_password=x", "needs sentinel://"),
        ("redis-cluster://a,b/1", "a cluster has no databases"),
        ("redis-cluster://a,b?db=0", "a cluster has no databases"),
        ("redis-cluster://a?ssl_ca_certs=/x", "needs rediss-cluster://"),
        ("unix://run/redis.sock", "three slashes"),
        ("unix://", "three slashes"),
        ("unix:///", "three slashes"),
    ],
)
def test_bad_addresses(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_address(text)
    assert says in caught.value.message
    assert (caught.value.file, caught.value.line) == ("", 0)


@pytest.mark.parametrize("mark", list("/?#@[]: \t"))
@pytest.mark.parametrize(
    "form",
    [
        "redis://me:{}@h",
        "me:{}@h:1",
        "unix://me:{}@/s",
        "redis://h?password={}&x=1",
        "sentinel://me:{}@h,i/m",
        "sentinel://h/m?sentinel_password={}",
        "redis-cluster://me:{}@h,i",
    ],
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


@given(
    st.text(max_size=40)
    | st.from_regex(r"(redis|rediss|unix|sentinel|redis-cluster)://[ -~]{0,30}", fullmatch=True)
)
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
