"""What the server says in realtime.v1.json, frame by frame (docs/realtime-v1.md V4, V5, V8)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings

from tests.unit.wire.v1_words import UTF8, said
from tornado_realtime.members import Listing, Member
from tornado_realtime.publication import History, Position, Publication, Sender
from tornado_realtime.wire.base import FAREWELL_FRAMES, Farewell, Start
from tornado_realtime.wire.commands import (
    ChannelCommand,
    Ping,
    Publish,
    ReadHistory,
    Refresh,
    RefreshChannel,
    Subscribe,
    Unsubscribe,
)
from tornado_realtime.wire.denial import Denial
from tornado_realtime.wire.envelope import EnvelopeWire
from tornado_realtime.wire.v1 import V1, Welcome, codes

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


# -- the end (V8) -------------------------------------------------------------------------------------------


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
