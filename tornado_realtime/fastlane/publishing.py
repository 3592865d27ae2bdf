"""Publish requests in the lane: whose head may publish, and how the body is read."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING

from tornado_realtime.errors import BrokerClosedError, PublishError
from tornado_realtime.handlers.broadcast import PublishDoor
from tornado_realtime.wire.form import FORM_TYPE, media_type, request_from_form
from tornado_realtime.wire.publish_json import JSON_TYPE, request_from_json
from tornado_realtime.wire.publish_request import PublishRequest
from tornado_realtime.wire.receipt import wants_receipt

if TYPE_CHECKING:
    from tornado_realtime.fastlane.head import Fields
    from tornado_realtime.fastlane.plan import LanePath, LanePlan

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]+)", re.IGNORECASE)
_DIGITS = re.compile(rb"[0-9]{1,8}")

# What a body asks for; the second argument is the longest message there may be.
Reader = Callable[[bytes, int], PublishRequest]


def _read_form(body: bytes, publication_bytes: int) -> PublishRequest:
    return request_from_form(body, b"", publication_bytes)


_READERS: dict[str, Reader] = {FORM_TYPE: _read_form, JSON_TYPE: request_from_json}


@dataclass(frozen=True, slots=True)
class Permit:
    """A publish request's head that was judged; the same one again need not be.

    Attributes:
        before: The head up to the number in Content-Length.
        length: That number; None if nothing that judged the head can have looked at it.
        after: The head behind it, final empty line and all.
        door: Where bodies go.
        read: How.
    """

    before: bytes
    length: bytes | None
    after: bytes
    door: PublishDoor
    read: Reader

    def fits(self, buffer: bytes, position: int) -> tuple[int, int] | None:
        """Where the body of the request at ``position`` begins and ends, if its head is this one."""
        if not buffer.startswith(self.before, position):
            return None
        length = _DIGITS.match(buffer, position + len(self.before))
        if length is None or not buffer.startswith(self.after, length.end()):
            return None
        if self.length is not None and self.length != length[0]:
            return None
        begin = length.end() + len(self.after)
        return begin, begin + int(length[0])

    def publish(self, body: bytes) -> bool:
        """Publish; False, and nothing done, when Tornado has to see the request."""
        publish_now = self.door.hub.publish_now
        try:
            asked = self.read(body, self.door.publication_bytes)
            # A broker that takes the first takes all of this turn of the loop.
            for publication, key in asked.keyed() if asked.key else zip(asked.publications, repeat("")):
                if publish_now(publication, key) is None:
                    return False
        except (PublishError, BrokerClosedError):
            return False
        return True


def permit(head: bytes, fields: Fields, path: LanePath, plan: LanePlan, peer: str) -> Permit | None:
    """Judge a publish request by its head; None when Tornado has to see it.

    Args:
        head: All of it, final empty line included.
        fields: What stands in it.
        path: What its request line asks for.
        plan: What the lane serves.
        peer: Address of the socket's other end.
    """
    read = _READERS.get(_kind(fields)) if _is_plain(fields) else None
    length = _LENGTH.search(head)
    realtime = plan.admits(path, fields, peer) if read is not None and length is not None else None
    if realtime is None or read is None or length is None:
        return None
    try:
        door = realtime.publish_door()
    except BrokerClosedError:
        return None
    if door.rule.judge(peer, "HTTP/1.1", fields):
        return None
    start, stop = length.span(1)
    any_length = path.guard.only is not None
    return Permit(head[:start], None if any_length else head[start:stop], head[stop:], door, read)


def _is_plain(fields: Fields) -> bool:
    """A body of known length, for a plain host, on a connection that stays, from who wants no receipt."""
    stays = fields.get("connection", "keep-alive").lower() == "keep-alive"
    return stays and fields.has_plain_host and fields.has_length and not wants_receipt(fields.get("accept"))


def _kind(fields: Fields) -> str:
    """The media type of the body; empty if that is malformed."""
    try:
        return media_type(fields.get("content-type"))
    except PublishError:
        return ""
