"""Finished server frames (RFC 6455 section 5.2), and several of them joined for one write.

Server frames are not masked, so the same bytes serve every client. Nothing here is fragmented or compressed.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

_FIN = 0x80
_TEXT, _BINARY, _CLOSE, _PING, _PONG = _FIN | 0x1, _FIN | 0x2, _FIN | 0x8, _FIN | 0x9, _FIN | 0xA
_SHORT = 125
"""Longest payload whose size fits the second byte; also the longest payload of a control frame."""
_CLOSE_CODE_BYTES = 2

_SHORT_TEXT_HEADS = tuple(bytes((_TEXT, size)) for size in range(_SHORT + 1))

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


@dataclass(frozen=True, slots=True)
class Batch:
    """Finished frames joined for one write, with the places where one may stop.

    Attributes:
        data: The frames, one after the other.
        ends: Where each frame ends in ``data``, in bytes, rising.
        kept: Whether a slow client, too, must get them: replies, pings and pongs. Publications need not.
    """

    data: bytes
    ends: tuple[int, ...]
    kept: bool = False

    @classmethod
    def of(cls, frames: Sequence[bytes], kept: bool = False) -> Batch:
        """Join ``frames``; a single one is not copied."""
        return cls(b"".join(frames), tuple(accumulate(map(len, frames))), kept)

    def frames_between(self, start: int, stop: int) -> int:
        """How many frames end after byte ``start`` and not after byte ``stop``."""
        return bisect_right(self.ends, stop) - bisect_right(self.ends, start)

    def next_boundary(self, sent: int) -> int:
        """The first place at or after ``sent`` where no frame is cut in two; at most ``len(data)``."""
        if sent <= 0 or not self.ends:
            return 0
        return self.ends[min(bisect_left(self.ends, sent), len(self.ends) - 1)]
