"""A connection of an event stream: frames go out as events, nothing comes in, and it ends by itself."""

from __future__ import annotations

import json

from tests.support.connections import AGAIN, NotingOwner, ScriptedConnection
from tests.support.sse_world import Event, read_event
from tornado_realtime.connection import EventConnection, Limits
from tornado_realtime.publication import Position, Publication
from tornado_realtime.wire.base import Farewell
from tornado_realtime.wire.frames import Batch, close_frame, text_frame
from tornado_realtime.wire.sse import EVENTS, NO_IDS, Ids, ids_of, key_of
from tornado_realtime.wire.v1 import V1


class Scripted(EventConnection, ScriptedConnection):
    """Writes go as the script says."""

    def __init__(
        self, owner: NotingOwner, *script: int | OSError, ids: Ids = NO_IDS, user: object = "u1"
    ) -> None:
        ScriptedConnection.__init__(self, owner, *script, wire=EVENTS, user=user)
        self.ids = ids

    def take(self, ids: Ids) -> None:
        self.ids = ids

    @property
    def events(self) -> list[Event]:
        texts = self.sent.decode().split("\n\n")
        assert texts[-1] == ""
        return [read_event(text) for text in texts[:-1]]


def publication(channel: str, offset: int) -> bytes:
    return EVENTS.encode(Publication(channel, b"%d" % offset, Position("e", offset)))


def subscribed(channel: str, **more: object) -> bytes:
    return text_frame(
        json.dumps({"type": "subscribed", "channel": channel} | more, separators=(",", ":")).encode()
    )


def test_what_is_said_to_one_client_is_a_control_event() -> None:
    connection = Scripted(NotingOwner())
    connection.send(V1.ping)
    connection.send(text_frame(b'{"type":"welcome","v":1}'))
    ping, welcome = connection.events
    assert (ping.name, ping.data, ping.retry) == ("control", '{"type":"ping"}', None)
    assert welcome.retry is not None
    assert 1500 <= welcome.retry <= 3000


def test_frames_and_events_may_come_in_one_batch() -> None:
    connection = Scripted(NotingOwner(), ids=ids_of(["news"]))
    frames = (
        subscribed("news", epoch="e", offset=7, replay=2),
        publication("news", 6),
        publication("news", 7),
    )
    connection.offer(Batch.of(frames))
    first, *others = connection.events
    place = f"{key_of('news')}:e:"
    # Whoever is cut off before the first of what it missed has still missed both.
    assert first.id == place + "5"
    assert [event.id for event in others] == [place + "6", place + "7"]


def test_a_plain_channel_has_no_place() -> None:
    connection = Scripted(NotingOwner(), ids=ids_of(["news"]))
    connection.send(subscribed("news"))
    connection.send(subscribed("news", recovered=False, replay=0))
    assert [event.id for event in connection.events] == [None, None]


def test_what_waits_is_counted_in_events() -> None:
    owner = NotingOwner(Limits(outbox_frames=2))
    connection = Scripted(owner, AGAIN, AGAIN, ids=ids_of(["news", "sport"]))
    connection.offer(Batch.of((publication("news", 1), publication("sport", 1))))
    assert connection.queued_frames == 2
    connection.offer(Batch.of((publication("news", 2),)))
    assert owner.notes == ["backlogged", "overflowed"]


def test_an_answer_is_never_dropped_and_says_so_to_the_outbox() -> None:
    connection = Scripted(NotingOwner(), AGAIN)
    connection.send(V1.ping)
    assert connection.outbox is not None
    assert connection.outbox.keeps_within(1, 100)
    assert not connection.outbox.keeps_within(0, 100)


def test_receipts_count_what_the_kernel_took() -> None:
    batch = Batch.of((publication("news", 1), publication("news", 2)))
    for ids, script, taken in (
        (ids_of(["news"]), [], 2),
        (ids_of(["news"]), [len(batch.data) - 1], 1),
        (ids_of(["news", "sport"]), [], 2),
        (ids_of(["news", "sport"]), [len(batch.data) - 1], 0),
    ):
        connection = Scripted(NotingOwner(), *script, ids=ids)
        connection.offer(batch)
        assert connection.frames_taken(batch, None) == taken


def test_it_ends_without_the_peers_word() -> None:
    owner = NotingOwner()
    connection = Scripted(owner)
    connection.close(V1.farewell(Farewell.SHUTDOWN))
    (event,) = connection.events
    assert (event.name, event.json["reason"]) == ("control", "shutdown")
    assert event.retry is not None
    assert 1500 <= event.retry <= 3000
    assert (connection.stage, connection.hung_up) == ("CLOSING", True)
    connection.close(V1.farewell(Farewell.SLOW))
    assert len(connection.events) == 1


def test_it_ends_when_the_last_event_is_out() -> None:
    connection = Scripted(NotingOwner(), 5, AGAIN)
    connection.send(V1.ping)
    connection.send(V1.ping)
    connection.close(V1.farewell(Farewell.SLOW), discard=True)
    assert not connection.hung_up
    connection.on_writable()
    connection.on_writable()
    assert [event.json["type"] for event in connection.events] == ["ping", "disconnect"]
    assert connection.hung_up


def test_a_close_frame_alone_ends_it_too() -> None:
    connection = Scripted(NotingOwner())
    connection.close(close_frame(1001))
    assert connection.hung_up


def test_whatever_comes_in_ends_it() -> None:
    owner = NotingOwner()
    connection = Scripted(owner)
    connection.receive(b"GET / HTTP/1.1\r\n")
    assert connection.stage == "CLOSED"
    assert (owner.messages, owner.notes) == ([], ["closing", "closed"])
