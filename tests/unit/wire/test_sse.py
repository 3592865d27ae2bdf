"""Event streams without sockets: ids, and frames of v1 as events (docs/sse.md S2, S4)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.sse_world import read_event
from tornado_realtime.members import Listing, Member
from tornado_realtime.publication import Position, Publication
from tornado_realtime.wire.frames import close_frame, text_frame
from tornado_realtime.wire.sse import (
    BARE_EVENTS,
    EVENTS,
    MOST_CHANNELS,
    NO_IDS,
    control,
    ids_of,
    key_of,
    read_cursor,
    read_frames,
)
from tornado_realtime.wire.v1 import V1

NEWS = Position("k3f", 41)
positions = st.builds(Position, st.text(min_size=1, max_size=12), st.integers(0, 2**53 - 1))
channels = st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=5, unique=True)


def event_of(channel: str, position: Position | None, data: bytes = b"1") -> bytes:
    return EVENTS.encode(Publication(channel, data, position))


# -- events ----------------------------------------------------------------------------------------


def test_a_publication_is_an_event_without_a_name() -> None:
    event = read_event(event_of("news", NEWS, b'{"a": 1}').decode())
    assert (event.name, event.id) == ("", f"{key_of('news')}:k3f:41")
    assert text_frame(event.data.encode()) == V1.encode(Publication("news", b'{"a": 1}', NEWS))


def test_without_a_position_there_is_no_id_and_bare_streams_have_none_at_all() -> None:
    assert read_event(event_of("news", None).decode()).id is None
    assert read_event(BARE_EVENTS.encode(Publication("news", b"1", NEWS)).decode()).id is None


@given(st.text(min_size=1), positions, st.binary(min_size=1))
def test_nothing_breaks_out_of_its_line(channel: str, position: Position, data: bytes) -> None:
    event = read_event(event_of(channel, position, data.decode("utf-8", "replace").encode()).decode())
    assert event.name == ""
    assert text_frame(event.data.encode()) == V1.encode(
        Publication(channel, data.decode("utf-8", "replace").encode(), position)
    )


CROWD = Listing(900, None, more=True)


def test_what_is_told_to_many_is_an_event_from_the_beginning() -> None:
    span = (Position("e", 1), Position("e", 3))
    for text, frame in (
        (EVENTS.missed("news"), V1.missed("news")),
        (BARE_EVENTS.turned("news", NEWS), V1.turned("news", NEWS)),
        (EVENTS.lost("news", span), V1.lost("news", span)),
        (EVENTS.lost("news", None), V1.lost("news", None)),
        (
            EVENTS.listed("news", Listing(900, None, more=True)),
            V1.listed("news", Listing(900, None, more=True)),
        ),
        (EVENTS.came("news", Member("u"), 2), V1.came("news", Member("u"), 2)),
        (EVENTS.went("news", "u", 1), V1.went("news", "u", 1)),
    ):
        event = read_event(text.decode())
        assert (event.name, text_frame(event.data.encode())) == ("control", frame)


def test_what_moves_the_place_of_a_client_has_an_id() -> None:
    left_out = Publication("news", b"1", NEWS)
    place = f"{key_of('news')}:k3f:41"
    for made, frame in (
        (EVENTS.skipped(left_out), V1.skipped(left_out)),
        (EVENTS.turned("news", NEWS), V1.turned("news", NEWS)),
    ):
        assert made is not None
        event = read_event(made.decode())
        assert (event.name, event.id, text_frame(event.data.encode())) == ("control", place, frame)
        assert read_event(ids_of(["news", "chat"]).completed(made).decode()).id == place
    bare = BARE_EVENTS.skipped(left_out)
    assert bare is not None
    assert read_event(bare.decode()).id is None
    assert EVENTS.skipped(Publication("news", b"1")) is None


def test_a_control_event() -> None:
    assert control(b"{}") == b"event: control\ndata: {}\n\n"
    assert control(b"{}", b"x", 7) == b"event: control\nid: x\nretry: 7\ndata: {}\n\n"


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_frames_are_read_as_they_were_made(size: int) -> None:
    payload = b"x" * size
    frames = text_frame(payload) + text_frame(b"y") + close_frame(4200, "z")
    assert list(read_frames(frames)) == [(0x81, payload), (0x81, b"y"), (0x88, b"\x10\x68z")]


# -- ids (S4) --------------------------------------------------------------------------------------


def test_a_short_name_is_the_same_for_ever() -> None:
    """Clients come back with it to another version of this server."""
    assert key_of("news") == "a7mh5sk5"
    assert len({key_of(f"c{n}") for n in range(10_000)}) == 10_000


@given(st.text(min_size=1), positions)
def test_the_id_of_an_event_says_where_its_channel_stands(channel: str, position: Position) -> None:
    event = read_event(event_of(channel, position).decode())
    assert event.id is not None
    assert event.id.isascii()
    found = read_cursor(event.id)
    expected = Position(position.epoch.encode("utf-8", "replace").decode(), position.offset)
    assert found == {key_of(channel): expected}


def test_with_one_channel_shared_events_are_right_as_they_are() -> None:
    ids = ids_of(["news"])
    assert not ids.is_own
    assert ids_of(["news"]) is ids
    assert ids.begin("news", NEWS) == f"{key_of('news')}:k3f:41".encode()
    assert ids.begin("other", NEWS) == b""


def test_with_several_channels_each_id_says_where_all_of_them_stand() -> None:
    ids = ids_of(["news", "sport", "never"])
    assert ids.is_own
    stood = {"news": Position("n", 1), "sport": Position("s", 7)}
    for channel, position in stood.items():
        ids.begin(channel, position)
    for channel, position in [("news", Position("n", 2)), ("sport", Position("s", 8)), ("news", NEWS)]:
        stood[channel] = position
        event = read_event(ids.completed(event_of(channel, position)).decode())
        assert event.json["channel"] == channel
        assert event.id is not None
        assert read_cursor(event.id) == {key_of(name): stood[name] for name in ("news", "sport")}


def test_where_a_client_stood_is_where_it_stands_until_it_is_told_otherwise() -> None:
    """Else whoever is cut off again, before all of its channels are confirmed, would lose those."""
    stood = {key_of("news"): Position("n", 1), key_of("sport"): Position("s", 7), key_of("x"): NEWS}
    ids = ids_of(["sport", "news"], stood)
    first = ids.begin("news", Position("n", 5)).decode()
    assert read_cursor(first) == {key_of("news"): Position("n", 5), key_of("sport"): Position("s", 7)}


def test_what_has_no_place_leaves_the_last_id_as_it_was() -> None:
    for ids in (ids_of(["news", "sport"]), ids_of(["news"]).narrowed()):
        assert ids.is_own
        assert read_event(ids.completed(event_of("other", NEWS)).decode()).id is None
        assert ids.begin("other", NEWS) == b""
        assert ids.completed(control(b"{}")) == control(b"{}")
        own = read_event(ids.completed(event_of("news", NEWS)).decode())
        assert own.id == f"{key_of('news')}:k3f:41"
        assert ids.narrowed() is ids
    assert ids_of([]) is NO_IDS is NO_IDS.narrowed()
    assert NO_IDS.begin("news", NEWS) == b""
    assert NO_IDS.completed(b"x") == b"x"


@given(channels, st.data())
def test_the_last_id_says_where_a_client_stands(names: list[str], data: st.DataObject) -> None:
    """Even where a channel of the stream says nothing."""
    ids, stood = ids_of([*names, "quiet"]), {}
    for _ in range(data.draw(st.integers(1, 8))):
        channel = data.draw(st.sampled_from(names))
        stood[key_of(channel)] = position = Position("e", data.draw(st.integers(0, 99)))
        event = read_event(ids.completed(event_of(channel, position)).decode())
        assert event.id is not None
        assert read_cursor(event.id) == stood


def test_an_id_with_all_places_fits_into_a_header_field() -> None:
    names = [f"channel {n}" for n in range(MOST_CHANNELS)]
    ids = ids_of(names)
    cursors = [ids.begin(name, Position("0123456789abcdef", 10**9)) for name in names]
    assert len(cursors[-1]) <= 5 * 1024
    assert len(read_cursor(cursors[-1].decode()) or {}) == MOST_CHANNELS


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "12345678:e:",
        "12345678:e:-1",
        "12345678:e:1,",
        ",12345678:e:1",
        "12345678::1",
        "1234567:e:1",
        "12345678:e:1\n",
        "12345678:e:1,12345678",
        "12345678:e:" + "9" * 20,
        f"12345678:e:{2**53}",
        f"12345678:{'e' * 65}:1",
        "12345678:e:١",
        "12345678:e e:1",
        ",".join(["12345678:e:1"] * 2000),
        "urn:uuid:cf2b2c8b-3a8b-4a3e-8a35-0c4d9f3a1b3d",
    ],
)
def test_what_is_no_id_of_ours_is_told_from_one(text: str) -> None:
    assert read_cursor(text) is None
