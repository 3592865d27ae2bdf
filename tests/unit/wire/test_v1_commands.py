"""What clients say in realtime.v1.json, and how it is understood or refused (docs/realtime-v1.md V2)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.wire.v1_words import CHANNELS, IDS, JSON, error, said
from tornado_realtime.publication import Last, Position, Publication
from tornado_realtime.wire.commands import (
    AskPresence,
    Command,
    Id,
    Ping,
    Pong,
    Publish,
    ReadHistory,
    Refresh,
    RefreshChannel,
    Reject,
    Subscribe,
    Unsubscribe,
)
from tornado_realtime.wire.envelope import EnvelopeWire
from tornado_realtime.wire.v1 import V1
from tornado_realtime.wire.v1.wire import MOST_HISTORY


@pytest.mark.parametrize(
    ("message", "command"),
    [
        (b'{"action":"subscribe","channel":"news"}', Subscribe("news")),
        (b'{"action":"subscribe","channel":"news","id":1}', Subscribe("news", id=1)),
        (
            b'{"action":"subscribe","channel":"n","id":"a","since":{"last":1}}',
            Subscribe("n", id="a", since=Last(1)),
        ),
        (
            b'{"action":"subscribe","channel":"n","since":{"epoch":"e","offset":0,"x":[]}}',
            Subscribe("n", since=Position("e", 0)),
        ),
        (
            b'{"action":"subscribe","channel":"n","since":{"Epoch":"e","OFFSET":9007199254740991,"last":null}}',
            Subscribe("n", since=Position("e", 2**53 - 1)),
        ),
        (b'{"action":"history","channel":"n"}', ReadHistory("n")),
        (
            b'{"action":"history","channel":"n","id":4,"since":{"last":3},"limit":0,"reverse":true,"token":"t"}',
            ReadHistory("n", Last(3), 0, True, 4, "t"),
        ),
        (b'{"action":"history","channel":"n","limit":100000}', ReadHistory("n", limit=MOST_HISTORY)),
        (b'{"action":"subscribe","channel":"n","since":null,"presence":1,"x":[1]}', Subscribe("n")),
        (b'{"action":"subscribe","channel":"n","token":"x.y.z"}', Subscribe("n", "x.y.z")),
        (b'{"action":"subscribe","channel":"n","token":5}', Subscribe("n")),
        (b'{"action":"publish","channel":"c","payload":1,"token":"t"}', Publish("c", b"1", token="t")),
        (b'{"action":"unsubscribe","id":0,"channel":"news"}', Unsubscribe("news", 0)),
        (b'{"ID":7,"Action":"unsubscribe","CHANNEL":"news"}', Unsubscribe("news", 7)),
        (b'{"action":"publish","channel":"c","payload":{"a": 1.50}}', Publish("c", b'{"a":1.50}')),
        (b'{"action":"publish","channel":"c","payload":null,"id":""}', Publish("c", b"null", "")),
        (
            b'{"action":"publish","channel":"c","payload":"hi","echo":false}',
            Publish("c", b'"hi"', None, False),
        ),
        (b'{"action":"publish","channel":"c","payload":1,"key":"k"}', Publish("c", b"1", key="k")),
        (b'{"action":"publish","channel":"c","payload":1,"key":""}', Publish("c", b"1")),
        (b'{"action":"publish","channel":"c","payload":1,"Payload": [2]}', Publish("c", b"[2]")),
        (b' { "action" : "publish" , "channel" : "c" , "payload" : [ ] } ', Publish("c", b"[]")),
        (b'{"action":"refresh","token":"x.y.z","id":6}', Refresh("x.y.z", 6)),
        (b'{"action":"refresh","token":"x","channel":"a","id":6}', RefreshChannel("a", "x", 6)),
        (b'{"action":"ping"}', Ping()),
        (b'{"action":"subscribe","channel":"n","Presence":true}', Subscribe("n", presence=True)),
        (b'{"action":"subscribe","channel":"n","presence":false}', Subscribe("n")),
        (b'{"action":"presence","channel":"n"}', AskPresence("n")),
        (
            b'{"action":"presence","id":5,"channel":"n","token":"t","after":"u","limit":50}',
            AskPresence("n", 5, "t", "u", 50),
        ),
        (b'{"action":"ping","id":9007199254740991}', Ping(2**53 - 1)),
        (b'{"action":"pong"}', Pong()),
        (b'{"action":"pong","id":3}', Ping(3)),
    ],
)
def test_what_is_asked_for(message: bytes, command: Command) -> None:
    assert V1.decode(message, is_text=True) == command
    assert V1.decode(message, is_text=False) == command


@pytest.mark.parametrize(
    ("message", "reply"),
    [
        (b"x", {"error": "invalid JSON message", "code": 107}),
        (b"[]", {"error": "invalid JSON message", "code": 107}),
        (b"{} {}", {"error": "invalid JSON message", "code": 107}),
        (b'{"id":1,"channel":5}', {"id": 1, "error": "invalid JSON message", "code": 107}),
        (b'{"id":1,"action":{}}', {"id": 1, "error": "invalid JSON message", "code": 107}),
        (b'{"channel":5,"channel":"a","action":"subscribe"}', {"error": "invalid JSON message", "code": 107}),
        (b"null", {"error": "channel must be specified", "code": 107}),
        (b'{"id":2}', {"id": 2, "error": "channel must be specified", "code": 107}),
        (b'{"id":2,"action":"zap"}', {"id": 2, "error": "channel must be specified", "code": 107}),
        (b'{"channel":"a","action":"<zap>"}', {"error": "unknown action: <zap>", "code": 104}),
        (
            b'{"id":1,"action":"subscribe","channel":"a","since":3}',
            {"id": 1, "error": "bad position", "code": 107},
        ),
        (b'{"action":"history","channel":"a","limit":-1}', {"error": "invalid JSON message"}),
        (b'{"action":"history","channel":"a","limit":1.0}', {"error": "invalid JSON message"}),
        (b'{"action":"history","channel":"a","limit":"1"}', {"error": "invalid JSON message"}),
        (b'{"action":"history","channel":"a","reverse":1}', {"error": "invalid JSON message"}),
        (b'{"action":"history","channel":"a","since":{}}', {"error": "bad position", "code": 107}),
        (b'{"id":1,"action":"publish","channel":"a"}', {"id": 1, "error": "payload must be specified"}),
        (
            b'{"id":1,"action":"publish","channel":"a","payload":1,"echo":0}',
            {"error": "invalid JSON message"},
        ),
        (b'{"id":1,"action":"publish","channel":"a","payload":1,"key":5}', {"error": "bad key", "code": 107}),
        (
            b'{"id":1,"action":"publish","channel":"a","payload":1,"key":"%b"}' % (b"x" * 256),
            {"id": 1, "error": "bad key"},
        ),
        (b'{"id":1,"action":"refresh"}', {"id": 1, "error": "token must be specified", "code": 107}),
        (b'{"id":1,"action":"refresh","token":5}', {"id": 1, "error": "invalid JSON message"}),
        (
            b'{"id":1,"action":"refresh","channel":"a"}',
            {"id": 1, "error": "token must be specified", "code": 107},
        ),
        (b'{"action":"presence","id":1}', {"id": 1, "error": "channel must be specified"}),
        (b'{"action":"presence","channel":"a","after":1}', {"error": "invalid JSON message"}),
        (b'{"action":"presence","channel":"a","limit":"9"}', {"error": "invalid JSON message"}),
        (b'{"action":"presence","channel":"a","limit":-1}', {"error": "invalid JSON message"}),
    ],
)
def test_what_cannot_be_done(message: bytes, reply: dict[str, Any]) -> None:
    found = error(V1.decode(message, is_text=True))
    assert found == found | reply
    assert found["retry"] is False


@pytest.mark.parametrize(
    "since",
    [
        "1",
        "[]",
        '"x"',
        "true",
        "{}",
        '{"epoch":"e"}',
        '{"offset":1}',
        '{"epoch":1,"offset":1}',
        '{"epoch":"%s","offset":1}' % ("x" * 65),
        '{"epoch":"e","offset":-1}',
        '{"epoch":"e","offset":1.5}',
        '{"epoch":"e","offset":"1"}',
        '{"epoch":"e","offset":9007199254740992}',
        '{"epoch":"e","offset":1,"last":1}',
        '{"last":-1}',
        '{"last":1e3}',
        '{"last":true}',
        '{"last":1,"offset":1}',
        '{"last":%s}' % ("9" * 5000),
    ],
)
def test_a_place_that_is_none_is_refused(since: str) -> None:
    for action in ("subscribe", "history"):
        message = b'{"id":5,"action":"%b","channel":"c","since":%b}' % (action.encode(), since.encode())
        found = error(V1.decode(message, is_text=True))
        assert found == {"id": 5, "error": "bad position", "code": 107, "retry": False}


@pytest.mark.parametrize(
    "name", ["2.0", "1e3", "true", "[]", "{}", '"\\ud800"', '"%s"' % ("x" * 65), str(2**53)]
)
def test_an_id_that_is_none_is_refused_and_not_repeated(name: str) -> None:
    found = error(V1.decode(b'{"action":"ping","id":%b}' % name.encode(), is_text=True))
    assert found == {"error": "invalid JSON message", "code": 107, "retry": False}


def test_bytes_that_are_no_text_become_marks() -> None:
    message = b'{"action":"publish","channel":"\xff","payload":"\xfe"}'
    assert V1.decode(message, is_text=False) == Publish("\ufffd", '"\ufffd"'.encode())


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_nothing_that_is_said_raises(message: bytes) -> None:
    V1.decode(message, is_text=False)


@settings(deadline=None)
@given(CHANNELS, IDS, JSON, st.booleans())
def test_round_trip_of_a_publication(channel: str, name: Id, payload: object, ascii_only: bool) -> None:
    members = {"payload": payload, "id": name, "channel": channel, "action": "publish"}
    command = V1.decode(
        json.dumps(members, ensure_ascii=ascii_only, indent=1).encode("utf-8", "replace"), True
    )
    assert isinstance(command, Publish)
    assert (command.channel, command.id) == (channel, name)
    frame = json.loads(said(V1.encode(Publication(channel, command.data))))
    wanted = json.loads(
        json.dumps(payload).encode()
        if ascii_only
        else json.dumps(payload, ensure_ascii=False).encode("utf-8", "replace")
    )
    assert frame == {"type": "message", "channel": channel, "payload": wanted}


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["action", "channel", "payload", "echo", "since", "token", "other"]),
        st.sampled_from(["subscribe", "unsubscribe", "publish", "ping", "pong", "refresh", "history", "zap"])
        | JSON,
    ),
    IDS,
)
def test_whatever_has_an_id_gets_a_reply_with_it(members: dict[str, Any], name: Id) -> None:
    command = V1.decode(json.dumps(members | {"id": name}).encode(), True)
    if isinstance(command, Reject):
        assert json.loads(said(command.reply))["id"] == name
    else:
        assert not isinstance(command, Pong)
        assert command.id == name


@settings(deadline=None)
@given(st.sampled_from(["subscribe", "unsubscribe", "zap", ""]) | JSON, CHANNELS | JSON)
def test_an_envelope_clients_message_means_the_same(action: object, channel: object) -> None:
    message = json.dumps({"action": action, "channel": channel}).encode()
    older, newer = EnvelopeWire().decode(message, True), V1.decode(message, True)
    if isinstance(older, Reject):
        text = json.loads(said(older.reply))["error"]
        assert error(newer)["error"] == text
    else:
        assert newer == older
