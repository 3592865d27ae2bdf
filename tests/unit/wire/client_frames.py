"""Client frames for tests: masked as a browser masks them, or wrong on purpose."""

from __future__ import annotations

TEXT, BINARY, CLOSE, PING, PONG, CONTINUATION = 0x1, 0x2, 0x8, 0x9, 0xA, 0x0
KEY = b"\x37\xfa\x21\x3d"


def client_frame(payload: bytes, opcode: int = TEXT, *, fin: bool = True, key: bytes = KEY) -> bytes:
    """One masked frame, its size written as short as possible."""
    size = len(payload)
    first = bytes((opcode | (0x80 if fin else 0),))
    if size < 126:
        head = first + bytes((0x80 | size,))
    elif size < 1 << 16:
        head = first + b"\xfe" + size.to_bytes(2)
    else:
        head = first + b"\xff" + size.to_bytes(8)
    return head + key + bytes(byte ^ key[place % 4] for place, byte in enumerate(payload))


def server_payload(frame: bytes) -> tuple[int, bytes]:
    """First byte and payload of one finished server frame; fails unless it is exactly one."""
    size, start = frame[1], 2
    if size == 126:
        size, start = int.from_bytes(frame[2:4]), 4
    elif size == 127:
        size, start = int.from_bytes(frame[2:10]), 10
    assert len(frame) == start + size
    return frame[0], frame[start:]
