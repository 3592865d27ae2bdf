"""The bounded queue in front of a socket: what is in it, what goes out, what may be dropped."""

from __future__ import annotations

from itertools import accumulate

from hypothesis import given, settings
from hypothesis import strategies as st

from tornado_realtime.connection.outbox import VIEWS_SIZE, Outbox
from tornado_realtime.wire.frames import Batch

ABC = Batch.of((b"aaaa", b"bb", b"ccc"))


def bytes_of(outbox: Outbox) -> bytes:
    return b"".join(outbox.views())


def test_it_begins_empty() -> None:
    outbox = Outbox()
    assert not outbox
    assert (outbox.frames, outbox.size_bytes, outbox.views()) == (0, 0, [])


def test_a_batch_that_was_half_sent_before() -> None:
    outbox = Outbox()
    outbox.push(ABC, 5)
    assert (outbox.frames, outbox.size_bytes) == (2, 4)
    assert bytes_of(outbox) == b"bccc"


def test_advance_over_frames_and_batches() -> None:
    outbox = Outbox()
    outbox.push(ABC)
    outbox.push(ABC)
    outbox.advance(4)
    assert (outbox.frames, outbox.size_bytes, outbox.written_bytes) == (5, 14, 4)
    outbox.advance(1)
    assert (outbox.frames, bytes_of(outbox)) == (5, b"bcccaaaabbccc")
    outbox.advance(5)
    assert (outbox.frames, bytes_of(outbox)) == (3, b"aaabbccc")
    outbox.advance(8)
    assert not outbox
    assert (outbox.frames, outbox.size_bytes, outbox.written_bytes) == (0, 0, 18)


def test_views_are_shared_bytes_and_not_too_many() -> None:
    outbox = Outbox()
    for _ in range(VIEWS_SIZE + 1):
        outbox.push(ABC)
    views = outbox.views()
    assert len(views) == VIEWS_SIZE
    assert all(view.obj is ABC.data for view in views)


def test_keep_begun_drops_everything_at_a_boundary() -> None:
    for sent in (0, 4, 6):
        outbox = Outbox()
        outbox.push(ABC, sent)
        outbox.push(ABC)
        outbox.keep_begun()
        assert not outbox
        assert (outbox.frames, outbox.size_bytes) == (0, 0)


def test_keep_begun_keeps_the_rest_of_a_frame_half_sent() -> None:
    outbox = Outbox()
    outbox.push(ABC, 5)
    outbox.push(ABC)
    outbox.keep_begun()
    assert (outbox.frames, outbox.size_bytes, bytes_of(outbox)) == (1, 1, b"b")


def test_keep_begun_of_nothing() -> None:
    outbox = Outbox()
    outbox.keep_begun()
    assert not outbox


def test_keep_begun_leaves_room_for_a_last_word() -> None:
    outbox = Outbox()
    outbox.push(ABC, 1)
    outbox.keep_begun()
    outbox.push(Batch.of((b"bye",)))
    assert bytes_of(outbox) == b"aaabye"
    outbox.advance(4)
    assert (outbox.frames, bytes_of(outbox)) == (1, b"ye")


frames_of_batches = st.lists(st.lists(st.binary(min_size=1, max_size=9), min_size=1, max_size=5), min_size=1)


@settings(deadline=None, max_examples=200)
@given(frames_of_batches, st.integers(0, 44), st.lists(st.integers(1, 12)))
def test_counts_are_what_is_left_whatever_the_socket_takes(
    runs: list[list[bytes]], sent: int, steps: list[int]
) -> None:
    everything = b"".join(b"".join(run) for run in runs)
    sent = min(sent, len(b"".join(runs[0])) - 1)
    outbox = Outbox()
    for run in runs:
        outbox.push(Batch.of(run), sent if not outbox else 0)
    ends = list(accumulate(len(frame) for run in runs for frame in run))
    for step in steps:
        left = len(everything) - sent
        step = min(step, left)
        outbox.advance(step)
        sent += step
        assert outbox.size_bytes == len(everything) - sent
        assert outbox.frames == sum(end > sent for end in ends)
        assert everything.startswith(bytes_of(outbox), sent)
        assert bool(outbox) == (sent < len(everything))
