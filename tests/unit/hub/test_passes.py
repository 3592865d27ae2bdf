"""What clients showed for channels: kept while they are subscribed, and looked at by the heart's timer."""

from __future__ import annotations

import time
from typing import Any, cast

import pytest

from tests.support.connections import ClockLoop, NotingOwner, ScriptedConnection
from tornado_realtime.hub import Heart
from tornado_realtime.hub.passes import KEPT_TOKEN_SIZE, Passes
from tornado_realtime.wire.v1 import V1


class Desk:
    """Passes of two clients, and who is told that they are over."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.loop = ClockLoop(1000.0)
        # The wall clock goes with the loop's, elsewhere.
        monkeypatch.setattr(time, "time", lambda: self.loop.time() + 5000)
        self.heart = Heart(cast(Any, self.loop))
        self.heart.start(lambda connection: None)
        self.over: list[tuple[str, str]] = []
        self.passes = Passes(self.heart, self.loop.time, self.note)
        self.one, self.other = (ScriptedConnection(NotingOwner(), wire=V1, user=name) for name in ("a", "b"))

    def note(self, connection: Any, channel: str) -> None:
        self.over.append((connection.user, channel))

    def until(self, seconds: float) -> float:
        """So long from now on, in Unix time."""
        return self.loop.time() + 5000 + seconds


def test_each_is_over_at_its_time_and_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(monkeypatch)
    desk.passes.put(desk.one, "room", "t", desk.until(9.5))
    desk.passes.put(desk.one, "hall", "t", desk.until(3))
    desk.passes.put(desk.other, "room", "t", desk.until(3))
    assert desk.passes.ttl(desk.one, "room") == 10
    desk.loop.advance_to(desk.loop.time() + 2.5)
    assert (desk.over, desk.passes.ttl(desk.one, "room")) == ([], 7)
    desk.loop.advance_to(desk.loop.time() + 2)
    assert desk.over == [("a", "hall"), ("b", "room")]
    assert [desk.passes.is_over(*pair) for pair in ((desk.one, "hall"), (desk.one, "room"))] == [True, False]
    desk.loop.advance_to(desk.loop.time() + 60)
    assert desk.over == [("a", "hall"), ("b", "room"), ("a", "room")]


def test_a_newer_one_takes_the_place_of_the_older(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(monkeypatch)
    desk.passes.put(desk.one, "room", "old", desk.until(3))
    desk.passes.put(desk.one, "room", "new", desk.until(30))
    desk.loop.advance_to(desk.loop.time() + 20)
    assert (desk.over, desk.passes.token(desk.one, "room")) == ([], "new")
    desk.passes.put(desk.one, "room", "for ever", None)
    desk.loop.advance_to(desk.loop.time() + 600)
    assert (desk.over, desk.passes.ttl(desk.one, "room")) == ([], None)
    assert not desk.passes.is_over(desk.one, "room")


def test_nothing_of_it_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(monkeypatch)
    for channel in ("a", "b", "c"):
        desk.passes.put(desk.one, channel, "t", desk.until(3))
    desk.passes.drop(desk.one, "a")
    desk.passes.drop(desk.one, "a")
    desk.passes.drop(desk.other, "a")
    desk.passes.forget(desk.one)
    desk.passes.forget(desk.one)
    assert (desk.passes._passes, desk.heart._reminders._slots) == ({}, {})
    desk.loop.advance_to(desk.loop.time() + 60)
    assert desk.over == []


def test_long_tokens_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(monkeypatch)
    desk.passes.put(desk.one, "room", "x" * (KEPT_TOKEN_SIZE + 1), desk.until(3))
    assert desk.passes.token(desk.one, "room") == ""
    assert desk.passes.ttl(desk.one, "room") == 3
    assert desk.passes.token(desk.other, "room") == ""
