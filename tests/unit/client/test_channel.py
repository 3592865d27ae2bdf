"""Where a subscribed channel stands, message by message (docs/realtime-v1.md V4, V9)."""

from __future__ import annotations

from typing import Any

import pytest

from tornado_realtime.client import (
    Author,
    Event,
    History,
    Joined,
    Left,
    Message,
    Missed,
    Position,
    Present,
    Subscribed,
)
from tornado_realtime.client.channel import Channel


def confirmation(offset: int | None = None, epoch: str = "e", **more: Any) -> dict[str, Any]:
    where = {} if offset is None else {"epoch": epoch, "offset": offset}
    return {"type": "subscribed", "channel": "news"} | where | more


def message(payload: object, offset: int | None = None) -> dict[str, Any]:
    where = {} if offset is None else {"offset": offset}
    return {"type": "message", "channel": "news", "payload": payload} | where


def gap(**more: Any) -> dict[str, Any]:
    return {"type": "gap", "channel": "news"} | more


def confirmed(offset: int | None = None, **options: Any) -> Channel:
    channel = Channel("news", **options)
    channel.confirmed(confirmation(offset))
    return channel


def taken(channel: Channel, *frames: dict[str, Any]) -> list[Event]:
    """What happens; nothing of it makes the channel catch up."""
    events: list[Event] = []
    for frame in frames:
        more, has_to_catch_up = channel.take(frame)
        assert not has_to_catch_up
        events += more
    return events


# -- what is asked ---------------------------------------------------------------------------------


def test_the_first_request_asks_for_what_was_wanted() -> None:
    plain: dict[str, Any] = {"action": "subscribe", "channel": "news"}
    assert Channel("news").request() == plain
    assert Channel("news", last=3).request() == plain | {"since": {"last": 3}}
    since = {"since": {"epoch": "e", "offset": 7}}
    assert Channel("news", since=Position("e", 7), last=3).request() == plain | since
    more = {"presence": True, "token": "t"}
    assert Channel("news", presence=True, token="t").request() == plain | more


def test_later_requests_ask_for_what_was_missed() -> None:
    channel = Channel("news", last=3)
    channel.request()
    channel.confirmed(confirmation(10, recovered=True, replay=2))
    assert taken(channel, message("a", 9)) == [Message("news", "a", position=Position("e", 9))]
    assert channel.request()["since"] == {"epoch": "e", "offset": 9}


def test_where_nothing_is_kept_the_newest_are_asked_for_once() -> None:
    channel = Channel("news", last=3)
    assert channel.confirmed(confirmation(recovered=False, replay=0)) == [Subscribed("news")]
    assert "since" not in channel.request()


# -- what comes ------------------------------------------------------------------------------------


def test_messages_of_a_plain_channel() -> None:
    channel = confirmed()
    author = {"from": {"user": "u", "client": "c"}}
    assert taken(channel, message(1), message("x") | {"raw": True}, message(2) | author) == [
        Message("news", 1),
        Message("news", "x", is_text=True),
        Message("news", 2, author=Author("u", "c")),
    ]


def test_messages_of_a_stream_move_its_position() -> None:
    channel = confirmed(4)
    events = taken(channel, message("a", 5), message("foreign"), message("b", 6))
    assert events == [
        Message("news", "a", position=Position("e", 5)),
        Message("news", "foreign"),
        Message("news", "b", position=Position("e", 6)),
    ]
    assert channel.position == Position("e", 6)


def test_what_is_not_this_clients_moves_the_position_too() -> None:
    channel = confirmed(4)
    assert taken(channel, {"type": "skipped", "channel": "news", "offset": 5}, message("b", 6)) == [
        Message("news", "b", position=Position("e", 6))
    ]


def test_a_stream_may_go_on_in_another_epoch() -> None:
    channel = confirmed(4)
    turned = {"type": "epoch", "channel": "news", "epoch": "f", "offset": 0}
    (event,) = taken(channel, turned, message("b", 1))
    assert event == Message("news", "b", position=Position("f", 1))


@pytest.mark.parametrize("offset", [0, 3, 4, 6, 99])
@pytest.mark.parametrize("kind", ["message", "skipped"])
def test_another_offset_than_the_next_one_is_no_message_but_a_gap(kind: str, offset: int) -> None:
    channel = confirmed(4)
    assert channel.take(message("x", offset) | {"type": kind}) == ([], True)
    channel.request()
    # Until the answer, whatever comes is part of it.
    assert taken(channel, message("x", 5), gap()) == []
    events = channel.confirmed(confirmation(6, recovered=True, replay=2))
    assert events == [Subscribed("news", Position("e", 6), 2)]
    assert len(taken(channel, message("a", 5), message("b", 6))) == 2


