"""Which frames a full outbox drops, beside a list of frames that does the same the plain way."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.support.connections import RAW
from tornado_realtime.connection.outbox import Outbox
from tornado_realtime.wire.frames import Batch, Source

NEWS = Source("news", RAW.lost)
ABC = Batch.of((b"aaaa", b"bb", b"ccc"), source=NEWS)
DEF = Batch.of((b"dd", b"eeee", b"f"), source=NEWS)
PING = Batch.of((b"!!",), kept=True)
PONG = Batch.of((b"??",), kept=True)
ANY = 1000


def outbox_of(*batches: Batch, sent: int = 0) -> Outbox:
    outbox = Outbox()
    for batch in batches:
        outbox.push(batch, sent if not outbox else 0)
    return outbox


def bytes_of(outbox: Outbox) -> bytes:
    return b"".join(outbox.views())


TABLE: list[tuple[str, tuple[Batch, ...], int, tuple[int, int], bytes]] = [
    ("nothing to do", (ABC, DEF), 0, (6, 16), b"aaaabbcccddeeeef"),
    ("one frame", (ABC, DEF), 0, (5, ANY), b"bbcccddeeeef"),
    ("one byte is one frame", (ABC, DEF), 0, (6, 15), b"bbcccddeeeef"),
    ("the bytes of one frame", (ABC, DEF), 0, (6, 12), b"bbcccddeeeef"),
    ("one byte more is two frames", (ABC, DEF), 0, (6, 11), b"cccddeeeef"),
    ("frames before bytes", (ABC, DEF), 0, (4, 11), b"cccddeeeef"),
    ("bytes before frames", (ABC, DEF), 0, (5, 9), b"ddeeeef"),
    ("a whole batch", (ABC, DEF), 0, (3, ANY), b"ddeeeef"),
    ("over the border of two", (ABC, DEF), 0, (2, ANY), b"eeeef"),
    ("all but the newest", (ABC, DEF), 0, (0, 0), b"f"),
    ("all but the newest of one batch", (ABC,), 0, (0, 0), b"ccc"),
    ("sent up to a border", (ABC, DEF), 4, (4, ANY), b"cccddeeeef"),
    ("half a frame is finished", (ABC, DEF), 5, (4, ANY), b"bddeeeef"),
    ("half a frame counts", (ABC, DEF), 1, (6, 14), b"aaacccddeeeef"),
    ("half a frame at the end of its batch", (ABC, DEF), 8, (3, ANY), b"ceeeef"),
    ("only half a frame and the newest", (ABC, DEF), 1, (0, 0), b"aaaf"),
    ("half of the newest", (ABC,), 7, (0, 0), b"cc"),
    ("replies stay", (ABC, PING, DEF), 0, (2, ANY), b"!!f"),
    ("replies stay in their place", (ABC, PING, DEF), 0, (4, ANY), b"!!ddeeeef"),
    ("replies stay, all of them", (PING, ABC, PONG, DEF, PING), 0, (0, 0), b"!!??f!!"),
    ("nothing but replies", (PING, PONG), 0, (0, 0), b"!!??"),
    ("half a reply", (PING, ABC), 1, (2, ANY), b"!ccc"),
    ("half a reply, and a border behind it", (PING, ABC, DEF), 1, (2, ANY), b"!f"),
    ("the newest before a reply", (ABC, PING), 0, (0, 0), b"ccc!!"),
    ("nothing", (), 0, (0, 0), b""),
]


@pytest.mark.parametrize(
    ("batches", "sent", "bounds", "left"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_what_is_dropped(batches: tuple[Batch, ...], sent: int, bounds: tuple[int, int], left: bytes) -> None:
    outbox = outbox_of(*batches, sent=sent)
    frames = outbox.frames
    dropped = outbox.drop_oldest(*bounds)
    assert bytes_of(outbox) == left
    assert outbox.size_bytes == len(left)
    assert outbox.frames == frames - dropped
    assert bool(outbox) == bool(left)
    outbox.advance(len(left))
    assert (outbox.frames, outbox.size_bytes, outbox.written_bytes) == (0, 0, sent + len(left))
    assert not outbox


def test_nothing_is_copied() -> None:
    outbox = outbox_of(ABC, PING, DEF, ABC, sent=1)
    outbox.drop_oldest(4, ANY)
    assert bytes_of(outbox) == b"aaa!!bbccc"
    assert [view.obj for view in outbox.views()] == [ABC.data, PING.data, ABC.data]
    outbox.keep_begun()
    (rest,) = outbox.views()
    assert rest.obj is ABC.data


def test_a_half_sent_frame_is_only_kept_once() -> None:
    outbox = outbox_of(ABC, DEF, sent=1)
    outbox.drop_oldest(5, ANY)
    outbox.drop_oldest(4, ANY)
    assert bytes_of(outbox) == b"aaaddeeeef"
    outbox.advance(1)
    outbox.drop_oldest(2, ANY)
    assert (bytes_of(outbox), outbox.frames) == (b"aaf", 2)
    outbox.keep_begun()
    assert (bytes_of(outbox), outbox.frames, outbox.size_bytes) == (b"aa", 1, 2)


@pytest.mark.parametrize(("frames", "size_bytes", "within"), [(2, 4, True), (1, 4, False), (2, 3, False)])
def test_what_is_to_be_kept_has_bounds(frames: int, size_bytes: int, within: bool) -> None:
    outbox = outbox_of(ABC, PING, DEF, PONG, sent=1)
    assert outbox.keeps_within(frames, size_bytes) is within
    outbox.drop_oldest(0, 0)
    assert outbox.keeps_within(frames, size_bytes) is within


# -- the model -------------------------------------------------------------------------------------------


class Model:
    """Frames as a list; the first may be half sent."""

    def __init__(self) -> None:
        self.frames: list[tuple[bytes, bool]] = []
        self.sent = 0

    @property
    def left(self) -> bytes:
        return b"".join(frame for frame, _ in self.frames)[self.sent :]

    def advance(self, count: int) -> None:
        self.sent += count
        while self.frames and self.sent >= len(self.frames[0][0]):
            self.sent -= len(self.frames.pop(0)[0])

    def drop_oldest(self, frames: int, size_bytes: int) -> int:
        dropped, begun = 0, int(self.sent > 0)
        while len(self.frames) > frames or len(self.left) > size_bytes:
            places = [n for n, (_, kept) in enumerate(self.frames) if n >= begun and not kept]
            if len(places) < 2:
                break
            del self.frames[places[0]]
            dropped += 1
        return dropped

    def keep_begun(self) -> None:
        self.frames = self.frames[: int(self.sent > 0)]


class Machine(RuleBasedStateMachine):
    """Does the same to both."""

    def __init__(self) -> None:
        super().__init__()
        self.outbox, self.model = Outbox(), Model()

    @rule(frames=st.lists(st.binary(min_size=1, max_size=9), min_size=1, max_size=6))
    def push(self, frames: list[bytes]) -> None:
        self.outbox.push(Batch.of(frames, source=NEWS))
        self.model.frames += [(frame, False) for frame in frames]

    @rule(frames=st.lists(st.binary(min_size=1, max_size=9), min_size=1, max_size=6), data=st.data())
    def push_begun(self, frames: list[bytes], data: st.DataObject) -> None:
        if not self.outbox:
            batch = Batch.of(frames, source=NEWS)
            sent = data.draw(st.integers(0, len(batch.data) - 1))
            self.outbox.push(batch, sent)
            self.model.frames, self.model.sent = [(frame, False) for frame in frames], 0
            self.model.advance(sent)

    @rule(frame=st.binary(min_size=1, max_size=3))
    def push_kept(self, frame: bytes) -> None:
        self.outbox.push(Batch.of((frame,), kept=True))
        self.model.frames.append((frame, True))

    @rule(count=st.integers(1, 12))
    def advance(self, count: int) -> None:
        count = min(count, len(self.model.left))
        self.outbox.advance(count)
        self.model.advance(count)

    @rule(frames=st.integers(0, 12), size_bytes=st.integers(0, 60))
    def drop_oldest(self, frames: int, size_bytes: int) -> None:
        assert self.outbox.drop_oldest(frames, size_bytes) == self.model.drop_oldest(frames, size_bytes)

    @rule()
    def keep_begun(self) -> None:
        self.outbox.keep_begun()
        self.model.keep_begun()

    @invariant()
    def are_alike(self) -> None:
        assert b"".join(self.outbox.views()) == self.model.left
        assert self.outbox.size_bytes == len(self.model.left)
        assert self.outbox.frames == len(self.model.frames)
        assert bool(self.outbox) == bool(self.model.left)
        kept = [frame for frame, is_kept in self.model.frames if is_kept]
        assert self.outbox.keeps_within(len(kept), ANY)
        assert not kept or not self.outbox.keeps_within(len(kept) - 1, ANY)


TestMachine = Machine.TestCase
TestMachine.settings = settings(deadline=None, max_examples=150, stateful_step_count=30)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(1, 12), st.integers(1, 60))
def test_dropping_as_one_goes_leaves_the_newest(sizes: list[int], frames: int, size_bytes: int) -> None:
    """What a client reads at last is the end of what was published, as much as the bounds have room for."""
    outbox, published = Outbox(), [bytes((65 + n,)) * size for n, size in enumerate(sizes)]
    for frame in published:
        outbox.push(Batch.of((frame,), source=NEWS))
        outbox.drop_oldest(frames, size_bytes)
    best = [n for n in range(1, len(published) + 1) if n <= frames and sum(sizes[-n:]) <= size_bytes]
    assert bytes_of(outbox) == b"".join(published[-max(best, default=1) :])
