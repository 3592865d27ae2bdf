from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornado_realtime.publication import Publication
from tornado_realtime.wire.base import Farewell, Wire
from tornado_realtime.wire.commands import Reject, Subscribe, Unsubscribe
from tornado_realtime.wire.denial import Denial
from tornado_realtime.wire.raw import RawWire

WIRE: Wire = RawWire()


def test_a_publication_is_its_message_unchanged() -> None:
    data = b' {"b": 1, "a": <&> \xc3\xa9} not json'
    assert WIRE.encode(Publication("news", data)) == b"\x81" + bytes((len(data),)) + data


def test_nothing_is_confirmed() -> None:
    assert (WIRE.subscribed(Subscribe("news")), WIRE.unsubscribed(Unsubscribe("news"))) == (None, None)


@pytest.mark.parametrize("is_text", [True, False])
def test_subscribe_and_unsubscribe(is_text: bool) -> None:
    subscribe = b'{"action":"subscribe","channel":"news"}'
    unsubscribe = b'{"action":"unsubscribe","channel":"news"}'
    assert WIRE.decode(subscribe, is_text) == Subscribe("news")
    assert WIRE.decode(unsubscribe, is_text) == Unsubscribe("news")


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"subscribe",
        b"[]",
        b"null",
        b"{}",
        b'{"action":"subscribe"}',
        b'{"action":"subscribe","channel":""}',
        b'{"action":"subscribe","channel":null}',
        b'{"action":"subscribe","channel":1}',
        b'{"action":"unsubscribe","channel":""}',
        b'{"action":"Subscribe","channel":"news"}',
        b'{"action":"ping","channel":"news"}',
        b'{"channel":"news"}',
        b'{"action":"subscribe","channel":"news"} x',
    ],
)
def test_everything_else_is_silence(message: bytes) -> None:
    assert WIRE.decode(message, True) == Reject(None)


@settings(deadline=None)
@given(st.binary(max_size=100))
def test_no_message_raises(message: bytes) -> None:
    assert isinstance(WIRE.decode(message, False), (Reject, Subscribe, Unsubscribe))


@pytest.mark.parametrize(
    ("why", "frame"),
    [
        (Farewell.SHUTDOWN, b"\x88\x19\x03\xe9server is shutting down"),
        (Farewell.RELOAD, b"\x88\x17\x03\xf4configuration changed"),
        (Farewell.EXPIRED, b"\x88\x0f\x10\x0elogin expired"),
        (Farewell.SLOW, b"\x88\x00"),
        (Farewell.FLOOD, b"\x88\x13\x03\xf0too many messages"),
    ],
)
def test_farewells(why: Farewell, frame: bytes) -> None:
    assert WIRE.farewell(why) == frame


@pytest.mark.parametrize("why", list(Denial))
def test_a_refusal_is_silent(why: Denial) -> None:
    assert WIRE.denied(Subscribe("news"), why) is None
