"""The fan-out: encoded once, in order, a slice at a time, and nobody's trouble is anybody else's."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable

import pytest

from tests.support.connections import AGAIN, RAW, NotingOwner, ScriptedConnection, payloads
from tornado_realtime.connection import Limits
from tornado_realtime.hub.fanout import Fanout, batches
from tornado_realtime.members import Listing
from tornado_realtime.metrics import Counters
from tornado_realtime.publication import Publication
from tornado_realtime.wire.base import Wire
from tornado_realtime.wire.commands import Command, Reject, Subscribe, Unsubscribe
from tornado_realtime.wire.frames import Batch, text_frame
from tornado_realtime.wire.raw import RawWire


class CountingWire(Wire):
    """Marks what it encodes, and counts."""

    name = "counting"

    def __init__(self, mark: bytes = b"") -> None:
        self.mark = mark
        self.encoded: list[bytes] = []

    def encode(self, publication: Publication) -> bytes | None:
        self.encoded.append(publication.data)
        if publication.data == b"fails":
            raise RuntimeError("a bug in a wire")
        return None if publication.data == b"dropped" else text_frame(self.mark + publication.data)

    def decode(self, message: bytes, is_text: bool) -> Command:
        return Reject()

    def subscribed(self, command: Subscribe, listing: Listing | None = None) -> bytes | None:
        return None

    def unsubscribed(self, command: Unsubscribe) -> bytes | None:
        return None


class Subscriber(ScriptedConnection):
    """Does something of its own when it is offered a batch."""

    def __init__(self, wire: Wire = RAW) -> None:
        super().__init__(NotingOwner(), wire=wire)
        self.batches: list[Batch] = []
        self.on_offer: Callable[[], None] = lambda: None

    def offer(self, batch: Batch) -> None:
        self.batches.append(batch)
        self.on_offer()
        super().offer(batch)

    @property
    def got(self) -> list[bytes]:
        return payloads(self.sent)


class World:
    """A fan-out whose turns of the loop are the test's."""

    def __init__(self, limits: Limits | None = None, slice_size: int = 256) -> None:
        self.callbacks: deque[Callable[[], None]] = deque()
        self.counters = Counters()
        self.fanout = Fanout(limits or Limits(), self.callbacks.append, slice_size, self.counters)

    def turn(self) -> None:
        """One turn; at most one flush is ever scheduled."""
        assert len(self.callbacks) == 1
        self.callbacks.popleft()()

    def settle(self) -> int:
        turns = 0
        while self.callbacks:
            self.turn()
            turns += 1
        assert self.fanout.idle.is_set()
        return turns

    def deliver(self, channel: str, *messages: bytes) -> None:
        for message in messages:
            self.fanout.deliver(Publication(channel, message))

    def crowd(self, channel: str, size: int, wire: Wire = RAW) -> list[Subscriber]:
        subscribers = [Subscriber(wire) for _ in range(size)]
        for subscriber in subscribers:
            self.fanout.subscribe(subscriber, channel)
        return subscribers


@pytest.fixture
def world() -> World:
    return World()


def test_publications_arrive_in_order_joined_into_one_offer(world: World) -> None:
    (one, two) = world.crowd("news", 2)
    world.deliver("news", b"1", b"2", b"3")
    assert one.batches == []
    assert world.settle() == 1
    assert one.got == two.got == [b"1", b"2", b"3"]
    assert len(one.batches) == len(two.batches) == 1
    assert one.batches[0] is two.batches[0]


def test_each_publication_is_encoded_once_for_each_wire(world: World) -> None:
    first, second = CountingWire(b"a"), CountingWire(b"b")
    world.crowd("news", 3, first)
    (listener, *_) = world.crowd("news", 3, second)
    world.deliver("news", b"1", b"2")
    world.settle()
    assert first.encoded == second.encoded == [b"1", b"2"]
    assert listener.got == [b"b1", b"b2"]


def test_nobody_listens(world: World) -> None:
    world.deliver("news", b"1")
    assert not world.callbacks
    assert world.fanout.idle.is_set()


