"""Messages of a server, whatever somebody has published (docs/client.md)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_realtime.client.reading import read_frame
from tornado_realtime.publication import Position, Publication, Sender
from tornado_realtime.wire.frames import TEXT_HEAD
from tornado_realtime.wire.sse import read_frames
from tornado_realtime.wire.v1 import V1


def sent(data: bytes, channel: str = "news") -> bytes:
    """What a server sends for a publication."""
    publication = Publication(channel, data, Position("e", 7), sender=Sender("u", "c"))
    ((first, payload),) = read_frames(V1.encode(publication))
    assert first == TEXT_HEAD
    return payload


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=9),
    st.text(min_size=1),
)
def test_what_python_reads_is_read(value: object, channel: str) -> None:
    channel = channel.encode("utf-8", "replace").decode()
    frame = read_frame(sent(json.dumps(value).encode("utf-8", "replace"), channel))
    assert (frame["channel"], frame["payload"], frame["offset"]) == (channel, value, 7)


@pytest.mark.parametrize("channel", ["news", 'x","payload":[', 'a\\"b', "ä"])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('["]\\"[",', "]")])
def test_what_is_too_deep_comes_as_text(opening: str, closing: str, channel: str) -> None:
    text = opening * 5000 + "1" + closing * 5000
    for message in (sent(text.encode(), channel), sent(text.encode(), channel).decode()):
        frame = read_frame(message)
        assert (frame["payload"], frame["raw"]) == (text, True)
        assert (frame["channel"], frame["offset"], frame["from"]) == (
            channel,
            7,
            {"user": "u", "client": "c"},
        )


def test_a_number_that_is_too_long_is_a_float() -> None:
    frame = read_frame(sent(b"[" + b"9" * 5000 + b",12]"))
    assert frame["payload"] == [float("inf"), 12]
    assert [type(frame["payload"][1]), type(frame["offset"])] == [int, int]


@pytest.mark.parametrize("message", ["", "x", "1", "[]", "[" * 9000, '{"payload":' + "[" * 9000, b"\xff"])
def test_what_is_no_message_is_nothing(message: str | bytes) -> None:
    assert read_frame(message) == {}
