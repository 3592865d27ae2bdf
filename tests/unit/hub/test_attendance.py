"""Connections counted by user, and leaves that wait; with a clock that tests turn."""

from __future__ import annotations

import logging
from typing import Any, cast

import pytest

from tests.support.connections import ClockLoop
from tornado_realtime.auth import ANONYMOUS, User
from tornado_realtime.hub.attendance import Attendance, Clock
from tornado_realtime.members import INFO_BYTES, Member

ADA = User("ada", {"name": "Zoé"})
INFO = '{"name":"Zoé"}'.encode()


class World:
    """An attendance, and what it says."""

    def __init__(self, delay: float = 5.0) -> None:
        self.loop = ClockLoop()
        self.said: list[tuple[str, str, int]] = []
        self.members: list[Member] = []
        self.attendance = Attendance(self.put, delay, cast(Clock, self.loop))

    def put(self, channel: str, member: Member) -> None:
        self.said.append((channel, member.user, member.conns))
        self.members.append(member)

    def news(self) -> list[tuple[str, str, int]]:
        said, self.said = self.said, []
        return said


def test_connections_are_counted_by_user_and_channel() -> None:
    world = World()
    for channel in ("chat", "chat", "news"):
        world.attendance.entered(channel, ADA)
    assert world.news() == [("chat", "ada", 1), ("chat", "ada", 2), ("news", "ada", 1)]
    assert world.members[0] == Member("ada", INFO, 1)
    assert len(world.attendance) == 2
    world.attendance.left("chat", ADA)
    assert world.news() == [("chat", "ada", 1)]


def test_the_last_connection_is_missed_after_a_while() -> None:
    world = World()
    world.attendance.entered("chat", ADA)
    world.loop.advance_to(1.0)
    world.attendance.left("chat", ADA)
    world.loop.advance_to(5.9)
    assert world.news() == [("chat", "ada", 1)]
    world.loop.advance_to(6.1)
    assert world.news() == [("chat", "ada", 0)]
    assert len(world.attendance) == 0
    world.attendance.left("chat", ADA)
    world.loop.advance_to(100.0)
    assert world.news() == []


def test_a_page_that_is_loaded_again_does_not_flicker() -> None:
    world = World()
    world.attendance.entered("chat", ADA)
    for second in range(1, 30):
        world.loop.advance_to(float(second))
        world.attendance.left("chat", ADA)
        world.loop.advance_to(second + 0.5)
        world.attendance.entered("chat", ADA)
    assert world.news() == [("chat", "ada", 1)]
    world.attendance.left("chat", ADA)
    world.loop.advance_to(34.4)
    assert world.news() == []
    world.loop.advance_to(35.0)
    assert world.news() == [("chat", "ada", 0)]


def test_leaves_wait_each_for_itself_behind_one_timer() -> None:
    world = World()
    for number in range(3):
        world.attendance.entered("chat", User(f"u{number}"))
    world.news()
    for number in range(3):
        world.loop.advance_to(float(number))
        world.attendance.left("chat", User(f"u{number}"))
    assert len(world.loop._timers) == 1
    for number in range(3):
        world.loop.advance_to(5.0 + number)
        assert world.news() == [("chat", f"u{number}", 0)]


def test_another_connection_brings_what_is_new_about_a_user() -> None:
    world = World()
    world.attendance.entered("chat", ADA)
    world.attendance.left("chat", ADA)
    world.attendance.entered("chat", User("ada", {"name": "Zoë"}))
    assert [member.info for member in world.members] == [INFO, '{"name":"Zoë"}'.encode()]


@pytest.mark.parametrize("user", [ANONYMOUS, "a plain name", None, User("x" * 256), User("é" * 128)])
def test_who_is_not_listed_costs_nothing(user: Any) -> None:
    world = World()
    world.attendance.entered("chat", user)
    world.attendance.left("chat", user)
    assert (world.said, world.attendance._channels, world.attendance._leaving) == ([], {}, {})
    assert world.attendance.find("chat", user) is None


@pytest.mark.parametrize("info", [object(), float("nan"), {1j: 2}])
def test_info_that_is_no_json_is_left_out(info: Any) -> None:
    world = World()
    world.attendance.entered("chat", User("ada", info))
    assert world.members == [Member("ada", b"null", 1)]


def test_info_that_is_too_long_is_left_out_and_that_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    with caplog.at_level(logging.WARNING):
        for size in (INFO_BYTES - 2, INFO_BYTES - 1, INFO_BYTES):
            world.attendance.entered("chat", User(f"u{size}", "x" * size))
    assert [len(member.info) for member in world.members] == [INFO_BYTES, 4, 4]
    assert len(caplog.records) == 1


def test_half_a_pair_in_info_does_no_harm() -> None:
    world = World()
    world.attendance.entered("chat", User("ada", "\ud800"))
    assert world.members[0].info == b'"?"'


def test_after_its_end_nothing_is_said() -> None:
    world = World()
    world.attendance.entered("chat", ADA)
    world.attendance.left("chat", ADA)
    world.news()
    world.attendance.close()
    world.attendance.close()
    world.loop.advance_to(100.0)
    assert (world.news(), len(world.attendance)) == ([], 0)
