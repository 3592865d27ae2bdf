"""What is said about clients that lose frames."""

from __future__ import annotations

import logging

import pytest

from tests.support.connections import ClockLoop, NotingOwner, ScriptedConnection
from tornado_realtime.hub.slow import LossLog


def lines(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    found = [record.getMessage() for record in caplog.records if record.levelno == level]
    return [
        line.removeprefix("slow consumer: ").removesuffix(" of its oldest frames dropped") for line in found
    ]


def test_one_warning_a_connection_and_minute(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    clock = ClockLoop(1000.0)
    log = LossLog(clock.time)
    one, two = ScriptedConnection(NotingOwner()), ScriptedConnection(NotingOwner())
    log.lost(one, 3)
    for _ in range(59):
        clock.advance_to(clock.time() + 1)
        log.lost(one, 2)
    log.lost(two, 1)
    assert lines(caplog, logging.WARNING) == ["3", "1"]
    assert lines(caplog, logging.DEBUG) == ["2"] * 59
    clock.advance_to(1060.0)
    log.lost(one, 4)
    log.lost(two, 4)
    assert lines(caplog, logging.WARNING) == ["3", "1", "122"]
    clock.advance_to(1120.0)
    log.lost(one, 5)
    assert lines(caplog, logging.WARNING)[-1] == "5"


def test_nothing_is_kept_of_who_left(caplog: pytest.LogCaptureFixture) -> None:
    log = LossLog(lambda: 0.0)
    connection = ScriptedConnection(NotingOwner())
    log.lost(connection, 1)
    log.forget(connection)
    log.forget(connection)
    assert log._told == {}
