"""Frames of v1 to events, and the wire whose publications are encoded as events in the first place (S3)."""

from __future__ import annotations

from collections.abc import Iterator

from tornado_realtime.members import Listing, Member
from tornado_realtime.publication import Position, Publication
from tornado_realtime.wire.frames import TEXT_HEAD, Span
from tornado_realtime.wire.sse.cursor import place_of
from tornado_realtime.wire.v1.wire import V1Wire

_SIZE_IN_16_BITS = 126


def read_frames(data: bytes) -> Iterator[tuple[int, bytes]]:
    """First byte and payload of finished server frames."""
    start = 0
    while start < len(data):
        first, size = data[start], data[start + 1]
        start += 2
        if size >= _SIZE_IN_16_BITS:
            width = 2 if size == _SIZE_IN_16_BITS else 8
            size = int.from_bytes(data[start : start + width])
            start += width
        yield first, data[start : start + size]
        start += size


def text_of(frame: bytes) -> bytes:
    """The payload of the text frame that ``frame`` begins with; empty if it begins with another."""
    first, payload = next(read_frames(frame))
    return payload if first == TEXT_HEAD else b""


def control(payload: bytes, place: bytes = b"", retry: int | None = None) -> bytes:
    """The event for everything that is not a publication.

    Args:
        payload: JSON in one line.
        place: Its id; empty for none.
        retry: Milliseconds after which the client comes back if the stream ends; None if that stays as it is.
    """
    lines = [b"event: control\n"]
    if place:
        lines.append(b"id: %b\n" % place)
    if retry is not None:
        lines.append(b"retry: %d\n" % retry)
    return b"%bdata: %b\n\n" % (b"".join(lines), payload)


class EventsWire(V1Wire):
    """v1 one way: events to the client, who says by POST what it has to say.

    What one client is told comes out as a frame of v1, which its connection turns into an event; what many
    are told at once is an event from the beginning.

    Args:
        has_ids: Whether publications carry the id of a stream with one channel.
    """

    one_way = True

    def __init__(self, has_ids: bool) -> None:
        self._has_ids = has_ids

    def encode(self, publication: Publication) -> bytes:
        """See Wire."""
        payload = text_of(super().encode(publication))
        if not self._has_ids or publication.position is None:
            return b"data: %b\n\n" % payload
        return b"id: %b\ndata: %b\n\n" % (place_of(publication.channel, publication.position), payload)

    def skipped(self, publication: Publication) -> bytes | None:
        """See Wire."""
        frame = super().skipped(publication)
        if frame is None or publication.position is None:
            return None
        return self._placed(publication.channel, publication.position, frame)

    def turned(self, channel: str, position: Position) -> bytes:
        """See Wire."""
        return self._placed(channel, position, super().turned(channel, position))

    def _placed(self, channel: str, position: Position, frame: bytes) -> bytes:
        """News that move on where the client stands, so that it is not sent again what it should not get."""
        event = control(text_of(frame))
        return b"id: %b\n%b" % (place_of(channel, position), event) if self._has_ids else event

    def missed(self, channel: str) -> bytes:
        """See Wire."""
        return control(text_of(super().missed(channel)))

    def lost(self, channel: str, span: Span | None) -> bytes:
        """See Wire."""
        return control(text_of(super().lost(channel, span)))

    def listed(self, channel: str, listing: Listing) -> bytes:
        """See Wire."""
        return control(text_of(super().listed(channel, listing)))

    def came(self, channel: str, member: Member, count: int) -> bytes:
        """See Wire."""
        return control(text_of(super().came(channel, member, count)))

    def went(self, channel: str, user: str, count: int) -> bytes:
        """See Wire."""
        return control(text_of(super().went(channel, user, count)))


EVENTS = EventsWire(has_ids=True)
"""For streams that are opened for channels."""
BARE_EVENTS = EventsWire(has_ids=False)
"""For streams whose clients subscribe by POST, and know where they stand."""
