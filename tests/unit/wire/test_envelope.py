"""The table of the newer dialect, byte by byte; each expectation was checked against Go's encoding/json."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.wire.client_frames import server_payload
from tornado_realtime.publication import Publication
from tornado_realtime.wire.base import Farewell
from tornado_realtime.wire.commands import Reject, Subscribe, Unsubscribe
from tornado_realtime.wire.denial import Denial
from tornado_realtime.wire.dialects import DIALECTS
from tornado_realtime.wire.envelope import EnvelopeWire

WIRE = EnvelopeWire()
INVALID = b'{"type":"error","error":"invalid JSON message"}'
NO_CHANNEL = b'{"type":"error","error":"channel must be specified"}'


def payload_of(frame: bytes | None) -> bytes:
    assert frame is not None
    first, payload = server_payload(frame)
    assert first == 0x81
    return payload


def rejection(message: bytes) -> bytes:
    command = WIRE.decode(message, True)
    assert isinstance(command, Reject)
    return payload_of(command.reply)


def message_on_the_wire(data: bytes, channel: str = "news") -> bytes:
    return payload_of(WIRE.encode(Publication(channel, data)))


@pytest.mark.parametrize("is_text", [True, False])
def test_subscribe_and_unsubscribe(is_text: bool) -> None:
    subscribe = b'{"action":"subscribe","channel":"news"}'
    unsubscribe = b'{"action":"unsubscribe","channel":"news"}'
    assert WIRE.decode(subscribe, is_text) == Subscribe("news")
    assert WIRE.decode(unsubscribe, is_text) == Unsubscribe("news")


def test_confirmations() -> None:
    assert WIRE.subscribed(Subscribe("news")) == b'\x81\x26{"type":"subscribed","channel":"news"}'
    assert WIRE.unsubscribed(Unsubscribe("news")) == b'\x81\x28{"type":"unsubscribed","channel":"news"}'


@pytest.mark.parametrize("message", [b"", b"x", b"[]", b'"a"', b"{} {}", b'{"channel":5}', b'{"x":NaN}'])
def test_what_is_not_understood_is_invalid(message: bytes) -> None:
    assert rejection(message) == INVALID


@pytest.mark.parametrize(
    "message",
    [b"null", b"{}", b'{"action":"subscribe"}', b'{"action":"x","channel":""}', b'{"channel":null}'],
)
def test_the_channel_is_asked_for_before_the_action(message: bytes) -> None:
    assert rejection(message) == NO_CHANNEL


@pytest.mark.parametrize(
    ("action", "text"),
    [
        (b'"xyz"', b"xyz"),
        (b'""', b""),
        (b"null", b""),
        (b'"Subscribe"', b"Subscribe"),
        (rb'"<b>&\"\\\u2028"', rb"\u003cb\u003e\u0026\"\\\u2028"),
        (rb'"\u0000\b\f\n\r\t\u001f\u007f"', b"\\u0000\\b\\f\\n\\r\\t\\u001f\x7f"),
        ('"Zoé 😀"'.encode(), "Zoé 😀".encode()),
        (rb'"\ud800"', "\ufffd".encode()),
    ],
)
def test_unknown_actions_are_quoted(action: bytes, text: bytes) -> None:
    answer = b'{"type":"error","error":"unknown action: ' + text + b'"}'
    assert rejection(b'{"channel":"c","action":' + action + b"}") == answer


@pytest.mark.parametrize(
    ("data", "payload"),
    [
        (b'{"a":1}', b'{"a":1}'),
        (b' { "b" : [ 1 , 2.50 , -0e+1 ] , "a" : "x y" }\n', b'{"b":[1,2.50,-0e+1],"a":"x y"}'),
        (b"null", b"null"),
        (b" 12345678901234567890.0 ", b"12345678901234567890.0"),
        (b'"a\\"b \\\\"', b'"a\\"b \\\\"'),
        (b'{"k":1,"k":2}', b'{"k":1,"k":2}'),
        (b'"<a href=x>&"', rb'"\u003ca href=x\u003e\u0026"'),
        ('{"é\u2028": "\u2029"}'.encode(), '{"é'.encode() + rb'\u2028":"\u2029"}'),
        (rb'"\u00e9\/\ud800"', rb'"\u00e9\/\ud800"'),
    ],
)
def test_a_publication_is_compacted_and_otherwise_kept(data: bytes, payload: bytes) -> None:
    assert message_on_the_wire(data) == b'{"type":"message","channel":"news","payload":' + payload + b"}"


def test_a_channel_is_quoted() -> None:
    assert (
        message_on_the_wire(b"1", 'a"<é')
        == rb'{"type":"message","channel":"a\"\u003c' + 'é","payload":1}'.encode()
    )
    assert payload_of(WIRE.subscribed(Subscribe("<>"))) == rb'{"type":"subscribed","channel":"\u003c\u003e"}'


@pytest.mark.parametrize("data", [b"hello", b"", b" ", b"{} {}", b"{'a':1}", b"[1,]", b"NaN", b'"\xff"'])
def test_what_is_not_one_json_value_is_dropped(data: bytes) -> None:
    assert WIRE.encode(Publication("news", data)) is None


@settings(deadline=None)
@given(st.binary(max_size=100))
def test_no_message_raises(message: bytes) -> None:
    assert isinstance(WIRE.decode(message, False), (Reject, Subscribe, Unsubscribe))


@settings(deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists), st.text(min_size=1))
def test_payload_and_channel_survive(value: object, channel: str) -> None:
    data = json.dumps(value, ensure_ascii=False, indent=1).encode()
    assert json.loads(message_on_the_wire(data, channel)) == {
        "type": "message",
        "channel": channel,
        "payload": value,
    }


@pytest.mark.parametrize(
    ("channel", "why", "message"),
    [
        (
            "private-<a>",
            Denial.FORBIDDEN,
            b'{"type":"error","channel":"private-\\u003ca\\u003e","error":"permission denied"}',
        ),
        ("a", Denial.EXPIRED, b'{"type":"error","channel":"a","error":"permission denied"}'),
        ("a", Denial.LIMIT, b'{"type":"error","channel":"a","error":"limit exceeded"}'),
        ("a", Denial.UNDECIDED, b'{"type":"error","channel":"a","error":"internal error"}'),
        ("a\n", Denial.BAD_NAME, b'{"type":"error","error":"bad channel name"}'),
    ],
)
def test_a_refusal_is_an_error_about_the_channel(channel: str, why: Denial, message: bytes) -> None:
    assert server_payload(WIRE.denied(Subscribe(channel), why)) == (0x81, message)


def test_a_slow_client_gets_an_empty_close() -> None:
    assert WIRE.farewell(Farewell.SLOW) == b"\x88\x00"


def test_dialects_are_found_by_name() -> None:
    assert [(name, wire.name) for name, wire in DIALECTS.items()] == [
        ("raw", "raw"),
        ("envelope", "envelope"),
    ]
