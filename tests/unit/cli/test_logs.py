"""Log lines."""

from __future__ import annotations

import logging

from tornado_realtime.cli.logs import LineFormatter


def _record(message: str, level: int = logging.INFO) -> logging.LogRecord:
    record = logging.LogRecord("x", level, "f", 1, message, (), None)
    record.created, record.msecs = 1700000000.123, 123.0
    return record


def test_a_line_has_time_level_and_message() -> None:
    assert LineFormatter().format(_record("hello")) == "2023-11-14T22:13:20.123Z INFO    hello"


def test_nobody_can_forge_a_line() -> None:
    line = LineFormatter().format(_record("a\nb\x1b[31m\u2028c\x85"))
    assert line.endswith("a\\nb\\x1b[31m\\u2028c\\x85")


def test_colour_marks_the_level_only() -> None:
    assert "\x1b[33mWARNING\x1b[0m hello" in LineFormatter(colour=True).format(
        _record("hello", logging.WARNING)
    )
