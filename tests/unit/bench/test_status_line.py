"""Progress on a terminal and in a file."""

from __future__ import annotations

from io import StringIO

from tornado_realtime.cli.bench import StatusLine


class _Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminals_line_is_written_over_but_not_too_often() -> None:
    out, now = _Terminal(), [0.0]
    line = StatusLine(out, lambda: now[0])
    line.say("connecting", "1 of 3")
    line.say("connecting", "2 of 3")
    now[0] = 0.1
    line.say("connecting", "3 of 3")
    line.say("measuring", "5 s left")
    line.clear()
    assert out.getvalue() == "".join(
        f"\r\x1b[K{text}" for text in ("connecting 1 of 3", "connecting 3 of 3", "measuring 5 s left", "")
    )


def test_a_file_gets_each_step_once() -> None:
    out = StringIO()
    line = StatusLine(out)
    for step in ("connecting", "connecting", "measuring", "measuring"):
        line.say(step, "now")
    line.clear()
    assert out.getvalue() == "connecting\nmeasuring\n"


def test_nothing_is_cleared_before_anything_is_shown() -> None:
    out = _Terminal()
    StatusLine(out).clear()
    assert out.getvalue() == ""