def test_channels_are_apart(world: World) -> None:
    (news,), (chat,) = world.crowd("news", 1), world.crowd("chat", 1)
    world.deliver("news", b"n")
    world.deliver("chat", b"c")
    world.settle()
    assert (news.got, chat.got) == ([b"n"], [b"c"])


def test_first_and_last_subscriber_are_reported(world: World) -> None:
    one, two = Subscriber(), Subscriber()
    assert world.fanout.subscribe(one, "news")
    assert not world.fanout.subscribe(two, "news")
    assert not world.fanout.unsubscribe(one, "news")
    assert not world.fanout.unsubscribe(one, "news")
    assert world.fanout.unsubscribe(two, "news")
    assert not world.fanout.unsubscribe(two, "news")
    assert not world.fanout.channels


def test_subscribed_twice_is_delivered_once(world: World) -> None:
    (one,) = world.crowd("news", 1)
    world.fanout.subscribe(one, "news")
    world.deliver("news", b"1")
    world.settle()
    assert one.got == [b"1"]


# -- slices --------------------------------------------------------------------------------------


def test_a_flush_is_cut_in_slices() -> None:
    world = World(slice_size=4)
    crowd = world.crowd("news", 10)
    world.deliver("news", b"1")
    served = []
    while world.callbacks:
        world.turn()
        served.append(sum(len(subscriber.batches) for subscriber in crowd))
    assert served == [4, 8, 10]
    assert all(subscriber.got == [b"1"] for subscriber in crowd)


def test_what_is_published_meanwhile_becomes_the_next_batch() -> None:
    world = World(slice_size=4)
    crowd = world.crowd("news", 10)
    world.deliver("news", b"1")
    world.turn()
    world.deliver("news", b"2", b"3")
    world.settle()
    assert all(subscriber.got == [b"1", b"2", b"3"] for subscriber in crowd)
    assert all(len(subscriber.batches) == 2 for subscriber in crowd)


def test_a_crowded_channel_does_not_hold_up_the_others() -> None:
    world = World(slice_size=4)
    crowd, few = world.crowd("crowded", 40), world.crowd("quiet", 2)
    world.deliver("crowded", b"1")
    world.deliver("quiet", b"2")
    world.turn()
    world.turn()
    assert all(subscriber.got == [b"2"] for subscriber in few)
    assert sum(len(subscriber.batches) for subscriber in crowd) < 8
    world.settle()
    assert all(subscriber.got == [b"1"] for subscriber in crowd)


def test_many_small_channels_share_a_turn() -> None:
    world = World(slice_size=100)
    listeners = [world.crowd(f"channel {number}", 1)[0] for number in range(50)]
    for number in range(50):
        world.deliver(f"channel {number}", b"1")
    assert world.settle() == 1
    assert all(listener.got == [b"1"] for listener in listeners)


def test_channels_that_everybody_left_do_not_make_a_turn_endless() -> None:
    world = World(slice_size=4)
    for number in range(10):
        (subscriber,) = world.crowd(f"channel {number}", 1)
        world.deliver(f"channel {number}", b"1")
        world.fanout.unsubscribe(subscriber, f"channel {number}")
    assert world.settle() == 3


# -- coming and going during a flush ---------------------------------------------------------------


def test_who_subscribes_before_the_flush_gets_only_what_comes_after(world: World) -> None:
    (early,) = world.crowd("news", 1)
    world.deliver("news", b"1", b"2")
    (late,) = world.crowd("news", 1)
    world.deliver("news", b"3")
    world.settle()
    assert early.got == [b"1", b"2", b"3"]
    assert late.got == [b"3"]


def test_who_subscribes_inside_a_flush_gets_only_what_comes_after() -> None:
    world = World(slice_size=1)
    one, two = world.crowd("news", 2)
    world.deliver("news", b"1")
    world.turn()
    (late,) = world.crowd("news", 1)
    world.deliver("news", b"2")
    world.settle()
    assert one.got == two.got == [b"1", b"2"]
    assert late.got == [b"2"]


def test_who_unsubscribed_gets_nothing_more(world: World) -> None:
    one, two = world.crowd("news", 2)
    world.deliver("news", b"1")
    world.fanout.unsubscribe(one, "news")
    world.settle()
    assert (one.got, two.got) == ([], [b"1"])


