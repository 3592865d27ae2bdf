"""Who is at the other end, and whom of those it names one may believe."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from tornado_realtime.peers import (
    PRIVATE_RANGES,
    client_address,
    forwarded_for,
    is_loopback,
    is_within,
    neighbourhood,
    parse_address,
    parse_network,
)

PROXIES = (parse_network("10.0.0.0/8"), parse_network("fd00::/8"))


@pytest.mark.parametrize("text", ["10.0.0.1", "10.0.0.1/8", "::1", "fd00::/8", *PRIVATE_RANGES])
def test_addresses_and_networks(text: str) -> None:
    assert parse_address(text.partition("/")[0]) in parse_network(text)


@pytest.mark.parametrize("text", ["", "example.com", "10.0.0.0/33", "1", "10.0.0.1:80"])
def test_no_network(text: str) -> None:
    with pytest.raises(ValueError, match="is no address or network such as"):
        parse_network(text)


def test_parse_address() -> None:
    assert parse_address("::ffff:192.0.2.1") == ip_address("192.0.2.1")
    assert parse_address("fe80::1%eth0") == ip_address("fe80::1")
    assert parse_address("") is None
    assert parse_address("/run/socket") is None


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1"])
def test_loopback(peer: str) -> None:
    assert is_loopback(peer)


@pytest.mark.parametrize("peer", ["", "0.0.0.0", "192.168.0.1", "::", "::2", "::ffff:192.0.2.1", "localhost"])
def test_not_loopback(peer: str) -> None:
    assert not is_loopback(peer)


def test_within() -> None:
    assert is_within("10.1.2.3", PROXIES)
    assert is_within("::ffff:10.1.2.3", PROXIES)
    assert is_within("fd00::7", PROXIES)
    assert not is_within("11.1.2.3", PROXIES)
    assert not is_within("", PROXIES)


@pytest.mark.parametrize(
    ("peer", "header", "client"),
    [
        ("192.0.2.1", ["1.1.1.1"], "192.0.2.1"),  # an untrusted peer is not asked
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["1.1.1.1"], "1.1.1.1"),
        ("10.0.0.1", ["6.6.6.6, 1.1.1.1"], "1.1.1.1"),  # the first is only what the visitor claims
        ("10.0.0.1", ["6.6.6.6", " 1.1.1.1 ,10.0.0.2"], "1.1.1.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),  # all are ours: the farthest
        ("10.0.0.1", ["unknown"], "10.0.0.1"),
        ("10.0.0.1", ["1.1.1.1, unknown, 10.0.0.2"], "10.0.0.2"),
        ("", ["1.1.1.1"], ""),
    ],
)
def test_client_address(peer: str, header: list[str], client: str) -> None:
    assert client_address(peer, header, PROXIES) == client


def test_forwarded_for_is_kept_and_extended_for_trusted_peers_only() -> None:
    assert forwarded_for("10.0.0.1", ["1.1.1.1", " 2.2.2.2"], PROXIES) == "1.1.1.1, 2.2.2.2, 10.0.0.1"
    assert forwarded_for("10.0.0.1", [], PROXIES) == "10.0.0.1"
    assert forwarded_for("192.0.2.1", ["1.1.1.1"], PROXIES) == "192.0.2.1"
    assert forwarded_for("10.0.0.1", ["1.1.1.1"], ()) == "10.0.0.1"


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::%eth0", "2001:db8:1:2::/64"),
        ("", ""),
        ("odd", "odd"),
    ],
)
def test_neighbourhoods(address: str, found: str) -> None:
    assert neighbourhood(address) == found
