from __future__ import annotations

import logging

import pytest
from redis.exceptions import AuthenticationError, NoPermissionError

from tornado_realtime.brokers.redis.backoff import Backoff
from tornado_realtime.brokers.redis.outage import Outage
from tornado_realtime.errors import BrokerUnavailableError


def test_the_backoff_doubles_to_its_cap_and_starts_anew() -> None:
    bounds: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        bounds.append((low, high))
        return high / 2

    backoff = Backoff(1.0, 30.0, uniform)
    assert [backoff.next() for _ in range(7)] == [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0]
    assert {low for low, _ in bounds} == {0.0}
    backoff.reset()
    assert backoff.next() == 0.5


def test_the_jitter_is_full() -> None:
    backoff = Backoff(1.0, 1.0)
    waits = [backoff.next() for _ in range(500)]
    assert min(waits) < 0.1
    assert max(waits) > 0.9
    assert all(0.0 <= wait <= 1.0 for wait in waits)


def test_one_outage_is_two_lines(caplog: pytest.LogCaptureFixture) -> None:
    now = [100.0]
    outage = Outage("cache:6379", lambda: 7, clock=lambda: now[0])
    error = BrokerUnavailableError("refused")
    with caplog.at_level(logging.DEBUG):
        outage.ended("publishing")
        outage.began("publishing", error)
        outage.began("subscribing", error)
        outage.began("publishing", error)
        now[0] = 112.5
        outage.ended("publishing")
        outage.ended("subscribing")
        outage.ended("subscribing")
    away, back = (record.getMessage() for record in caplog.records)
    assert away.startswith("Redis at cache:6379 is away (publishing link: refused); ")
    assert away.endswith("publications are refused, 7 channels hear nothing")
    assert back.startswith("Redis at cache:6379 is back after 12.5 s; 7 channels are subscribed again")


def test_the_next_outage_is_reported_again(caplog: pytest.LogCaptureFixture) -> None:
    outage = Outage("cache:6379", lambda: 0)
    for _ in range(2):
        outage.began("publishing", BrokerUnavailableError("refused"))
        outage.ended("publishing")
    assert len(caplog.records) == 4


def test_what_waiting_does_not_cure_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    error = BrokerUnavailableError("wrong password")
    error.__cause__ = AuthenticationError()
    Outage("cache:6379", lambda: 0).began("publishing", error)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_that_waiting_is_in_vain_is_said_once_more_in_the_same_outage(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outage = Outage("cache:6379", lambda: 0)
    refused = BrokerUnavailableError("no permissions")
    refused.__cause__ = NoPermissionError()
    for _ in range(2):
        outage.began("subscribing", BrokerUnavailableError("Connection closed by server."))
        for _ in range(3):
            outage.began("subscribing", refused)
        outage.ended("subscribing")
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR", "WARNING"] * 2
    assert caplog.messages[1] == (
        "Redis at cache:6379 is still away, and waiting will not help (subscribing link: no permissions)"
    )
