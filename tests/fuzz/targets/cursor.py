"""Ids that come back as Last-Event-ID: positions, or None, whatever a client made of them."""

from __future__ import annotations

from tornado_realtime.wire.sse.cursor import CURSOR_BYTES, read_cursor


def run(data: bytes) -> None:
    """Read an id."""
    text = data.decode("latin-1")
    found = read_cursor(text)
    if found is None:
        return
    assert len(text) <= CURSOR_BYTES
    assert text.isascii()
    assert not set(text) & set("\r\n\0 ")
    assert 0 < len(found) <= text.count(",") + 1
    for key, position in found.items():
        assert len(key) == 8
        assert position.epoch
        assert position.offset >= 0
