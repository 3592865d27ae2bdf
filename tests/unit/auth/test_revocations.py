"""Whose logins do not count any more."""

from __future__ import annotations

import math

import pytest

from tornado_realtime.auth import ANONYMOUS, User
from tornado_realtime.auth import revocations as module
from tornado_realtime.auth.revocations import REVOKED_SECONDS, Revocation, Revocations


class World:
    def __init__(self) -> None:
        self.now = 1000.0
        self.revocations = Revocations(lambda: self.now)

    def refuses(self, issued: float | None, user: str = "ada") -> bool:
        return self.revocations.refuses(User(user, issued=issued))


def test_older_logins_are_refused_and_newer_ones_are_not() -> None:
    world = World()
    assert not world.refuses(1.0)
    world.revocations.revoke("ada", 900.0)
    assert [world.refuses(issued) for issued in (0, 899.9, 900.0, 1000.0, None)] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert not world.refuses(1.0, "bob")
    assert not world.revocations.refuses(ANONYMOUS)


def test_before_a_time_to_come_nobody_is_let_in() -> None:
    world = World()
    world.revocations.revoke("ada", 1060.0)
    assert world.refuses(None)
    world.now = 1060.0
    assert not world.refuses(None)
    assert world.refuses(1059.0)


def test_the_stricter_one_counts() -> None:
    world = World()
    world.revocations.revoke("ada", 900.0)
    world.revocations.revoke("ada", 800.0)
    assert world.refuses(850.0)
    world.revocations.revoke("ada", 950.0)
    assert world.refuses(940.0)
    assert len(world.revocations) == 1


def test_it_is_forgotten_after_a_while() -> None:
    world = World()
    world.revocations.revoke("ada", 900.0)
    world.revocations.revoke("bob", 900.0)
    world.now += REVOKED_SECONDS
    assert not world.refuses(1.0)
    world.revocations.revoke("eve", 900.0)
    assert [one.user for one in world.revocations] == ["eve"]


def test_it_is_bounded(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(module, "REVOKED_SIZE", 3)
    world = World()
    for name in "abcd":
        world.revocations.revoke(name, 900.0)
    assert [one.user for one in world.revocations] == ["b", "c", "d"]
    assert "the oldest is forgotten" in caplog.text


def test_what_another_node_tells_is_taken_as_it_is() -> None:
    world, other = World(), World()
    world.revocations.revoke("ada", 900.0)
    world.now += 50
    for one in world.revocations:
        other.revocations.add(one)
    assert list(other.revocations) == [Revocation("ada", 900.0, 1000.0 + REVOKED_SECONDS)]
    other.revocations.add(Revocation("bob", 900.0, 999.0))
    other.revocations.add(Revocation("eve", math.inf, 9999.0))
    other.revocations.add(Revocation("eve", math.nan, 9999.0))
    assert len(other.revocations) == 1
