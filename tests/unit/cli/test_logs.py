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


FORGED = "a\n2023-11-14T22:13:20.123Z ERROR forged\x1b[31m\x9b31m\u2028\u202e"


def _failed() -> logging.LogRecord:
    try:
        raise ValueError(FORGED)
    except ValueError:
        return logging.LogRecord("x", logging.ERROR, "f", 1, FORGED, (), sys.exc_info())


def test_nor_does_a_traceback_forge_one() -> None:
    text = LineFormatter().format(_failed())
    first, *trace = text.split("\n")
    assert "Traceback" in trace[0]
    assert all(line.startswith("  ") and line.isprintable() for line in trace)
    assert "\\n2023" in first


def test_json_lines_have_nothing_that_a_terminal_obeys() -> None:
    line = JsonFormatter().format(_failed())
    assert line.isprintable()
    assert json.loads(line)["msg"] == FORGED
