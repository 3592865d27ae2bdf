"""What is kept of streams in memory: bounded in every direction, and honest about what is gone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_realtime.brokers import streams
from tornado_realtime.brokers.base import KEY_SECONDS
from tornado_realtime.brokers.keys import Keys
from tornado_realtime.brokers.streams import ENTRY_BYTES, STREAM_BYTES, Streams
from tornado_realtime.metrics import BrokerCounters
from tornado_realtime.publication import History, Last, Position, Publication, Sender, Taken
from tornado_realtime.traits import Retention

KEEP = Retention(entries=5, seconds=60.0, size_bytes=1000)


class Shelf:
    """Streams whose clock a test turns."""

    def __init__(self, most: int = 1000, most_bytes: int = 10**9) -> None:
        self.now = 1000.0
        self.counters = BrokerCounters()
        self.streams = Streams(lambda: self.now, self.counters, most, most_bytes)

    def publish(self, *messages: bytes, channel: str = "a", retention: Retention = KEEP) -> Position:
        for message in messages:
            placed = self.streams.append(Publication(channel, message), retention)
        assert placed.position is not None
        return placed.position

    def read(
        self,
        since: Position | Last | None = None,
        limit: int = 1000,
        *,
        reverse: bool = False,
        channel: str = "a",
        retention: Retention = KEEP,
    ) -> History:
        return self.streams.read(channel, retention, since, limit, reverse=reverse)

    def texts(
        self, since: Position | Last | None = None, limit: int = 1000, *, reverse: bool = False
    ) -> tuple[bool, list[bytes], bool]:
        found = self.read(since, limit, reverse=reverse)
        return found.recovered, [item.data for item in found.items], found.more


def test_positions_count_by_one_and_each_publication_has_its_time_and_author() -> None:
    shelf, author = Shelf(), Sender("u1", "c1")
    one = shelf.streams.append(Publication("a", b"1", sender=author), KEEP)
    shelf.now += 5
    two = shelf.streams.append(Publication("a", b"2"), KEEP)
    assert one.position is not None
    assert two.position == Position(one.position.epoch, 2)
    assert one == Publication("a", b"1", Position(one.position.epoch, 1), author, 1000.0)
    assert two.time == 1005.0
    assert shelf.read() == History(two.position, (one, two))


def test_what_was_never_published_to_has_a_position_from_which_it_can_be_recovered() -> None:
    shelf = Shelf()
    nothing = shelf.read()
    assert nothing == History(Position(nothing.position.epoch, 0))
    assert len(shelf.streams) == shelf.streams.size_bytes == 0
    shelf.publish(b"1", b"2")
    assert shelf.texts(nothing.position) == (True, [b"1", b"2"], False)


def test_a_ring_is_bounded_in_entries_bytes_and_age() -> None:
    shelf = Shelf()
    shelf.publish(*(b"%d" % number for number in range(8)))
    assert shelf.texts()[1] == [b"3", b"4", b"5", b"6", b"7"]
    shelf.publish(b"x" * 998)
    assert shelf.texts()[1] == [b"6", b"7", b"x" * 998]
    shelf.now += 30
    shelf.publish(b"8")
    assert shelf.texts()[1] == [b"7", b"x" * 998, b"8"]
    shelf.now += 30
    assert shelf.texts()[1] == [b"8"]
    shelf.now += 30
    assert shelf.read() == History(shelf.streams.position("a"))
    assert shelf.streams.position("a").offset == 10


def test_a_publication_larger_than_everything_is_counted_and_not_kept() -> None:
    shelf = Shelf()
    before = shelf.publish(b"1")
    last = shelf.publish(b"x" * 1001)
    assert shelf.read() == History(last)
    assert shelf.texts(before) == (False, [], False)
    assert shelf.texts(last) == (True, [], False)


def test_whoever_missed_more_than_is_kept_is_told() -> None:
    shelf = Shelf()
    last = shelf.publish(*(b"%d" % number for number in range(8)))
    epoch = last.epoch
    assert shelf.texts(Position(epoch, 3)) == (True, [b"3", b"4", b"5", b"6", b"7"], False)
    assert shelf.texts(Position(epoch, 2)) == (False, [], False)
    assert shelf.texts(Position(epoch, 8)) == (True, [], False)
    assert shelf.texts(Position(epoch, 9)) == (False, [], False)
    assert shelf.texts(Position("other", 8)) == (False, [], False)


@pytest.mark.parametrize(
    ("since", "limit", "reverse", "texts", "more"),
    [
        (None, 2, False, [b"3", b"4"], True),
        (None, 2, True, [b"7", b"6"], True),
        (None, 5, True, [b"7", b"6", b"5", b"4", b"3"], False),
        (4, 2, False, [b"4", b"5"], True),
        (6, 2, False, [b"6", b"7"], False),
        (6, 2, True, [b"4", b"3"], False),
        (8, 2, True, [b"6", b"5"], True),
        (1, 2, True, [], False),
        (Last(2), 9, False, [b"6", b"7"], False),
        (Last(2), 9, True, [b"7", b"6"], False),
        (Last(4), 3, False, [b"4", b"5", b"6"], True),
        (Last(4), 3, True, [b"7", b"6", b"5"], True),
        (Last(0), 9, False, [], False),
        (Last(2**53), 9, False, [b"3", b"4", b"5", b"6", b"7"], False),
        (None, 0, False, [], True),
        (8, 0, False, [], False),
    ],
)
def test_reading(since: int | Last | None, limit: int, reverse: bool, texts: list[bytes], more: bool) -> None:
    shelf = Shelf()
    last = shelf.publish(*(b"%d" % number for number in range(8)))
    place = Position(last.epoch, since) if isinstance(since, int) else since
    assert shelf.texts(place, limit, reverse=reverse) == (True, texts, more)
    assert shelf.read(place, limit, reverse=reverse).position == last


@given(st.integers(1, 60), st.integers(0, 60), st.integers(0, 60), st.booleans())
def test_reading_is_the_same_from_either_end(size: int, offset: int, limit: int, reverse: bool) -> None:
    shelf, keep = Shelf(), Retention(1000, 60.0, 10**6)
    last = shelf.publish(*(b"%d" % (number + 1) for number in range(size)), retention=keep)
    offset = min(offset, size)
    found = shelf.read(Position(last.epoch, offset), limit, reverse=reverse, retention=keep)
    expected = list(range(offset - 1, 0, -1) if reverse else range(offset + 1, size + 1))
    assert [int(item.data) for item in found.items] == expected[:limit]
    assert found.more == (len(expected) > limit)


def test_the_least_recently_published_stream_goes_first_and_comes_back_as_another() -> None:
    shelf = Shelf(most=2)
    first = shelf.publish(b"1", channel="a")
    shelf.publish(b"1", channel="b")
    again = shelf.publish(b"2", channel="a")
    assert again == Position(first.epoch, 2)
    unborn = shelf.streams.position("d")
    shelf.publish(b"1", channel="c")
    assert len(shelf.streams) == 2
    assert shelf.counters.streams_evicted == 1
    assert shelf.read(again, channel="a").recovered
    gone = shelf.publish(b"1", channel="b")
    assert gone.offset == 1
    assert gone.epoch != first.epoch
    assert not shelf.read(Position(first.epoch, 1), channel="b").recovered
    # Nothing was missed there, but that cannot be told from a stream that is gone.
    assert not shelf.read(unborn, channel="d").recovered


def test_all_streams_together_are_bounded_in_bytes() -> None:
    room = 2 * STREAM_BYTES + 4 * (ENTRY_BYTES + 100)
    shelf = Shelf(most_bytes=room)
    shelf.publish(b"x" * 100, b"x" * 100, channel="a")
    shelf.publish(b"x" * 100, b"x" * 100, channel="b")
    assert shelf.streams.size_bytes == room
    shelf.publish(b"x", channel="b")
    assert (len(shelf.streams), shelf.counters.streams_evicted) == (1, 1)
    lonely = Shelf(most_bytes=STREAM_BYTES + 2 * ENTRY_BYTES + 10)
    last = lonely.publish(b"1" * 5, b"2" * 5, b"3" * 5)
    assert lonely.texts()[1] == [b"2" * 5, b"3" * 5]
    assert last.offset == 3


def test_quiet_streams_are_emptied_while_others_are_published_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "SWEEP_SIZE", 3)
    shelf, long = Shelf(), Retention(5, 1000.0, 1000)
    for number in range(5):
        shelf.publish(b"x", channel=f"quiet {number}")
    shelf.publish(b"x", channel="long", retention=long)
    shelf.now += 61
    for turn in range(3):
        shelf.publish(b"x", channel="busy", retention=long)
        shelf.now += 1
        emptied = min(5, 3 * (turn + 1))
        expected = STREAM_BYTES * 7 + (5 - emptied + 1 + turn + 1) * (ENTRY_BYTES + 1)
        assert shelf.streams.size_bytes == expected
    assert shelf.streams.position("quiet 1").offset == 1


def test_a_clock_that_goes_back_stops_nothing() -> None:
    shelf = Shelf()
    shelf.publish(b"1")
    shelf.now -= 500
    last = shelf.publish(b"2")
    assert shelf.texts(Position(last.epoch, 0)) == (True, [b"1", b"2"], False)


@given(st.data())
def test_what_is_reckoned_is_what_is_there(data: st.DataObject) -> None:
    shelf = Shelf(most=3, most_bytes=4 * STREAM_BYTES)
    keep = {"a": KEEP, "b": Retention(2, 5.0, 50), "c": KEEP, "d": Retention(9, 500.0, 10**6)}
    for _ in range(data.draw(st.integers(0, 40))):
        channel = data.draw(st.sampled_from("abcd"))
        if data.draw(st.booleans()):
            message = b"x" * data.draw(st.integers(1, 1200))
            shelf.publish(message, channel=channel, retention=keep[channel])
        else:
            shelf.read(channel=channel, retention=keep[channel])
        shelf.now += data.draw(st.sampled_from([0.0, 0.4, 2.0, 70.0]))
        kept = shelf.streams._streams
        assert shelf.streams.size_bytes == sum(stream.cost_bytes for stream in kept.values())
        assert shelf.streams.size_bytes <= 4 * STREAM_BYTES
        assert len(kept) <= 3
        for name, stream in kept.items():
            assert stream.size_bytes == sum(len(item.data) for item in stream.entries)
            assert len(stream.entries) <= keep[name].entries
            assert not stream.entries or name in shelf.streams._kept[keep[name].seconds]
    names = [name for kept_of in shelf.streams._kept.values() for name in kept_of]
    assert set(names) <= kept.keys() if names else True


def test_keys_are_remembered_for_their_time_and_bounded() -> None:
    now, counters = 0.0, BrokerCounters()
    keys = Keys(lambda: now, counters, most=2)
    first = Taken(Position("e", 1))
    keys.remember("a", "k", first)
    assert keys.find("a", "k") is first
    assert keys.find("b", "k") is keys.find("a", "l") is None
    now = KEY_SECONDS - 1
    keys.remember("b", "k", Taken())
    assert keys.find("a", "k") is first
    now = KEY_SECONDS
    assert keys.find("a", "k") is None
    assert len(keys) == 1
    keys.remember("c", "k", Taken())
    keys.remember("d", "k", Taken())
    assert keys.find("b", "k") is None
    assert keys.find("d", "k") == Taken()
    assert counters.keys_forgotten == 1
