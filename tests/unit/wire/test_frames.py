from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.wire.client_frames import server_payload
from tornado_realtime.wire.frames import PING, Batch, binary_frame, close_frame, pong_frame, text_frame


@pytest.mark.parametrize(
    ("size", "head"),
    [
        (0, b"\x81\x00"),
        (1, b"\x81\x01"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (127, b"\x81\x7e\x00\x7f"),
        (65535, b"\x81\x7e\xff\xff"),
        (65536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_size_is_written_as_short_as_possible(size: int, head: bytes) -> None:
    payload = b"x" * size
    assert text_frame(payload) == head + payload
    assert binary_frame(payload) == b"\x82" + head[1:] + payload


def test_control_frames() -> None:
    assert PING == b"\x89\x00"
    assert pong_frame(b"") == b"\x8a\x00"
    assert pong_frame(b"abc") == b"\x8a\x03abc"


@pytest.mark.parametrize(
    ("code", "reason", "frame"),
    [
        (None, "", b"\x88\x00"),
        (None, "never sent", b"\x88\x00"),
        (1000, "", b"\x88\x02\x03\xe8"),
        (1001, "bye", b"\x88\x05\x03\xe9bye"),
        (4110, "Zoé", b"\x88\x06\x10\x0eZo\xc3\xa9"),
    ],
)
def test_close_frames(code: int | None, reason: str, frame: bytes) -> None:
    assert close_frame(code, reason) == frame


def test_long_close_reason_is_cut_at_a_character() -> None:
    first, payload = server_payload(close_frame(1001, "é" * 100))
    assert first == 0x88
    assert payload[2:].decode() == "é" * 61


def test_batch_knows_its_boundaries() -> None:
    batch = Batch.of([b"aa", b"bbb", b"c"])
    assert batch == Batch(b"aabbbc", (2, 5, 6))
    assert [batch.frames_between(sent, 6) for sent in range(7)] == [3, 3, 2, 2, 2, 1, 0]
    assert [batch.frames_between(1, stop) for stop in range(1, 7)] == [0, 1, 1, 1, 2, 3]
    assert [batch.next_boundary(sent) for sent in range(7)] == [0, 2, 2, 5, 5, 5, 6]


def test_batch_of_one_frame_copies_nothing() -> None:
    frame = text_frame(b"x" * 1000)
    assert Batch.of([frame]).data is frame


def test_batch_without_frames() -> None:
    empty = Batch.of([])
    assert (empty.data, empty.frames_between(0, 0), empty.next_boundary(0)) == (b"", 0, 0)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=300).map(text_frame), min_size=1, max_size=20), st.data())
def test_batch_agrees_with_counting(frames: list[bytes], data: st.DataObject) -> None:
    batch = Batch.of(frames)
    sent = data.draw(st.integers(0, len(batch.data)))
    stop = data.draw(st.integers(sent, len(batch.data)))
    ends = [sum(map(len, frames[: count + 1])) for count in range(len(frames))]
    assert batch.frames_between(sent, stop) == sum(sent < end <= stop for end in ends)
    assert batch.next_boundary(sent) == min(end for end in (0, *ends) if end >= sent)
