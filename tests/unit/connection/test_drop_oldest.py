"""A slow client under ``slow_consumer drop_oldest``: gaps between frames, in order, and it stays."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.connections import AGAIN, RAW, NotingOwner, ScriptedConnection, opcodes, payloads
from tests.unit.wire.client_frames import CLOSE, PING, client_frame
from tornado_realtime.connection import Limits
from tornado_realtime.hub.fanout import batches
from tornado_realtime.wire.frames import Batch, Source, close_frame, text_frame

NEWS = Source("news", RAW.lost)


def batch(*texts: bytes) -> Batch:
    return Batch.of([text_frame(text) for text in texts], source=NEWS)


def owner_of(frames: int = 256, size_bytes: int = 1 << 20) -> NotingOwner:
    return NotingOwner(Limits(outbox_frames=frames, outbox_bytes=size_bytes))


def test_a_client_that_reads_loses_nothing() -> None:
    owner = owner_of(1)
    connection = ScriptedConnection(owner)
    for number in range(10):
        connection.offer(batch(b"%d" % number))
    assert payloads(connection.sent) == [b"%d" % number for number in range(10)]
    assert owner.notes == []


def test_the_oldest_make_room() -> None:
    owner = owner_of(3)
    connection = ScriptedConnection(owner, AGAIN)
    for number in range(10):
        connection.offer(batch(b"%d" % number))
        assert connection.queued_frames <= 3
    assert owner.notes == ["backlogged", *["dropped 1"] * 7]
    connection.on_writable()
    assert payloads(connection.sent) == [b"7", b"8", b"9"]
    assert connection.stage == "OPEN"


def test_bytes_count_too() -> None:
    owner = owner_of(size_bytes=20)
    connection = ScriptedConnection(owner, AGAIN)
    connection.offer(batch(b"x" * 8, b"y" * 8))
    connection.offer(batch(b"z" * 8))
    connection.offer(batch(b"", b""))
    connection.on_writable()
    assert payloads(connection.sent) == [b"z" * 8, b"", b""]
    assert owner.notes == ["backlogged", "dropped 1", "dropped 1", "drained"]


def test_a_frame_half_sent_is_finished() -> None:
    owner = owner_of(3)
    connection = ScriptedConnection(owner, 5)
    connection.offer(batch(b"1", b"222", b"3"))
    connection.offer(batch(b"4", b"5"))
    connection.on_writable()
    assert payloads(connection.sent) == [b"1", b"222", b"4", b"5"]
    assert owner.notes == ["backlogged", "dropped 1", "drained"]


def test_a_batch_that_does_not_fit_loses_its_own_oldest() -> None:
    connection = ScriptedConnection(owner_of(3), 4)
    connection.offer(batch(b"1", b"222"))
    connection.offer(batch(b"3", b"4", b"5"))
    connection.on_writable()
    assert payloads(connection.sent) == [b"1", b"222", b"4", b"5"]


def test_one_larger_publication_goes_when_everything_else_is_dropped() -> None:
    connection = ScriptedConnection(owner_of(4, 20), 4)
    connection.offer(batch(b"hello", b"2", b"3"))
    connection.offer(batch(b"x" * 100))
    assert connection.queued_frames == 2
    connection.offer(batch(b"y" * 100))
    assert connection.queued_frames == 2
    connection.on_writable()
    assert payloads(connection.sent) == [b"hello", b"y" * 100]


def test_replies_and_pings_are_not_dropped() -> None:
    owner = owner_of(3)
    connection = ScriptedConnection(owner, AGAIN)
    connection.offer(batch(b"1"))
    connection.receive(client_frame(b"p", PING))
    for number in range(2, 10):
        connection.offer(batch(b"%d" % number))
        assert connection.queued_frames <= 3
    connection.send(text_frame(b"subscribed"))
    connection.on_writable()
    assert payloads(connection.sent) == [b"p", b"9", b"subscribed"]
    assert list(opcodes(connection.sent)) == [0x8A, 0x81, 0x81]


def test_who_lets_replies_pile_up_is_closed() -> None:
    owner = owner_of(3)
    owner.on_overflow = lambda connection: connection.close(close_frame(None), discard=True)
    connection = ScriptedConnection(owner, 1)
    connection.offer(batch(b"1", b"2"))
    for _ in range(3):
        connection.receive(client_frame(b"p", PING))
    # The publication half sent and the newest one are not counted among the replies.
    assert connection.queued_frames == 5
    assert owner.notes == ["backlogged"]
    connection.receive(client_frame(b"p", PING))
    assert owner.notes == ["backlogged", "overflowed", "closing"]
    connection.on_writable()
    assert payloads(connection.sent) == [b"1", b""]


def test_replies_have_a_bound_in_bytes() -> None:
    owner = owner_of(100, 20)
    connection = ScriptedConnection(owner, AGAIN)
    connection.send(text_frame(b"x" * 10))
    connection.offer(batch(b"y" * 100))
    assert owner.notes == ["backlogged"]
    connection.send(text_frame(b"x" * 7))
    assert owner.notes == ["backlogged", "overflowed"]


def test_the_smallest_queue_holds_the_newest_and_an_answer() -> None:
    owner = owner_of(1)
    connection = ScriptedConnection(owner, 1)
    connection.offer(batch(b"1"))
    connection.offer(batch(b"2"))
    connection.receive(client_frame(b"p", PING))
    connection.offer(batch(b"3"))
    connection.on_writable()
    assert payloads(connection.sent) == [b"1", b"p", b"3"]
    assert "overflowed" not in owner.notes


def test_goodbye_is_not_dropped() -> None:
    connection = ScriptedConnection(owner_of(2), AGAIN)
    connection.offer(batch(b"1", b"2"))
    connection.close(close_frame(1001, "bye"))
    connection.on_writable()
    assert payloads(connection.sent) == [b"1", b"2", b"\x03\xe9bye"]


def test_the_answer_to_a_close_frame_comes_behind_a_frame_half_sent() -> None:
    connection = ScriptedConnection(owner_of(2), 1)
    connection.offer(batch(b"1", b"2"))
    connection.offer(batch(b"3"))
    connection.receive(client_frame(b"", CLOSE))
    connection.on_writable()
    assert payloads(connection.sent) == [b"1", b""]
    assert connection.stage == "CLOSED"


def test_an_answer_during_a_larger_publication_is_no_reason_to_close() -> None:
    """Under ``disconnect``, too: the client did nothing but receive what it was sent."""
    owner = NotingOwner(Limits(outbox_frames=2, outbox_bytes=20))
    connection = ScriptedConnection(owner, 1)
    connection.offer(Batch.of([text_frame(b"x" * 100)]))
    connection.receive(client_frame(b"p", PING) * 2)
    assert owner.notes == ["backlogged"]
    connection.receive(client_frame(b"p", PING))
    assert owner.notes == ["backlogged", "overflowed"]
    connection.on_writable()
    assert payloads(connection.sent)[:3] == [b"x" * 100, b"p", b"p"]


steps = st.one_of(st.integers(1, 40), st.lists(st.integers(0, 20), min_size=1, max_size=5))


@settings(deadline=None, max_examples=300)
@given(st.lists(steps, max_size=30), st.integers(1, 8), st.integers(10, 60))
def test_whatever_the_socket_takes_it_is_whole_frames_in_order(
    script: list[int | list[int]], frames: int, size_bytes: int
) -> None:
    """A number is what the socket takes next, a list the sizes of publications that are offered at once."""
    owner = owner_of(frames, size_bytes)
    connection = ScriptedConnection(owner, AGAIN)
    published: list[bytes] = []
    for step in script:
        if isinstance(step, int):
            connection.script.extend((step, AGAIN))
            connection.on_writable()
            connection.script.clear()
            connection.script.append(AGAIN)
            continue
        texts = [b"%d:" % (len(published) + n) + b"x" * size for n, size in enumerate(step)]
        published += texts
        for run in batches(map(text_frame, texts), owner.limits):
            connection.offer(replace(run, source=NEWS))
        waiting = connection.outbox
        assert waiting is not None
        assert waiting.frames <= max(frames, 2)
        assert waiting.size_bytes <= max(size_bytes, 2 * max(map(len, map(text_frame, published))))
    connection.script.clear()
    connection.on_writable()
    got = payloads(connection.sent)
    numbers = [published.index(text) for text in got]
    assert all(one < two for one, two in pairwise(numbers))
    assert not published or got[-1] == published[-1]
    dropped = sum(int(note.split()[1]) for note in owner.notes if note.startswith("dropped"))
    assert len(got) + dropped == len(published)
    assert connection.stage == "OPEN"
