"""Publications of clients in Redis: the message behind one line that says who published it.

What applications publish is carried as it is, so that other programs on the same Redis understand it.
"""

from __future__ import annotations

import json

from tornado_realtime.publication import Publication, Sender

MARK = b"\x01realtime.v1 "
"""How that line begins: a control character, so that no JSON and hardly any text does."""


def pack(publication: Publication) -> bytes:
    """What goes to Redis; text that happens to begin like the line gets one, too, which says nothing."""
    sender, data = publication.sender, publication.data
    if sender is None:
        return data if not data.startswith(MARK) else MARK + b"{}\n" + data
    line = {"user": sender.user, "client": sender.client, "echo": sender.echo}
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
    match said:
        case {"user": str(user), "client": str(client), "echo": bool(echo)}:
            return Publication(channel, message, sender=Sender(user, client, echo))
        case dict():
            return Publication(channel, message)
    return Publication(channel, data)
