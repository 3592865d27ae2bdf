"""Events as a person reads them on a terminal, and as programs read them in a pipe: one line each."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable
from typing import Any, TextIO

from tornado_realtime.client import Event, Joined, Left, Message, Missed, Position, Present, Subscribed

_DIM, _CHANNEL, _WARNING, _RESET = "\x1b[2m", "\x1b[36m", "\x1b[33m", "\x1b[0m"
# What moves a cursor, hides text or turns its direction may not come from a message.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def has_colours(out: TextIO) -> bool:
    """Whether to colour what is written there."""
    return out.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


class Lines:
    """Events as lines for people.

    Args:
        is_coloured: Whether the terminal knows colours.
        now: Unix time.
    """

    def __init__(self, is_coloured: bool, now: Callable[[], float] = time.time) -> None:
        self._is_coloured = is_coloured
        self._now = now

    def line(self, event: Event) -> str:
        """One event; empty for one that nobody needs to see."""
        what = _described(event)
        if not what:
            return ""
        is_warning = isinstance(event, Missed)
        seen = event.time if isinstance(event, Message) and event.time is not None else self._now()
        clock = self._coloured(_DIM, time.strftime("%H:%M:%S", time.localtime(seen)))
        channel = self._coloured(_CHANNEL, harmless(event.channel))
        return f"{clock} {channel} {self._coloured(_WARNING, what) if is_warning else what}"

    def _coloured(self, colour: str, text: str) -> str:
        return f"{colour}{text}{_RESET}" if self._is_coloured else text


def json_line(event: Event) -> str:
    """One event as JSON, in the words of the protocol where it has some."""
    return _json(_members(event), (",", ":"))


def harmless(text: str) -> str:
    """Text that does nothing to a terminal but being read."""
    return _UNSAFE.sub(lambda found: ascii(found[0])[1:-1], text)


def _described(event: Event) -> str:
    match event:
        case Message(payload=payload, is_text=is_text, author=author):
            text = payload if is_text else _json(payload)
            return harmless(text if author is None else f"<{author.user or author.client}> {text}")
        case Missed():
            return "messages may have been missed"
        case Joined(user=user, count=count):
            return f"+ {harmless(user)} ({count} here)"
        case Left(user=user, count=count):
            return f"- {harmless(user)} ({count} here)"
        case Present(count=count, members=members):
            who = "" if members is None else ": " + ", ".join(map(harmless, members))
            return "" if count is None else f"{count} here{who}"
        case Subscribed():
            return ""


def _members(event: Event) -> dict[str, Any]:
    about = {"channel": event.channel}
    match event:
        case Message(payload=payload, is_text=is_text, position=position, author=author):
            found = {"type": "message", **about, "payload": payload, **_where(position)}
            if is_text:
                found["raw"] = True
            return (
                found if author is None else found | {"from": {"user": author.user, "client": author.client}}
            )
        case Missed():
            return {"type": "missed", **about}
        case Joined(user=user, info=info, count=count):
            return {"type": "join", **about, "user": user, "info": info, "count": count}
        case Left(user=user, count=count):
            return {"type": "leave", **about, "user": user, "count": count}
        case Present(count=count, members=members):
            return {"type": "presence", **about, "count": count, "members": members}
        case Subscribed(position=position):
            return {"type": "subscribed", **about, **_where(position)}


def _json(value: Any, separators: tuple[str, str] | None = None) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, separators=separators)
    except RecursionError:
        return '"nested too deeply"'


def _where(position: Position | None) -> dict[str, Any]:
    return {} if position is None else {"epoch": position.epoch, "offset": position.offset}
