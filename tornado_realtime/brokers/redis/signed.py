"""Publications in Redis of which there is more to tell: the message behind one line that tells it.

It says which client published it, and which client does not get it. What applications publish for everybody
is carried as it is, so that other programs on the same Redis understand it.
"""

from __future__ import annotations

import json
from typing import Any

from tornado_realtime.publication import Publication, Sender

MARK = b"\x01realtime.v1 "
"""How that line begins: a control character, so that no JSON and hardly any text does."""


def pack(publication: Publication) -> bytes:
    """What goes to Redis; text that happens to begin like the line gets one, too, which says nothing."""
    data = publication.data
    line = _said(publication)
    if not line and not data.startswith(MARK):
        return data
    return MARK + json.dumps(line, separators=(",", ":")).encode() + b"\n" + data


def unpack(channel: str, data: bytes) -> Publication:
    """What came from Redis; whatever has no such line is a message as it is."""
    if not data.startswith(MARK):
        return Publication(channel, data)
    line, found, message = data[len(MARK) :].partition(b"\n")
    try:
        said = json.loads(line) if found and message else None
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        return Publication(channel, data)
    return Publication(channel, message, sender=_sender(said), exclude=_text(said.get("exclude")))


def is_text(data: bytes) -> bool:
    """Whether something can be a message: UTF-8 text, not empty."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return bool(data)


def _said(publication: Publication) -> dict[str, str]:
    """What the line tells of a publication; nothing of most of those of applications."""
    sender = publication.sender
    line = {} if sender is None else {"user": sender.user, "client": sender.client}
    return line | {"exclude": publication.exclude} if publication.exclude else line


def _sender(said: dict[str, Any]) -> Sender | None:
    match said:
        case {"user": str(user), "client": str(client)}:
            return Sender(user, client)
    return None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
