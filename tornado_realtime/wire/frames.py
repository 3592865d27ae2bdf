"""Finished server frames (RFC 6455 section 5.2), and several of them joined for one write.

Server frames are not masked, so the same bytes serve every client. Nothing here is fragmented or compressed.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from tornado_realtime.publication import Position

_FIN = 0x80
_TEXT, _BINARY, _CLOSE, _PING, _PONG = _FIN | 0x1, _FIN | 0x2, _FIN | 0x8, _FIN | 0x9, _FIN | 0xA
_SHORT = 125
"""Longest payload whose size fits the second byte; also the longest payload of a control frame."""
_CLOSE_CODE_BYTES = 2

_SHORT_TEXT_HEADS = tuple(bytes((_TEXT, size)) for size in range(_SHORT + 1))

TEXT_HEAD = _TEXT
"""First byte of a text frame."""
PING = bytes((_PING, 0))
"""A finished ping without payload."""


def text_frame(payload: bytes) -> bytes:
    """A finished text frame; ``payload`` is taken as valid UTF-8."""
    size = len(payload)
    if size <= _SHORT:
        return _SHORT_TEXT_HEADS[size] + payload
    return _long_head(_TEXT, size) + payload


def binary_frame(payload: bytes) -> bytes:
    """A finished binary frame."""
    size = len(payload)
    head = bytes((_BINARY, size)) if size <= _SHORT else _long_head(_BINARY, size)
    return head + payload


def pong_frame(payload: bytes) -> bytes:
    """A finished pong that answers a ping with its own ``payload`` (section 5.5.3), at most 125 bytes."""
    return bytes((_PONG, len(payload))) + payload


def close_frame(code: int | None, reason: str = "") -> bytes:
    """A finished close frame (section 5.5.1).

    Args:
        code: What the peer is told (section 7.4); None sends no code and no reason, so that it sees 1005.
        reason: Cut at a character so that it fits the 123 bytes there are.
    """
    if code is None:
        return bytes((_CLOSE, 0))
    text = reason.encode("utf-8", "replace")[: _SHORT - _CLOSE_CODE_BYTES]
    whole = text.decode("utf-8", "ignore").encode()
    return bytes((_CLOSE, _CLOSE_CODE_BYTES + len(whole))) + code.to_bytes(_CLOSE_CODE_BYTES) + whole


def _long_head(first: int, size: int) -> bytes:
    """The head of a frame whose size does not fit the second byte."""
    if size < 1 << 16:
        return bytes((first, 126)) + size.to_bytes(2)
    return bytes((first, 127)) + size.to_bytes(8)


Span = tuple[Position, Position]
"""The first and the last of publications that follow one another in one stream."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where publications come from that a slow client may lose, and how it is told.

    Attributes:
        channel: Its name.
        told: From the span that was lost, None where that is not known, to the finished frame that says so;
            None from a wire that has no words for it.
        latest: Whether only the newest one waits for a slow client, and it loses all others.
        positions: Of each frame of a batch; empty on a channel without history.
    """

    channel: str
    told: Callable[[str, Span | None], bytes | None]
    latest: bool = False
    positions: tuple[Position | None, ...] = ()

    def span(self, first: int, last: int) -> Span | None:
        """That of the frames from ``first`` until before ``last``; None if they are not all of one stream."""
        known = [position for position in self.positions[first:last] if position is not None]
        if not known or len(known) < last - first:
            return None
        return joined((known[0], known[0]), (known[-1], known[-1]))


def joined(one: Span | None, other: Span | None) -> Span | None:
    """The span of both, ``other`` being the later; None if they are not known to be of one stream."""
    if one is None or other is None or one[0].epoch != other[1].epoch:
        return None
    return one[0], other[1]


@dataclass(frozen=True, slots=True)
class Batch:
    """Finished frames joined for one write, with the places where one may stop.

    Attributes:
        data: The frames, one after the other.
        ends: Where each frame ends in ``data``, in bytes, rising.
        kept: Whether they are replies, pings and the like, which are no slow client's fault.
        source: Of publications that a slow client loses rather than its connection; None for all else.
    """

    data: bytes
    ends: tuple[int, ...]
    kept: bool = False
    source: Source | None = None

    @classmethod
    def of(cls, frames: Sequence[bytes], kept: bool = False, source: Source | None = None) -> Batch:
        """Join ``frames``; a single one is not copied."""
        return cls(b"".join(frames), tuple(accumulate(map(len, frames))), kept, source)

    def frames_between(self, start: int, stop: int) -> int:
        """How many frames end after byte ``start`` and not after byte ``stop``."""
        return bisect_right(self.ends, stop) - bisect_right(self.ends, start)

    def next_boundary(self, sent: int) -> int:
        """The first place at or after ``sent`` where no frame is cut in two; at most ``len(data)``."""
        if sent <= 0 or not self.ends:
            return 0
        return self.ends[min(bisect_left(self.ends, sent), len(self.ends) - 1)]
