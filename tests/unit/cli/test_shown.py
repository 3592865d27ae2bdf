"""Events as people and programs read them."""

from __future__ import annotations

import io
import json

import pytest

from tornado_realtime.cli.shown import Lines, harmless, has_colours, json_line
from tornado_realtime.client import (
    Author,
    Event,
    Joined,
    Left,
    Message,
    Missed,
    Position,
    Present,
    Subscribed,
)

AT = Position("e", 7)
NOON = 12 * 3600.0


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.localtime", __import__("time").gmtime)


@pytest.mark.parametrize(
    ("event", "line", "members"),
    [
        (
            Message("news", {"a": [1, "ä"]}, position=AT),
            'news {"a": [1, "ä"]}',
            {"type": "message", "channel": "news", "payload": {"a": [1, "ä"]}, "epoch": "e", "offset": 7},
        ),
        (
            Message("news", "no json", is_text=True),
            "news no json",
            {"type": "message", "channel": "news", "payload": "no json", "raw": True},
        ),
        (
            Message("news", "json", author=Author("ada", "c1")),
            'news <ada> "json"',
            {
                "type": "message",
                "channel": "news",
                "payload": "json",
                "from": {"user": "ada", "client": "c1"},
            },
        ),
        (
            Message("news", 1, author=Author("", "c1")),
            "news <c1> 1",
            {"type": "message", "channel": "news", "payload": 1, "from": {"user": "", "client": "c1"}},
        ),
        (
            Missed("news"),
            "news messages may have been missed",
            {"type": "missed", "channel": "news"},
        ),
        (
            Joined("news", "ada", {"n": 1}, 2),
            "news + ada (2 here)",
            {"type": "join", "channel": "news", "user": "ada", "info": {"n": 1}, "count": 2},
        ),
        (
            Left("news", "ada", 1),
            "news - ada (1 here)",
            {"type": "leave", "channel": "news", "user": "ada", "count": 1},
        ),
        (
            Present("news", 2, {"ada": None, "bob": None}),
            "news 2 here: ada, bob",
            {"type": "presence", "channel": "news", "count": 2, "members": {"ada": None, "bob": None}},
        ),
        (
            Present("news", 900, None),
            "news 900 here",
            {"type": "presence", "channel": "news", "count": 900, "members": None},
        ),
        (Subscribed("news", AT), "", {"type": "subscribed", "channel": "news", "epoch": "e", "offset": 7}),
    ],
)
def test_one_line_each(event: Event, line: str, members: dict[str, object]) -> None:
    assert Lines(is_coloured=False, now=lambda: NOON).line(event) == (f"12:00:00 {line}" if line else "")
    text = json_line(event)
    assert json.loads(text) == members
    assert "\n" not in text


def test_colours() -> None:
    lines = Lines(is_coloured=True, now=lambda: NOON)
    assert lines.line(Message("news", 1)) == "\x1b[2m12:00:00\x1b[0m \x1b[36mnews\x1b[0m 1"
    assert lines.line(Missed("a")).endswith("\x1b[33mmessages may have been missed\x1b[0m")
    assert lines.line(Message("news", 1, time=NOON + 61)).startswith("\x1b[2m12:01:01")


def test_a_message_does_nothing_to_the_terminal() -> None:
    evil = "\x1b]0;title\x07\x1b[2J\r\x9b\u202e\u2066a\u2028ä"
    for event in (
        Message("a\x1b[2J", evil, is_text=True),
        Message("a", evil),
        Message("a", 1, author=Author(evil, "c")),
        Joined("a", evil, None, 1),
        Left("a", evil, 1),
        Present("a", 1, {evil: None}),
    ):
        line = Lines(is_coloured=False).line(event)
        assert line.isprintable(), line
        assert "ä" in line or event == Message("a\x1b[2J", evil, is_text=True)
    assert harmless("\x1b\n\u202ea") == "\\x1b\\n\\u202ea"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_where_colours_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert has_colours(Terminal())
    assert not has_colours(io.StringIO())
    monkeypatch.setenv("TERM", "dumb")
    assert not has_colours(Terminal())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "")
    assert not has_colours(Terminal())
