"""The client's end of RFC 6455, as far as a load generator needs it: no sockets, no clock."""

from __future__ import annotations

from tornado_realtime.errors import BenchError

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
_FIN = 0x80
_MASKED = 0x80
# All zero: allowed, and it leaves the payload as it is (section 5.3).
_MASK = bytes(4)


def client_frame(opcode: int, payload: bytes = b"") -> bytes:
    """A finished frame from a client."""
    size = len(payload)
    if size < 126:
        head = bytes((_FIN | opcode, _MASKED | size))
    else:
        head = bytes((_FIN | opcode, _MASKED | 126)) + size.to_bytes(2)
    return head + _MASK + payload


class FrameReader:
    """Cuts what a server sends into frames; keeps the beginning of an incomplete one."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = b""

    @property
    def is_between(self) -> bool:
        """Whether nothing of a frame is kept: the next byte begins one."""
        return not self._held

    def feed(self, data: bytes) -> list[tuple[int, bytes, int]]:
        """Take more bytes.

        Returns:
            Each complete frame's opcode, payload, and size in bytes with its head.

        Raises:
            BenchError: It is no frame that a server may send us: masked, fragmented or compressed.
        """
        data = self._held + data if self._held else data
        found, at = [], 0
        while (frame := _frame_at(data, at)) is not None:
            found.append(frame)
            at += frame[2]
        self._held = data[at:]
        return found


def _frame_at(data: bytes, at: int) -> tuple[int, bytes, int] | None:
    if len(data) - at < 2:
        return None
    first, size, head = data[at], data[at + 1], 2
    if size & _MASKED or first & 0xF0 != _FIN or not first & 0x0F:
        raise BenchError("the server sent a frame that is masked, fragmented or compressed")
    if size >= 126:
        wide = 2 if size == 126 else 8
        head += wide
        if len(data) - at < head:
            return None
        size = int.from_bytes(data[at + 2 : at + head])
    end = at + head + size
    return (first & 0x0F, data[at + head : end], head + size) if end <= len(data) else None
