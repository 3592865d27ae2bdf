"""What publishers may wish for, and what a receipt says."""

from __future__ import annotations

import json

import pytest

from tornado_realtime.errors import InvalidPublicationError
from tornado_realtime.publication import PLAIN, Position, Taken
from tornado_realtime.wire.form import wish_from_form
from tornado_realtime.wire.publish_json import request_from_json
from tornado_realtime.wire.receipt import Receipt, Wish, wants_receipt, wish

FORM = b"channel=c&message=m"


@pytest.mark.parametrize(
    "accept",
    [
        "application/json",
        "Application/JSON",
        "text/html, application/json",
        "application/json, text/plain, */*",
        "application/json;q=0.5",
        "application/json ; charset=utf-8 ; q=0.001",
    ],
)
def test_json_is_named(accept: str) -> None:
    assert wants_receipt(accept)


@pytest.mark.parametrize(
    "accept",
    ["", "*/*", "application/*", "text/html", "application/json;q=0", "application/json; q=0.000", "json",
     "application/jsonp", "application/ld+json"],
)  # fmt: skip
def test_json_is_not_named(accept: str) -> None:
    assert not wants_receipt(accept)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (b"", Wish(False, 2.0)),
        (b"&wait=delivered", Wish(True, 2.0)),
        (b"&wait=&timeout=", Wish(False, 2.0)),
        (b"&timeout=10", Wish(False, 10.0)),
        (b"&wait=delivered&timeout=0.25&timeout=9", Wish(True, 0.25)),
    ],
)
def test_wishes_in_a_form(fields: bytes, expected: Wish) -> None:
    assert wish_from_form(FORM + fields, b"") == expected
    assert wish_from_form(FORM, b"x=y" + fields) == expected
    assert wish_from_form(None, FORM + fields) == expected


@pytest.mark.parametrize(
    "seconds", ["0", "0.0", "10.1", "11", "-1", "+1", "1e1", "1_0", " 1", "nan", "1.", "\u0661"]
)
def test_seconds_that_nobody_waits(seconds: str) -> None:
    with pytest.raises(InvalidPublicationError, match="timeout must be seconds, more than 0 and at most 10"):
        wish("", seconds)


def test_another_wait() -> None:
    with pytest.raises(InvalidPublicationError, match="wait must be delivered, or not there"):
        wish("published", "")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"channel":"c","message":[1]}', Wish()),
        ('{"wait":"delivered","channel":"c","message":[1]}', Wish(True)),
        ('{"timeout": 0.5 ,"message":[1],"channels":["c"]}', Wish(False, 0.5)),
        ('{"timeout":3,"batch":[{"channel":"c","message":[1]}],"wait":"delivered"}', Wish(True, 3.0)),
        ('{"wa\\u0069t":"deliver\\u0065d","batch":[{"channel":"c","message":[1]}]}', Wish(True)),
    ],
)
def test_wishes_in_json(body: str, expected: Wish) -> None:
    request = request_from_json(body.encode(), 100)
    found = [(publication.channel, publication.data) for publication in request.publications]
    assert found == [("c", b"[1]")]
    assert request.wish == expected


@pytest.mark.parametrize("name", ["wait", "timeout"])
@pytest.mark.parametrize(
    "value", ['""', "null", "[1]", "{}", "true", '"[x"', "-1", "1e1", "10.5", '"1"', "NaN"]
)
def test_wishes_in_json_that_make_no_sense(name: str, value: str) -> None:
    for rest in ('"channel":"c","message":1', '"batch":[{"channel":"c","message":1}]'):
        with pytest.raises(InvalidPublicationError):
            request_from_json(f'{{"{name}":{value},{rest}}}'.encode(), 100)


def test_wishes_do_not_belong_into_a_batch() -> None:
    with pytest.raises(InvalidPublicationError, match=r"batch\[0\]: unknown key 'wait'"):
        request_from_json(b'{"batch":[{"channel":"c","message":1,"wait":"delivered"}]}', 100)


def test_the_text_of_a_receipt() -> None:
    text = Receipt(written=3, queued=2, skipped=1, answered=4, missing=5).text()
    assert text == (
        '{"accepted":true,"written":3,"queued":2,"skipped":1,"nodes":{"answered":4,"missing":5}}\n'
    )
    assert json.loads(text)["nodes"] == {"answered": 4, "missing": 5}


PLACE = {"epoch": "e", "offset": 7}
STREAM, PLAIN_AGAIN = Taken(Position("e", 7), repeated=True), Taken(repeated=True)


@pytest.mark.parametrize(
    ("taken", "is_many", "said"),
    [
        ([PLAIN], False, {}),
        ([PLAIN, PLAIN], True, {}),
        ([STREAM], False, {"epoch": "e", "offset": 7, "repeated": 1}),
        ([STREAM], True, {"positions": [PLACE], "repeated": 1}),
        ([PLAIN, STREAM, PLAIN_AGAIN], True, {"positions": [None, PLACE, None], "repeated": 2}),
        ([PLAIN_AGAIN], False, {"repeated": 1}),
    ],
)
def test_what_the_broker_says_of_each_is_in_it(
    taken: list[Taken], is_many: bool, said: dict[str, object]
) -> None:
    found = json.loads(Receipt(written=1, taken=taken).text(is_many=is_many))
    rest = {"written": 1, "queued": 0, "skipped": 0, "nodes": {"answered": 0, "missing": 0}}
    assert found == {"accepted": True, **said, **rest}
