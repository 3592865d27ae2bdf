"""Log lines."""

from __future__ import annotations

import json
import logging
import sys

from tornado_realtime.cli.logs import LineFormatter
from tornado_realtime.server.processlog import JsonFormatter


def _record(message: str, level: int = logging.INFO) -> logging.LogRecord:
    record = logging.LogRecord("x", level, "f", 1, message, (), None)
    record.created, record.msecs = 1700000000.123, 123.0
    return record


def test_a_line_has_time_level_and_message() -> None:
    assert LineFormatter().format(_record("hello")) == "2023-11-14T22:13:20.123Z INFO    hello"


def test_nobody_can_forge_a_line() -> None:
    line = LineFormatter().format(_record("a\nb\x1b[31m\u2028c\x85"))
    assert line.endswith("a\\nb\\x1b[31m\\u2028c\\x85")


def test_nobody_can_forge_a_line_by_an_error() -> None:
    record = _record("it failed")
    try:
        raise ValueError("a\n2023-11-14T22:13:20.123Z INFO    forged\x1b[31m")
    except ValueError:
        record.exc_info = sys.exc_info()
    first, *rest = LineFormatter().format(record).split("\n")
    assert first.endswith("it failed")
    assert rest
    assert all(line.startswith("    ") and line.isprintable() for line in rest)


def test_json_lines_are_ascii() -> None:
    line = JsonFormatter().format(_record("Zoé \x9b31m\u2028"))
    assert line.isascii()
    assert json.loads(line)["msg"] == "Zoé \x9b31m\u2028"


def test_colour_marks_the_level_only() -> None:
    assert "\x1b[33mWARNING\x1b[0m hello" in LineFormatter(colour=True).format(
        _record("hello", logging.WARNING)
    )
