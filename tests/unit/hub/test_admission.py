"""Room for one more: in all, by address, by user, by time."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from tests.support.connections import NotingOwner, ScriptedConnection
from tornado_realtime.auth import User
from tornado_realtime.connection import Connection
from tornado_realtime.hub.admission import Admission, Full, Quotas
from tornado_realtime.hub.users import Users
from tornado_realtime.metrics import Counters
from tornado_realtime.rates import Rate


class House:
    """An admission and the connections that it let in."""

    def __init__(self, **quotas: Any) -> None:
        self.now = 0.0
        self.connections: set[Connection] = set()
        self.counters = Counters()
        self.users = Users()
        self.admission = Admission(
            Quotas(**quotas), self.connections, self.users, self.counters, lambda: self.now
        )

    def come(self, address: str = "192.0.2.1", user: str = "ada") -> Connection | Full:
        full = self.admission.before_login(address)
        if full is not None:
            return full
        self.admission.begun(address)
        full = self.admission.after_login(address, user)
        if full is not None:
            return full
        connection = ScriptedConnection(NotingOwner(), user=User(user))
        self.admission.opened(connection, address)
        self.connections.add(connection)
        self.users.add(connection)
        return connection

    def go(self, connection: Connection | Full) -> None:
        assert isinstance(connection, Connection)
        self.connections.remove(connection)
        self.users.discard(connection)
        self.admission.closed(connection)


def told(full: Connection | Full) -> tuple[int, str, int]:
    assert isinstance(full, Full)
    return full.status, full.text, full.retry_after


def test_without_quotas_nothing_is_kept() -> None:
    house = House()
    assert not house.admission.quotas.by_address
    guests = [house.come() for _ in range(3)]
    assert not house.admission._places
    for guest in guests:
        house.go(guest)


def test_in_all() -> None:
    house = House(connections=2)
    first = house.come()
    house.come("192.0.2.2", "bob")
    assert told(house.come("192.0.2.3")) == (503, "too many connections", 10)
    house.go(first)
    assert isinstance(house.come("192.0.2.3"), Connection)


def test_others_may_have_come_during_the_login() -> None:
    house = House(connections=1)
    assert house.admission.before_login("192.0.2.1") is None
    house.come()
    assert told(house.admission.after_login("192.0.2.1", "bob")) == (503, "too many connections", 10)  # type: ignore[arg-type]


def test_by_address() -> None:
    house = House(per_address=2)
    first = house.come(user="a")
    house.come(user="b")
    assert told(house.come(user="c")) == (429, "too many connections from this address", 10)
    assert isinstance(house.come("192.0.2.2"), Connection)
    house.go(first)
    assert isinstance(house.come(user="c"), Connection)
    assert set(house.admission._per_address.values()) == {1, 2}


def test_an_ipv6_network_is_one_address() -> None:
    house = House(per_address=1)
    house.come("2001:db8::1")
    assert isinstance(house.come("2001:db8::2"), Full)
    assert isinstance(house.come("2001:db8:0:1::2"), Connection)


def test_a_unix_socket_has_no_address() -> None:
    house = House(per_address=1, handshakes=Rate(1, 1))
    assert all(isinstance(house.come(""), Connection) for _ in range(3))


def test_by_user() -> None:
    house = House(per_user=1)
    first = house.come()
    assert told(house.come("192.0.2.9")) == (429, "too many connections of this user", 10)
    assert isinstance(house.come(user="bob"), Connection)
    house.go(first)
    assert isinstance(house.come(), Connection)


def test_who_is_nobody_in_particular_is_not_one_user() -> None:
    house = House(per_user=1)
    assert all(isinstance(house.come(user=""), Connection) for _ in range(3))


def test_by_time() -> None:
    house = House(handshakes=Rate(0.25, 2))
    guests = [house.come() for _ in range(2)]
    assert told(house.come()) == (429, "too many handshakes from this address", 4)
    assert isinstance(house.come("192.0.2.2"), Connection)
    for guest in guests:
        house.go(guest)
    assert isinstance(house.come(), Full)
    house.now += 4
    assert isinstance(house.come(), Connection)


@pytest.mark.parametrize(
    ("quotas", "counter", "rule"),
    [
        ({"connections": 1}, "handshakes_over_capacity", "max_connections 1"),
        ({"per_address": 1}, "handshakes_over_address_limit", "max_connections_per_address 1"),
        ({"per_user": 1}, "handshakes_over_user_limit", "max_connections_per_user 1"),
        ({"handshakes": Rate(1, 1)}, "handshakes_over_rate", "handshake_rate 1 1"),
    ],
)
def test_refusals_are_counted_and_told(
    quotas: dict[str, Any], counter: str, rule: str, caplog: pytest.LogCaptureFixture
) -> None:
    house = House(**quotas)
    house.come()
    for _ in range(3):
        full = house.come()
        assert isinstance(full, Full)
        house.admission.refused(full, "192.0.2.1")
    assert getattr(house.counters, counter) == 3
    assert [(record.levelno, record.message) for record in caplog.records] == [
        (logging.WARNING, f"handshake refused by {rule}, the last one from 192.0.2.1")
    ]