def test_who_unsubscribes_inside_a_flush_gets_nothing_more() -> None:
    world = World(slice_size=1)
    one, two = world.crowd("news", 2)
    world.deliver("news", b"1")
    world.turn()
    world.fanout.unsubscribe(two, "news")
    world.settle()
    assert (one.got, two.got) == ([b"1"], [])


@pytest.mark.parametrize("others", [0, 1])
def test_who_comes_back_inside_a_flush_gets_only_what_comes_after(others: int) -> None:
    world = World(slice_size=1)
    world.crowd("news", others)
    first, back = world.crowd("news", 2)
    world.deliver("news", b"1")
    world.turn()
    for subscriber in (first, back) if not others else (back,):
        world.fanout.unsubscribe(subscriber, "news")
    world.fanout.subscribe(back, "news")
    world.deliver("news", b"2")
    world.settle()
    assert back.got == [b"2"]


def test_one_subscriber_takes_the_next_one_out_while_it_is_served(world: World) -> None:
    one, two, three = world.crowd("news", 3)

    def take_out() -> None:
        world.fanout.unsubscribe(two, "news")

    one.on_offer = take_out
    world.deliver("news", b"1")
    world.settle()
    assert (two.batches, three.got) == ([], [b"1"])


def test_a_publication_made_inside_a_flush_comes_next(world: World) -> None:
    one, two = world.crowd("news", 2)
    answers = [b"2"]
    one.on_offer = lambda: world.deliver("news", *[answers.pop() for _ in answers[:1]])
    world.deliver("news", b"1")
    world.settle()
    assert one.got == two.got == [b"1", b"2"]


# -- trouble ---------------------------------------------------------------------------------------


def fail() -> None:
    raise RuntimeError("a bug in a connection")


