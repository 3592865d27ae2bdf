"""What stands before a message on the topic of a stream: one line that says where in the stream it is.

::

    KIND EPOCH OFFSET MILLISECONDS
    the message, as ``signed`` packs it

``KIND`` is ``m``, or ``c`` where a copy of the message without all this follows on ``realtime:CHANNEL``.
Redis runs a script at once, so over one connection that copy is the very next message. Other kinds are for
others to read.
"""

from __future__ import annotations

from tornado_realtime.brokers.redis.follower import Page
from tornado_realtime.brokers.redis.signed import is_text, unpack
from tornado_realtime.publication import Position, Publication

MESSAGE = b"m"
COPIED = b"c"


def parse_live(channel: str, data: bytes) -> Publication | None:
    """Read one message of the topic; None if it makes no sense."""
    head, _, message = data.partition(b"\n")
    if not is_text(message):
        return None
    try:
        _, epoch, offset, milliseconds = head.split(b" ")
        return _publication(channel, message, Position(epoch.decode("ascii"), int(offset)), int(milliseconds))
    except ValueError:
        return None


def parse_position(text: object) -> Position | None:
    """Read ``EPOCH OFFSET`` as scripts write it; None if it is something else, such as nothing."""
    if not isinstance(text, bytes):
        return None
    epoch, _, offset = text.decode("ascii", "replace").partition(" ")
    return Position(epoch, int(offset)) if offset.isascii() and offset.isdigit() else None


def write_position(position: Position) -> bytes:
    """The same, written."""
    return f"{position.epoch} {position.offset}".encode()


def parse_page(channel: str, reply: object) -> Page | None:
    """Read what the script ``read`` returned; None if it makes no sense."""
    match reply:
        case [bytes(place), int(complete), int(more), [*words]]:
            position = parse_position(place)
        case _:
            return None
    if position is None:
        return None
    items: list[Publication] = []
    for entry in zip(words[::3], words[1::3], words[2::3], strict=True):
        match entry:
            case (bytes(message), int(), int()) if not is_text(message):
                continue  # it is none of ours
            case (bytes(message), int(offset), int(milliseconds)):
                found = Position(position.epoch, offset)
                items.append(_publication(channel, message, found, milliseconds))
            case _:
                return None
    return Page(position, tuple(items), bool(complete), bool(more))


def _publication(channel: str, message: bytes, position: Position, milliseconds: int) -> Publication:
    found = unpack(channel, message)
    return Publication(channel, found.data, position, found.sender, milliseconds / 1000, found.exclude)
