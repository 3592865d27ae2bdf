from __future__ import annotations

import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornado_realtime.site.php_log import MAX_LINE_BYTES, LineSplitter, parse_master_line


def test_lines_are_put_together() -> None:
    splitter = LineSplitter()
    assert splitter.feed(b"one\r\n\n  \ntw") == ["one"]
    assert splitter.feed(b"o\nthr") == ["two"]
    assert splitter.flush() == ["thr"]
    assert splitter.flush() == []


def test_a_long_line_comes_in_pieces() -> None:
    splitter = LineSplitter()
    assert splitter.feed(b"x" * (2 * MAX_LINE_BYTES + 1)) == ["x" * MAX_LINE_BYTES] * 2
    assert splitter.feed(b"\n") == ["x"]
    assert splitter.feed(b"y" * (MAX_LINE_BYTES + 1) + b"\n") == ["y" * MAX_LINE_BYTES, "y"]


def test_nothing_in_a_line_can_fake_another_one() -> None:
    assert LineSplitter().feed("a\rb\x1b[31m\x85\u2028\tö\n".encode()) == ["a?b?[31m??\tö"]
    assert LineSplitter().feed(b"\xff\n") == ["\ufffd"]


@settings(deadline=None, max_examples=200)
@given(st.lists(st.binary(max_size=50), max_size=10))
def test_a_splitter_holds_little_and_loses_no_text(pieces: list[bytes]) -> None:
    splitter, lines = LineSplitter(), list[str]()
    for piece in pieces:
        lines += splitter.feed(piece)
    lines += splitter.flush()
    assert lines == [line for line in LineSplitter().feed(b"".join(pieces) + b"\n") if line]
    assert not any("\n" in line for line in lines)


@pytest.mark.parametrize(
    ("line", "level", "text"),
    [
        ("[23-Nov-2026 16:03:23] NOTICE: fpm is running, pid 1", logging.INFO, "fpm is running, pid 1"),
        ("[23-Nov-2026 16:03:23] WARNING: [pool site] busy", logging.WARNING, "[pool site] busy"),
        ("[23-Nov-2026 16:03:23.123456] ERROR: no", logging.ERROR, "no"),
        ("[23-Nov-2026 16:03:23] ALERT: oh no", logging.ERROR, "oh no"),
        ("NOTICE: PHP message: PHP Fatal error", logging.WARNING, "PHP message: PHP Fatal error"),
        ("what a script wrote", logging.WARNING, "what a script wrote"),
        ("[x] ERROR: forged", logging.WARNING, "[x] ERROR: forged"),
    ],
)
def test_lines_of_php_fpm(line: str, level: int, text: str) -> None:
    assert parse_master_line(line) == (level, text)
