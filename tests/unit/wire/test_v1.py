"""The wire realtime.v1.json, frame by frame (docs/realtime-v1.md)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.wire.client_frames import server_payload
from tornado_realtime.members import Listing, Member
from tornado_realtime.publication import History, Last, Position, Publication, Sender
from tornado_realtime.wire.base import FAREWELL_FRAMES, Farewell, Start
from tornado_realtime.wire.commands import (
    AskPresence,
    ChannelCommand,
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
from tornado_realtime.wire.denial import Denial
from tornado_realtime.wire.dialects import negotiated
from tornado_realtime.wire.envelope import EnvelopeWire
from tornado_realtime.wire.raw import RawWire
from tornado_realtime.wire.v1 import V1, Welcome, codes
from tornado_realtime.wire.v1.wire import MOST_HISTORY

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
UTF8 = st.text(st.characters(codec="utf-8"))
CHANNELS = st.text(st.characters(categories=("L", "M", "N", "P", "S", "Z")), min_size=1, max_size=20)
IDS = st.integers(-(2**53) + 1, 2**53 - 1) | st.text(st.characters(codec="utf-8"), max_size=64)


def said(frame: bytes | None) -> bytes:
    assert frame is not None
    first, payload = server_payload(frame)
    assert first == 0x81
    return payload


def decode(**members: Any) -> Command:
    return V1.decode(json.dumps(members).encode(), is_text=True)


def error(command: Command) -> dict[str, Any]:
    assert isinstance(command, Reject)
    found = json.loads(said(command.reply))
    assert found.pop("type") == "error"
    assert isinstance(found, dict)
    return found


# -- V2: what clients say --------------------------------------------------------------------------------


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


# -- V4, V5: what the server says ------------------------------------------------------------------------

ITEMS = (
    Publication("n", b'{"a": 1}', Position("k3f", 44), Sender("", "c"), 1.5),
    Publication("n", b"x", Position("k3f", 45)),
)


def test_who_has_no_position_is_not_told_what_it_skips() -> None:
    assert V1.skipped(Publication("n", b"1")) is None
    assert EnvelopeWire().skipped(ITEMS[0]) is None


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (V1.subscribed(Subscribe("news", id=1)), '{"type":"subscribed","id":1,"channel":"news"}'),
        (V1.subscribed(Subscribe("<é>")), '{"type":"subscribed","channel":"<é>"}'),
        (
            V1.subscribed(Subscribe("n", id="a", since=Position("k", 1))),
            '{"type":"subscribed","id":"a","channel":"n","recovered":false,"replay":0}',
        ),
        (
            V1.subscribed(Subscribe("n", presence=True), Listing(1, b'{"u":{"info":null,"conns":2}}')),
            '{"type":"subscribed","channel":"n","count":1,"members":{"u":{"info":null,"conns":2}}}',
        ),
        (
            V1.subscribed(Subscribe("n", presence=True), Listing(900, None, more=True)),
            '{"type":"subscribed","channel":"n","count":900,"more":true}',
        ),
        (
            V1.present("n", Listing(900, b"{}", more=True, next='"u"'), 5),
            '{"type":"presence","id":5,"channel":"n","count":900,"members":{},"more":true,"next":"\\"u\\""}',
        ),
        (
            V1.came("n", Member("é", b'{"name":1}'), 2),
            '{"type":"join","channel":"n","user":"é","info":{"name":1},"count":2}',
        ),
        (V1.went("n", "é", 1), '{"type":"leave","channel":"n","user":"é","count":1}'),
        (V1.unsubscribed(Unsubscribe("n", 2)), '{"type":"unsubscribed","id":2,"channel":"n"}'),
        (
            V1.revoked("n"),
            '{"type":"unsubscribed","channel":"n","code":2003,"reason":"permission revoked"}',
        ),
        (V1.published(Publish("c", b"1", 3), None), '{"type":"published","id":3,"channel":"c"}'),
        (
            V1.published(Publish("c", b"1", 3), Position("k3f", 45)),
            '{"type":"published","id":3,"channel":"c","epoch":"k3f","offset":45}',
        ),
        (
            V1.joined(Subscribe("n", id=1), Start(Position("k3f", 44))),
            '{"type":"subscribed","id":1,"channel":"n","epoch":"k3f","offset":44}',
        ),
        (
            V1.joined(Subscribe("n"), Start(Position('"', 44), recovered=True, replay=3)),
            '{"type":"subscribed","channel":"n","epoch":"\\"","offset":44,"recovered":true,"replay":3}',
        ),
        (
            V1.skipped(Publication("n", b"1", Position("k3f", 44))) or b"",
            '{"type":"skipped","channel":"n","offset":44}',
        ),
        (
            V1.encode(Publication("n", b"1", Position("k3f", 44), Sender("u", "c"), 1.0)),
            '{"type":"message","channel":"n","payload":1,"offset":44,"from":{"user":"u","client":"c"}}',
        ),
        (
            V1.encode(Publication("n", b"x", Position("k3f", 44))),
            '{"type":"message","channel":"n","payload":"x","raw":true,"offset":44}',
        ),
        (
            V1.history(ReadHistory("n", id=4), History(Position("k3f", 45), ITEMS), 1000),
            '{"type":"history","id":4,"channel":"n","epoch":"k3f","offset":45,"items":['
            '{"offset":44,"payload":{"a":1},"time":1500,"from":{"client":"c"}},'
            '{"offset":45,"payload":"x","raw":true}],"more":false}',
        ),
        (
            V1.history(ReadHistory("n"), History(Position("k3f", 45), ITEMS), 1),
            '{"type":"history","channel":"n","epoch":"k3f","offset":45,"items":['
            '{"offset":44,"payload":{"a":1},"time":1500,"from":{"client":"c"}}],"more":true}',
        ),
        (
            V1.history(ReadHistory("n"), History(Position("k3f", 0)), 1),
            '{"type":"history","channel":"n","epoch":"k3f","offset":0,"items":[],"more":false}',
        ),
        (V1.pong(Ping(9)), '{"type":"pong","id":9}'),
        (V1.pong(Ping()), '{"type":"pong"}'),
        (V1.refreshed(Refresh("t", 6), 3600), '{"type":"refreshed","id":6,"ttl":3600}'),
        (V1.refreshed(Refresh("t"), None), '{"type":"refreshed"}'),
        (
            V1.refreshed(RefreshChannel("c", "t", 6), 600),
            '{"type":"refreshed","id":6,"channel":"c","ttl":600}',
        ),
        (V1.subscribed(Subscribe("c", ttl=600)), '{"type":"subscribed","channel":"c","ttl":600}'),
        (
            V1.joined(Subscribe("c", id=1, ttl=600), Start(Position("k3f", 4))),
            '{"type":"subscribed","id":1,"channel":"c","epoch":"k3f","offset":4,"ttl":600}',
        ),
        (
            V1.lapsed("c"),
            '{"type":"unsubscribed","channel":"c","code":2006,"reason":"token expired"}',
        ),
        (
            V1.lost("c", (Position("k3f", 4), Position("k3f", 9))),
            '{"type":"gap","channel":"c","epoch":"k3f","from":4,"to":9,"reason":"slow consumer"}',
        ),
        (V1.lost("c", None), '{"type":"gap","channel":"c","reason":"slow consumer"}'),
        (V1.expiring(60), '{"type":"expiring","in":60}'),
        (V1.ping, '{"type":"ping"}'),
        (
            V1.turned("n", Position("k3f", 44)),
            '{"type":"epoch","channel":"n","epoch":"k3f","offset":44}',
        ),
        (V1.missed("n"), '{"type":"gap","channel":"n","reason":"broker away"}'),
        (
            V1.welcome(Welcome("c9", "u-1", 25.0, 3600, 128, ("publish",))),
            '{"type":"welcome","v":1,"client":"c9","user":"u-1","ping":25,"ttl":3600,'
            '"limits":{"frame":65536,"channels":128},"features":["publish"]}',
        ),
        (
            V1.welcome(Welcome("c9", "", 25.0, None, 1, ())),
            '{"type":"welcome","v":1,"client":"c9","ping":25,"limits":{"frame":65536,"channels":1},"features":[]}',
        ),
        (
            V1.failed(Publish("c", b"1", 3), codes.UNDELIVERED, 1000),
            '{"type":"error","id":3,"channel":"c","error":"not published","code":100,'
            '"retry":true,"after":1000}',
        ),
        (
            V1.failed(Refresh("t", 3), codes.UNAUTHORIZED),
            '{"type":"error","id":3,"error":"unauthorized","code":101,"retry":false}',
        ),
    ],
)
def test_frames(frame: bytes, text: str) -> None:
    assert said(frame).decode() == text


@pytest.mark.parametrize(
    ("why", "text"),
    [
        (Denial.FORBIDDEN, b'"channel":"c","error":"permission denied","code":103,"retry":false}'),
        (Denial.EXPIRED, b'"channel":"c","error":"token expired","code":109,"retry":true}'),
        (Denial.ABSENT, b'"channel":"c","error":"not subscribed","code":102,"retry":false}'),
        (Denial.LIMIT, b'"channel":"c","error":"limit exceeded","code":106,"retry":false}'),
        (Denial.BAD_NAME, b'"error":"bad channel name","code":107,"retry":false}'),
        (Denial.UNDECIDED, b'"channel":"c","error":"internal error","code":100,"retry":true}'),
    ],
)
@pytest.mark.parametrize("command", [Subscribe("c", id=1), Publish("c", b"1", 1)])
def test_refusals(why: Denial, text: bytes, command: ChannelCommand) -> None:
    assert said(V1.denied(command, why)) == b'{"type":"error","id":1,' + text


@pytest.mark.parametrize(
    ("data", "rest"),
    [
        (b'{"a": "<b>&"}', '"payload":{"a":"<b>&"}}'),
        (b" 1.50 ", '"payload":1.50}'),
        (b"not json", '"payload":"not json","raw":true}'),
        ("{é\u2028".encode(), '"payload":"{é\u2028","raw":true}'),
        (b'"text"', '"payload":"text"}'),
    ],
)
def test_publications(data: bytes, rest: str) -> None:
    assert said(V1.encode(Publication("n", data))).decode() == '{"type":"message","channel":"n",' + rest


def test_who_published_is_told_only_of_clients() -> None:
    sender, nobody = Sender("u-7", "c9"), Sender("", "c9")
    assert said(V1.encode(Publication("n", b"1", sender=sender))).endswith(
        b'"payload":1,"from":{"user":"u-7","client":"c9"}}'
    )
    assert said(V1.encode(Publication("n", b"x", sender=nobody))).endswith(
        b'"raw":true,"from":{"client":"c9"}}'
    )


@settings(deadline=None)
@given(UTF8)
def test_any_publication_arrives_as_it_was(text: str) -> None:
    message = json.loads(said(V1.encode(Publication("n", text.encode()))))
    assert message["payload"] == (text if message.get("raw") else json.loads(text))


# -- V8: the end -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("why", Farewell)
def test_advice_comes_before_a_close_with_the_same_code(why: Farewell) -> None:
    frame = V1.farewell(why)
    size = frame[1]
    advice, close = json.loads(frame[2 : 2 + size]), frame[2 + size :]
    assert close[0] == 0x88
    code = int.from_bytes(close[2:4])
    assert advice == advice | {"type": "disconnect", "code": code, "reason": close[4:].decode()}
    assert advice["reconnect"] is (code >= 4100)
    assert ("after" in advice) is advice["reconnect"]


def test_older_wires_have_no_words_for_what_only_v1_does() -> None:
    assert set(Farewell) - set(FAREWELL_FRAMES) == {Farewell.ERRORS, Farewell.SILENT}


# -- V1: who speaks it -----------------------------------------------------------------------------------


class Offer:
    """Header fields with what a client offers."""

    def __init__(self, *lines: str) -> None:
        self._lines = list(lines)

    def get_list(self, name: str) -> list[str]:
        return self._lines if name == "Sec-WebSocket-Protocol" else []


@pytest.mark.parametrize(
    ("lines", "is_v1"),
    [
        ((), False),
        (("realtime.v1.json",), True),
        (("bearer.abc, realtime.v1.json",), True),
        (("chat", "x, realtime.v1.json,y"), True),
        (("Realtime.v1.json",), False),
        (("realtime.v2.json, bearer.abc",), False),
    ],
)
def test_who_offers_it_speaks_it(lines: tuple[str, ...], is_v1: bool) -> None:
    raw = RawWire()
    assert negotiated(Offer(*lines), raw) is (V1 if is_v1 else raw)
