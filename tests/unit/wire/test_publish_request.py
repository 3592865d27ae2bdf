"""Keys under which something is published once, and whom it spares: in forms, in JSON, and in a header."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_realtime.errors import InvalidPublicationError
from tornado_realtime.publication import Publication
from tornado_realtime.wire.form import request_from_form
from tornado_realtime.wire.publish_json import request_from_json
from tornado_realtime.wire.publish_request import (
    PublishRequest,
    application_key,
    client_key,
    key_from_header,
)

FORM = b"channel=c&message=m"
LONG = "x" * 256


def test_without_a_key_brokers_are_given_none() -> None:
    request = request_from_form(FORM, b"", 100)
    assert request == PublishRequest((Publication("c", b"m"),))
    assert list(request.keyed()) == [(Publication("c", b"m"), "")]


def test_each_publication_of_a_request_has_a_key_of_its_own() -> None:
    batch = [{"channels": ["a", "b"], "message": 1}, {"channel": "a", "message": 2}]
    request = request_from_json(json.dumps({"batch": batch, "key": "k"}).encode(), 100)
    assert [(one.channel, key) for one, key in request.keyed()] == [
        ("a", "a:k:0"),
        ("b", "a:k:1"),
        ("a", "a:k:2"),
    ]


KEYS = st.text(st.sampled_from("a:0u"), max_size=4)


@given(st.lists(st.tuples(KEYS.filter(bool), st.integers(0, 3)), unique=True), st.data())
def test_no_two_publications_have_the_same_key(
    application: list[tuple[str, int]], data: st.DataObject
) -> None:
    clients = data.draw(st.lists(st.tuples(KEYS.filter(bool), KEYS, st.just("c9")), unique=True))
    made = [application_key(*each) for each in application] + [client_key(*each) for each in clients]
    assert len(set(made)) == len(made)


def test_keys_of_nobody_in_particular_are_those_of_a_connection() -> None:
    assert client_key("k", "", "c1") != client_key("k", "", "c2")
    assert client_key("k", "u", "c1") == client_key("k", "u", "c2")
    assert client_key("", "u", "c1") == client_key("", "", "c1") == application_key("") == ""


@pytest.mark.parametrize(
    ("fields", "key", "exclude"),
    [
        (b"&key=k%201&exclude=c9", "k 1", "c9"),
        (b"&key=%c3%bc", "ü", ""),
        (b"&exclude=c9&exclude=c8", "", "c9"),
        (b"&key=" + b"%41" * 255, "A" * 255, ""),
    ],
)
def test_in_a_form(fields: bytes, key: str, exclude: str) -> None:
    expected = PublishRequest((Publication("c", b"m", exclude=exclude),), key)
    assert request_from_form(FORM + fields, b"", 100) == expected
    assert request_from_form(FORM, fields[1:], 100) == expected
    assert request_from_form(None, FORM + fields, 100) == expected


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (b"&key=", "key must have 1 to 255 bytes and no control characters"),
        (b"&key=" + LONG.encode(), "key must have 1 to 255 bytes and no control characters"),
        (b"&key=a%0a", "key must have 1 to 255 bytes and no control characters"),
        (b"&key=%ff", "key must be UTF-8"),
        (b"&exclude=", "exclude must be the name of a client, as its welcome tells it"),
        (b"&exclude=%ff", "exclude must be UTF-8"),
        (b"&exclude=" + LONG.encode(), "exclude must be the name of a client, as its welcome tells it"),
    ],
)
def test_in_a_form_that_makes_no_sense(fields: bytes, reason: str) -> None:
    with pytest.raises(InvalidPublicationError) as caught:
        request_from_form(FORM + fields, b"", 100)
    assert str(caught.value) == reason


def test_in_json_for_each_message() -> None:
    body = '{"key":"k[","channel":"c","message":[1],"exclude":"c9"}'
    found = request_from_json(body.encode(), 100)
    assert found == PublishRequest([Publication("c", b"[1]", exclude="c9")], "k[")
    entries = '{"channel":"c","message":[1],"exclude":"c9"},{"channels":["d","e"],"message":[2]}'
    publications = [
        Publication("c", b"[1]", exclude="c9"),
        Publication("d", b"[2]"),
        Publication("e", b"[2]"),
    ]
    for body in (f'{{"key":"k[{{","batch":[{entries}]}}', f'{{"batch":[{entries}],"key":"k[{{"}}'):
        found = request_from_json(body.encode(), 100)
        assert found == PublishRequest(publications, "k[{", is_many=True)
    assert request_from_json(b'{"channels":["c"],"message":1}', 100).is_many


@pytest.mark.parametrize("value", ['""', "null", "5", "[1]", '"\\ud800"', '"\\u0000"', f'"{LONG}"'])
@pytest.mark.parametrize("name", ["key", "exclude"])
def test_in_json_that_makes_no_sense(name: str, value: str) -> None:
    with pytest.raises(InvalidPublicationError, match=name):
        request_from_json(f'{{"channel":"c","message":1,"{name}":{value}}}'.encode(), 100)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ('{"batch":[{"channel":"c","message":1,"key":"k"}]}', "batch[0]: unknown key 'key'"),
        ('{"batch":[{"channel":"c","message":1}],"exclude":"c9"}', "exclude cannot stand beside batch"),
        (
            '{"batch":[{"channel":"c","message":1,"exclude":""}]}',
            "batch[0]: exclude must be a string that is",
        ),
        ('{"key":"k"}', "channel is missing"),
    ],
)
def test_where_they_do_not_belong(body: str, reason: str) -> None:
    with pytest.raises(InvalidPublicationError) as caught:
        request_from_json(body.encode(), 100)
    assert str(caught.value).startswith(reason)


def test_in_a_header() -> None:
    assert key_from_header([]) == ""
    assert key_from_header(['"8e03978e"']) == '"8e03978e"'
    for values in ([""], ["a", "a"], ["\u00e4"], [LONG], ["a\tb"]):
        with pytest.raises(InvalidPublicationError, match="Idempotency-Key must"):
            key_from_header(values)


def test_header_and_field_are_the_same_or_one_of_them_is_not_there() -> None:
    request = request_from_form(FORM + b"&key=k", b"", 100)
    assert request.under("k") == request.under("") == request
    assert request_from_form(FORM, b"", 100).under("k") == request
    with pytest.raises(InvalidPublicationError, match="Idempotency-Key and key are not the same"):
        request.under("l")
