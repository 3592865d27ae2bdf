"""What a slow client is told of what it does not get, beside a model that does the same the plain way."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tornado_realtime.connection.outbox import Outbox
from tornado_realtime.publication import Position
from tornado_realtime.wire.frames import Batch, Source, Span

ANY = 1000
ACK = Batch.of((b"!",), kept=True)
LAST_WORD = Batch.of((b"#",))


def told(channel: str, span: Span | None) -> bytes:
    """What a client reads of a loss."""
    if span is None:
        return f"<{channel}>".encode()
    return f"<{channel}:{span[0].offset}-{span[1].offset}>".encode()


def stream(channel: str, *offsets: int, latest: bool = False, epoch: str = "e") -> Batch:
    """Publications that are called like their channel and position; an offset of 0 is none."""
    frames = [f"{channel}{offset}".encode() for offset in offsets]
    positions = tuple(Position(epoch, offset) if offset else None for offset in offsets)
    return Batch.of(frames, source=Source(channel, told, latest, positions))


def latest(channel: str, *offsets: int) -> Batch:
    return stream(channel, *offsets, latest=True)


def plain(channel: str, *texts: bytes) -> Batch:
    return Batch.of(texts, source=Source(channel, told))


def silent(*texts: bytes) -> Batch:
    return Batch.of(texts, source=Source("s", lambda channel, span: None))


def left(outbox: Outbox) -> bytes:
    return b"".join(outbox.views())


TABLE: list[tuple[str, tuple[Batch, ...], int, int, bytes]] = [
    ("in their place", (stream("a", 1, 2, 3),), 0, 2, b"<a:1-2>a3"),
    ("of all batches", (stream("a", 1, 2), stream("a", 3, 4)), 0, 2, b"<a:1-3>a4"),
    ("behind a frame half sent", (stream("a", 1, 2, 3),), 1, 2, b"1<a:2-2>a3"),
    ("of each channel", (stream("a", 1), stream("b", 7, 8), ACK), 0, 3, b"<a:1-1><b:7-7>b8!"),
    ("before what was said later", (stream("a", 1), ACK, stream("a", 2, 3)), 0, 2, b"<a:1-1>!<a:2-2>a3"),
    ("without positions", (plain("p", b"1", b"22", b"3"),), 0, 2, b"<p>3"),
    ("with a foreign one among them", (stream("a", 1, 0, 2, 3),), 0, 2, b"<a>a3"),
    ("of two streams", (stream("a", 7), stream("a", 1, 2, epoch="f")), 0, 2, b"<a>a2"),
    ("not to who has no words for it", (silent(b"1", b"2", b"3"),), 0, 2, b"23"),
    ("nothing of what has no source", (LAST_WORD, stream("a", 1, 2), LAST_WORD), 0, 3, b"#<a:1-2>#"),
]


@pytest.mark.parametrize(
    ("batches", "sent", "frames", "waits"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_it_is_told(batches: tuple[Batch, ...], sent: int, frames: int, waits: bytes) -> None:
    outbox = Outbox()
    for batch in batches:
        outbox.push(batch, sent if not outbox else 0)
    outbox.drop_oldest(frames, ANY)
    assert left(outbox) == waits
    assert outbox.size_bytes == len(waits)
    outbox.advance(len(waits))
    assert (outbox.frames, outbox.size_bytes, bool(outbox)) == (0, 0, False)


LATEST: list[tuple[str, tuple[Batch, ...], int, bytes]] = [
    ("one alone", (latest("a", 1),), 0, b"a1"),
    ("only the newest of a batch", (latest("a", 1, 2, 3),), 0, b"<a:1-2>a3"),
    ("only the newest of all", (latest("a", 1), latest("a", 2, 3)), 0, b"<a:1-2>a3"),
    ("what is half sent is finished", (latest("a", 1, 2, 3),), 1, b"1<a:2-2>a3"),
    ("half sent, and the newest of the next", (latest("a", 1), latest("a", 2, 3)), 1, b"1<a:2-2>a3"),
    ("half sent is the newest", (latest("a", 1, 2), latest("a", 3)), 3, b"2a3"),
    ("of each channel", (latest("a", 1), latest("b", 5), latest("a", 2)), 0, b"<a:1-1>b5a2"),
    ("among others", (plain("p", b"1"), latest("a", 1), latest("a", 2)), 0, b"1<a:1-1>a2"),
    ("not across an answer", (latest("a", 1), ACK, latest("a", 2), latest("a", 3)), 0, b"<a:1-1>!<a:2-2>a3"),
]


@pytest.mark.parametrize(
    ("batches", "sent", "waits"), [row[1:] for row in LATEST], ids=[row[0] for row in LATEST]
)
def test_only_the_newest_waits(batches: tuple[Batch, ...], sent: int, waits: bytes) -> None:
    outbox = Outbox()
    dropped = 0
    for batch in batches:
        dropped += outbox.push(batch, sent if not outbox else 0)
    assert left(outbox) == waits
    assert outbox.size_bytes == len(waits)
    pushed = sum(len(batch.ends) for batch in batches)
    taken = batches[0].frames_between(0, sent)
    assert outbox.frames == pushed - taken - dropped + waits.count(b"<")


def test_a_notice_that_is_on_its_way_does_not_change() -> None:
    outbox = Outbox()
    outbox.push(stream("a", 1, 2))
    outbox.drop_oldest(1, ANY)
    outbox.advance(1)
    outbox.push(stream("a", 3))
    outbox.drop_oldest(1, ANY)
    assert left(outbox) == b"a:1-1><a:2-2>a3"


def test_a_notice_that_is_out_is_not_meant_any_more() -> None:
    outbox = Outbox()
    outbox.push(stream("a", 1, 2))
    outbox.drop_oldest(1, ANY)
    outbox.advance(len(b"<a:1-1>"))
    outbox.push(stream("a", 3))
    outbox.drop_oldest(1, ANY)
    assert left(outbox) == b"<a:2-2>a3"


def test_nothing_is_told_to_who_is_closed() -> None:
    outbox = Outbox()
    outbox.push(latest("a", 1, 2), sent=1)
    outbox.push(latest("a", 3))
    outbox.keep_begun()
    assert left(outbox) == b"1"
    outbox.push(Batch.of((b"bye",)))
    assert left(outbox) == b"1bye"


def test_what_is_sent_is_let_go() -> None:
    outbox = Outbox()
    for channel in "abc":
        outbox.push(latest(channel, 1))
    outbox.push(latest("a", 2))
    outbox.drop_oldest(1, 4)
    assert left(outbox) == b"<a:1-1><b:1-1><c:1-1>a2"
    outbox.push(LAST_WORD)
    outbox.advance(outbox.size_bytes - 1)
    assert (outbox._newest, left(outbox)) == ({}, b"#")


def test_notices_are_no_answers() -> None:
    outbox = Outbox()
    for channel in "abc":
        outbox.push(stream(channel, 1))
    outbox.push(ACK)
    outbox.push(stream("d", 1))
    outbox.drop_oldest(0, ANY)
    assert left(outbox) == b"<a:1-1><b:1-1><c:1-1>!d1"
    assert outbox.keeps_within(1, 22)
    assert not outbox.keeps_within(1, 21)


# -- the model -------------------------------------------------------------------------------------------


@dataclass
class Entry:
    """One frame that waits; a notice has a span of offsets, a publication its offset."""

    kind: str  # "answer", "firm", "publication", "notice"
    channel: str = ""
    text: bytes = b""
    span: tuple[int, int] = (0, 0)

    @property
    def frame(self) -> bytes:
        if self.kind == "notice":
            return f"<{self.channel}:{self.span[0]}-{self.span[1]}>".encode()
        return self.text


@dataclass
class Model:
    """Frames as a list, of which the first may be half sent; a notice is put where something was dropped."""

    entries: list[Entry] = field(default_factory=list)
    sent: int = 0

    @property
    def left(self) -> bytes:
        return b"".join(entry.frame for entry in self.entries)[self.sent :]

    def advance(self, count: int) -> None:
        self.sent += count
        while self.entries and self.sent >= len(self.entries[0].frame):
            self.sent -= len(self.entries.pop(0).frame)

    def drop(self, place: int) -> None:
        lost = self.entries[place]
        self.entries[place] = Entry("notice", lost.channel, span=(lost.span[0], lost.span[0]))
        # It joins the one before it, unless that is on its way or something else was said in between.
        for before in range(place - 1, -1 if not self.sent else 0, -1):
            found = self.entries[before]
            if found.kind in ("answer", "firm"):
                return
            if found.kind == "notice" and found.channel == lost.channel:
                found.span = (found.span[0], lost.span[0])
                del self.entries[place]
                return

    @property
    def droppable(self) -> list[int]:
        begun = int(self.sent > 0)
        return [n for n, entry in enumerate(self.entries) if n >= begun and entry.kind == "publication"]

    def drop_oldest(self, frames: int, size_bytes: int) -> None:
        while len(self.entries) > frames or len(self.left) > size_bytes:
            newest = [n for n, entry in enumerate(self.entries) if entry.kind in ("publication", "firm")][-1:]
            places = [place for place in self.droppable if place not in newest]
            if not places:
                return
            self.drop(places[0])

    def keep_newest(self, channel: str) -> None:
        while len(places := [n for n in self.droppable if self.entries[n].channel == channel]) > 1:
            self.drop(places[0])


POLICIES = {"a": "drop_oldest", "b": "drop_oldest", "l": "latest", "m": "latest", "f": "disconnect"}


class Machine(RuleBasedStateMachine):
    """Does the same to both."""

    def __init__(self) -> None:
        super().__init__()
        self.outbox, self.model = Outbox(), Model()
        self.offsets = dict.fromkeys(POLICIES, 0)

    @rule(
        channel=st.sampled_from(sorted(POLICIES)), sizes=st.lists(st.integers(0, 5), min_size=1, max_size=5)
    )
    def publish(self, channel: str, sizes: list[int]) -> None:
        entries = [self._next(channel, size) for size in sizes]
        self.outbox.push(self._batch(channel, entries))
        self.model.entries += entries
        if POLICIES[channel] == "latest":
            self.model.keep_newest(channel)

    @rule(channel=st.sampled_from(sorted(POLICIES)), data=st.data())
    def publish_half(self, channel: str, data: st.DataObject) -> None:
        if self.outbox:
            return
        entries = [self._next(channel, 3) for _ in range(3)]
        batch = self._batch(channel, entries)
        sent = data.draw(st.integers(0, len(batch.data) - 1))
        self.outbox.push(batch, sent)
        self.model.entries, self.model.sent = entries, 0
        self.model.advance(sent)
        if POLICIES[channel] == "latest":
            self.model.keep_newest(channel)

    @rule()
    def answer(self) -> None:
        self.outbox.push(ACK)
        self.model.entries.append(Entry("answer", text=b"!"))

    @rule(count=st.integers(1, 30))
    def advance(self, count: int) -> None:
        count = min(count, len(self.model.left))
        self.outbox.advance(count)
        self.model.advance(count)

    @rule(frames=st.integers(0, 12), size_bytes=st.integers(0, 80))
    def drop_oldest(self, frames: int, size_bytes: int) -> None:
        self.outbox.drop_oldest(frames, size_bytes)
        self.model.drop_oldest(frames, size_bytes)

    def _next(self, channel: str, size: int) -> Entry:
        offset = self.offsets[channel] = self.offsets[channel] + 1
        kind = "firm" if POLICIES[channel] == "disconnect" else "publication"
        return Entry(kind, channel, f"{channel}{offset}".encode() + b"." * size, (offset, offset))

    def _batch(self, channel: str, entries: list[Entry]) -> Batch:
        frames = [entry.text for entry in entries]
        if POLICIES[channel] == "disconnect":
            return Batch.of(frames)
        positions = tuple(Position("e", entry.span[0]) for entry in entries)
        return Batch.of(frames, source=Source(channel, told, POLICIES[channel] == "latest", positions))

    @invariant()
    def they_agree(self) -> None:
        waiting = b"".join(bytes(piece.batch.data)[piece.start : piece.stop] for piece in self._pieces())
        assert waiting == self.model.left
        assert self.outbox.frames == len(self.model.entries)
        assert self.outbox.size_bytes == len(self.model.left)

    def _pieces(self) -> list[Any]:
        return [*self.outbox._kept, *self.outbox._pieces]


Machine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestNotices = Machine.TestCase


@given(st.lists(st.integers(1, 40), max_size=30), st.integers(1, 6))
def test_every_loss_is_told_once(publishing: list[int], frames: int) -> None:
    """What is read is each position once, as a message or as part of a notice, in order."""
    outbox, read, offset = Outbox(), b"", 0
    for step in publishing:
        if step > 20 and outbox:
            taken = min(step, outbox.size_bytes)
            read += left(outbox)[:taken]
            outbox.advance(taken)
        else:
            offsets = range(offset + 1, offset + 1 + step % 7)
            offset += len(offsets)
            if offsets:
                outbox.push(stream("a", *offsets))
                outbox.drop_oldest(frames, ANY)
    read += left(outbox)
    found: list[int] = []
    for one, two, three in re.findall(rb"<a:(\d+)-(\d+)>|a(\d+)", read):
        found += [int(three)] if three else range(int(one), int(two) + 1)
    assert found == list(range(1, offset + 1))