def test_a_gap_is_caught_up_on_where_something_is_kept() -> None:
    assert confirmed(4).take(gap(**{"from": 5, "to": 7})) == ([], True)
    assert confirmed().take(gap()) == ([Missed("news")], False)


@pytest.mark.parametrize(
    ("before", "frame", "is_missed"),
    [
        (4, confirmation(6, recovered=True, replay=2), False),
        (4, confirmation(4, recovered=True, replay=0), False),
        (4, confirmation(6, recovered=False, replay=0), True),
        (4, confirmation(1, "other", recovered=False, replay=0), True),
        (4, confirmation(), True),
        (None, confirmation(), True),
        (None, confirmation(4), True),
    ],
)
def test_after_a_lost_connection_it_is_said_whether_something_is_missing(
    before: int | None, frame: dict[str, Any], is_missed: bool
) -> None:
    channel = confirmed(before)
    channel.request()
    events = channel.confirmed(frame)
    assert events[:-1] == ([Missed("news")] if is_missed else [])
    assert isinstance(events[-1], Subscribed)


def test_who_begins_at_a_position_is_told_that_it_is_not_kept() -> None:
    channel = Channel("news", since=Position("e", 1))
    assert channel.confirmed(confirmation(6, recovered=False, replay=0)) == [
        Missed("news"),
        Subscribed("news", Position("e", 6)),
    ]


@pytest.mark.parametrize(
    ("frame", "has_hole"),
    [
        (confirmation(900, recovered=False, replay=0), True),
        (confirmation(900, recovered=True, replay=100), False),
        (confirmation(900, "other", recovered=False, replay=0), False),
        (confirmation(4, recovered=False, replay=0), False),
        (confirmation(), False),
    ],
)
def test_what_is_too_much_to_be_sent_again_may_still_be_read(frame: dict[str, Any], has_hole: bool) -> None:
    channel = confirmed(4, token="t")
    channel.request()
    assert channel.has_hole(frame) is has_hole
    assert channel.reading() == {
        "action": "history",
        "channel": "news",
        "since": {"epoch": "e", "offset": 4},
        "limit": 250,
        "token": "t",
    }
    page = (Message("news", "a", position=Position("e", 5)), Message("news", "b", position=Position("e", 6)))
    assert channel.read(History(Position("e", 900), page, more=True)) == page
    assert channel.request()["since"] == {"epoch": "e", "offset": 6}
    channel.give_up()
    assert "since" not in channel.request()
    assert channel.confirmed(confirmation(901))[0] == Missed("news")


def test_a_cut_within_a_replay_begins_again_behind_what_was_got() -> None:
    channel = Channel("news", since=Position("e", 1))
    channel.confirmed(confirmation(6, recovered=True, replay=5))
    assert channel.position == Position("e", 1)
    taken(channel, message("a", 2), message("b", 3))
    assert channel.request()["since"] == {"epoch": "e", "offset": 3}


@pytest.mark.parametrize(("code", "again"), [(2003, False), (2499, False), (2500, True), (2999, True)])
def test_the_server_may_end_it(code: int, again: bool) -> None:
    channel = confirmed()
    assert channel.take({"type": "unsubscribed", "channel": "news", "code": code}) == ([], again)
    assert not channel.is_live


# -- who is there ----------------------------------------------------------------------------------


def test_who_is_there() -> None:
    channel = Channel("news", presence=True)
    members = {"u-1": {"info": {"name": "Al"}, "conns": 2}, "u-2": {"info": None, "conns": 1}}
    assert channel.confirmed(confirmation(count=2, members=members)) == [
        Subscribed("news"),
        Present("news", 2, {"u-1": {"name": "Al"}, "u-2": None}),
    ]
    about = {"channel": "news"}
    events = taken(
        channel,
        about | {"type": "join", "user": "u-3", "info": None, "count": 3},
        about | {"type": "leave", "user": "u-3", "count": 2},
        about | {"type": "presence", "count": 900, "more": True},
        about | {"type": "something else"},
    )
    assert events == [
        Joined("news", "u-3", None, 3),
        Left("news", "u-3", 2),
        Present("news", 900, None),
    ]