def test_a_bug_in_one_connection_does_not_stop_the_others(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    one, two, three = world.crowd("news", 3)
    one.on_offer = two.on_offer = fail
    world.deliver("news", b"1")
    world.settle()
    assert three.got == [b"1"]
    assert (one.stage, two.stage, three.stage) == ("CLOSED", "CLOSED", "OPEN")
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2


def test_a_dead_socket_does_not_stop_the_others(world: World) -> None:
    one, two = world.crowd("news", 2)
    one.script.append(OSError(104, "reset"))
    world.deliver("news", b"1")
    world.settle()
    assert (one.stage, two.got) == ("CLOSED", [b"1"])


def test_a_slow_client_costs_only_itself() -> None:
    world = World(Limits(outbox_frames=2))
    slow, fast = world.crowd("news", 2)
    assert isinstance(slow._owner, NotingOwner)
    slow._owner.limits = Limits(outbox_frames=2)
    slow.script.append(AGAIN)
    for message in (b"1", b"2", b"3"):
        world.deliver("news", message)
        world.settle()
    assert fast.got == [b"1", b"2", b"3"]
    assert slow._owner.notes == ["backlogged", "overflowed"]


def test_what_a_wire_cannot_carry_is_dropped_counted_and_logged_now_and_then(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    (picky,), (raw,) = world.crowd("news", 1, CountingWire()), world.crowd("news", 1)
    world.deliver("news", b"1", *[b"dropped"] * 5, b"2")
    world.settle()
    assert picky.got == [b"1", b"2"]
    assert len(raw.got) == 7
    assert world.counters.publications_uncarried == 5
    assert [record.getMessage() for record in caplog.records] == [
        f"a publication on 'news' was dropped: the wire counting cannot carry it ({count} so far)"
        for count in (1, 2, 4)
    ]


def test_nothing_is_offered_when_everything_is_dropped(world: World) -> None:
    (picky,) = world.crowd("news", 1, CountingWire())
    world.deliver("news", b"dropped")
    world.settle()
    assert picky.batches == []


def test_a_bug_in_a_wire_costs_one_publication(world: World, caplog: pytest.LogCaptureFixture) -> None:
    (listener,) = world.crowd("news", 1, CountingWire())
    world.deliver("news", b"1", b"fails", b"2")
    world.settle()
    world.deliver("news", b"3")
    world.settle()
    assert listener.got == [b"1", b"2", b"3"]
    assert "a publication on 'news' cannot be encoded" in caplog.text


# -- batches -----------------------------------------------------------------------------------------


def sizes(frames: list[bytes], frames_limit: int, bytes_limit: int) -> list[list[int]]:
    found = list(batches(frames, Limits(outbox_frames=frames_limit, outbox_bytes=bytes_limit)))
    assert b"".join(batch.data for batch in found) == b"".join(frames)
    return [
        [end - start for start, end in zip((0, *batch.ends), batch.ends, strict=False)] for batch in found
    ]


def test_no_frames_make_no_batch() -> None:
    assert sizes([], 3, 10) == []


def test_batches_are_split_by_frames() -> None:
    assert sizes([b"x"] * 7, 3, 100) == [[1, 1, 1], [1, 1, 1], [1]]


def test_batches_are_split_by_bytes() -> None:
    assert sizes([b"xxxx"] * 5, 100, 10) == [[4, 4], [4, 4], [4]]
    assert sizes([b"xxxxx"] * 4, 100, 10) == [[5, 5], [5, 5]]


def test_a_frame_above_the_bound_makes_a_batch_of_its_own() -> None:
    assert sizes([b"x", b"x" * 11, b"x", b"x"], 100, 10) == [[1], [11], [1, 1]]


def test_a_run_longer_than_the_bounds_reaches_a_client_that_reads() -> None:
    world = World(Limits(outbox_frames=2))
    (listener,) = world.crowd("news", 1)
    world.deliver("news", *[b"%d" % number for number in range(7)])
    world.settle()
    assert listener.got == [b"%d" % number for number in range(7)]
    assert len(listener.batches) == 4


class TellingWire(RawWire):
    """A wire that can say that publications were missed."""

    name = "telling"

    def missed(self, channel: str) -> bytes:
        return text_frame(f"missed on {channel}".encode())


def test_a_mark_stands_between_what_was_delivered_and_what_is(world: World) -> None:
    (told,) = world.crowd("news", 1, TellingWire())
    (silent,) = world.crowd("news", 1)
    world.deliver("news", b"1")
    world.fanout.mark("news")
    world.deliver("news", b"2")
    world.settle()
    assert told.got == [b"1", b"missed on news", b"2"]
    assert silent.got == [b"1", b"2"]


def test_a_mark_is_for_those_who_were_there_and_costs_nothing_where_no_wire_tells(world: World) -> None:
    world.fanout.mark("nobody")
    world.crowd("quiet", 3)
    world.fanout.mark("quiet")
    assert not world.callbacks
    (told,) = world.crowd("news", 1, TellingWire())
    world.fanout.mark("news")
    (late,) = world.crowd("news", 1, TellingWire())
    world.settle()
    assert (told.got, late.got) == ([b"missed on news"], [])


# -- what some are told --------------------------------------------------------------------------


def test_some_are_told_something_in_its_place(world: World) -> None:
    one, two, three = world.crowd("news", 3)
    world.deliver("news", b"1")
    world.fanout.tell("news", {RAW: {one: None, two: None}}, lambda wire: text_frame(b"told"), but=[two])
    world.fanout.tell("news", {RAW: {one: None}}, lambda wire: None)
    world.deliver("news", b"2")
    world.settle()
    assert (one.got, two.got, three.got) == ([b"1", b"told", b"2"], [b"1", b"2"], [b"1", b"2"])
    world.fanout.tell("chat", {RAW: {one: None}}, lambda wire: text_frame(b"told"))
    assert not world.callbacks


def test_who_leaves_is_told_nothing_more_even_if_it_was_not_in_yet(world: World) -> None:
    """As a client that comes in step with a stream: it listens to who is there before it is subscribed."""
    world.crowd("news", 1)
    comer = Subscriber()
    world.fanout.hold("news")
    world.fanout.tell("news", {RAW: {comer: None}}, lambda wire: text_frame(b"told"))
    world.fanout.unsubscribe(comer, "news")
    world.settle()
    assert comer.got == []
