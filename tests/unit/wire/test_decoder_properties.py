from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.wire.client_frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, client_frame
from tornado_realtime.errors import ProtocolError
from tornado_realtime.wire.decoder import Close, Decoder, Event, Message, Ping, Pong

LIMIT = 300

Outcome = tuple[list[Event], int | None]

keys = st.binary(min_size=4, max_size=4)
messages = st.one_of(
    st.builds(Message, st.text(max_size=100).map(str.encode), st.just(True)),
    st.builds(Message, st.binary(max_size=LIMIT), st.just(False)),
)
controls = st.one_of(st.builds(Ping, st.binary(max_size=125)), st.builds(Pong, st.binary(max_size=125)))
wild_frames = st.builds(
    client_frame,
    st.binary(max_size=140),
    st.sampled_from([TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG, 3]),
    fin=st.booleans(),
    key=keys,
)
streams = st.one_of(
    st.binary(max_size=400),
    st.lists(wild_frames, max_size=6).map(b"".join),
    st.tuples(st.lists(wild_frames, max_size=3).map(b"".join), st.binary(max_size=50)).map(b"".join),
)


def outcome(chunks: list[bytes]) -> Outcome:
    """What feeding ``chunks`` gives: the events, and the close code of the failure."""
    decoder = Decoder(LIMIT)
    events: list[Event] = []
    for chunk in chunks:
        events += decoder.feed(chunk)
        if decoder.failure is not None:
            return events, decoder.failure.code
    return events, None


def split(data: bytes, places: list[int]) -> list[bytes]:
    cuts = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(cuts)]


@settings(deadline=None)
@given(streams, st.lists(st.integers(0, 10_000), max_size=12))
def test_any_split_gives_the_same_events(data: bytes, places: list[int]) -> None:
    whole = outcome([data])
    assert outcome(split(data, places)) == whole
    assert outcome([data[at : at + 1] for at in range(len(data))]) == whole


@settings(deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=5))
def test_random_bytes_raise_nothing_but_protocol_errors(chunks: list[bytes]) -> None:
    decoder = Decoder(LIMIT)
    try:
        for chunk in chunks:
            decoder.feed(chunk)
    except ProtocolError:
        assert decoder.failure is not None
    assert decoder.failure is None or decoder.failure.code in {1002, 1007, 1009}


def frames_of(event: Event, key: bytes, pieces: int) -> list[bytes]:
    """``event`` as a client sends it, a message in ``pieces`` fragments."""
    match event:
        case Ping(payload):
            return [client_frame(payload, PING, key=key)]
        case Pong(payload):
            return [client_frame(payload, PONG, key=key)]
        case Close(code, reason):
            head = b"" if code is None else code.to_bytes(2)
            return [client_frame(head + reason.encode(), CLOSE, key=key)]
        case Message(data, is_text):
            size = len(data) // pieces + 1
            parts = [data[at : at + size] for at in range(0, len(data), size)] or [b""]
            return [
                client_frame(
                    part,
                    CONTINUATION if number else TEXT if is_text else BINARY,
                    fin=number == len(parts) - 1,
                    key=key,
                )
                for number, part in enumerate(parts)
            ]


@settings(deadline=None)
@given(st.lists(st.one_of(messages, controls), max_size=8), keys, st.integers(1, 5))
def test_what_is_encoded_is_decoded(sent: list[Event], key: bytes, pieces: int) -> None:
    frames = [frame for event in sent for frame in frames_of(event, key, pieces)]
    assert outcome([b"".join(frames)]) == (sent, None)


@settings(deadline=None)
@given(messages, st.lists(controls, max_size=5), keys)
def test_control_frames_between_fragments_come_first(
    message: Message, between: list[Ping | Pong], key: bytes
) -> None:
    first, *rest = frames_of(message, key, 3)
    inserted = [frame for event in between for frame in frames_of(event, key, 1)]
    got, failure = outcome([b"".join([first, *inserted, *rest])])
    assert failure is None
    assert got == ([*between, message] if rest else [message, *between])
