"""What is said of refusals: which rule it was, and never a flood."""

from __future__ import annotations

import logging

import pytest

from tornado_realtime.hub.refusals import QUIET_SECONDS, RefusalLog


def test_what_is_said_about_refusals_is_no_flood(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    times = [0.0, 1.0, 2.0, QUIET_SECONDS, QUIET_SECONDS + 1, 3 * QUIET_SECONDS]
    log = RefusalLog(iter(times).__next__, "subscription refused by %s%s%s")
    for rule in ("one", "one", "two", "one", "two", "two"):
        log.refused(rule)
    assert caplog.messages == [
        "subscription refused by one",
        "subscription refused by two",
        "subscription refused by one (1 more since the last line)",
        "subscription refused by two (1 more since the last line)",
    ]
