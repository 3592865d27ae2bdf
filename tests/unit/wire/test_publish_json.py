"""Publications out of JSON: what is published, and what is refused, with the words of the refusal."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tornado_realtime.channels import BAD_NAME
from tornado_realtime.errors import InvalidPublicationError, PublicationTooLargeError, PublishError
from tornado_realtime.publication import Publication
from tornado_realtime.wire.publish_json import MOST_PUBLICATIONS, request_from_json

LIMIT = 1 << 20


def read(body: str | bytes, limit: int = LIMIT) -> list[tuple[str, bytes]]:
    data = body.encode() if isinstance(body, str) else body
    return [(made.channel, made.data) for made in request_from_json(data, limit).publications]


def entry(message: str, channel: str = "c") -> str:
    return f'{{"channel":"{channel}","message":{message}}}'


def batch_of(*items: str) -> str:
    return '{"batch":[' + ",".join(items) + "]}"


def to_channels(names: str, message: str = "1") -> str:
    return '{"channels":' + names + ',"message":' + message + "}"


RIGHT: dict[str, tuple[str, list[tuple[str, bytes]]]] = {
    "text": ('{"channel":"c","message":"hello"}', [("c", b"hello")]),
    "other order": ('{"message":"hello","channel":"c"}', [("c", b"hello")]),
    "white space": ('\n\t {\r"channel" : "c" , "message"\n:\t"a b" } ', [("c", b"a b")]),
    "escapes": (r'{"ch\u0061nnel":"\u00fc","message":"\ud83d\ude00\n\"\/"}', [("ü", '😀\n"/'.encode())]),
    "text that is JSON": (entry(r'"{\"a\": 1}"'), [("c", b'{"a": 1}')]),
    "an object": (entry('{ "a" : [1, 2 ], "b":{} }'), [("c", b'{"a":[1,2],"b":{}}')]),
    "spaces in strings": (entry('{"a  b": " \\" , "}'), [("c", b'{"a  b":" \\" , "}')]),
    "digits": (entry("[1.50, 1e400, -0, 0.1E+2]"), [("c", b"[1.50,1e400,-0,0.1E+2]")]),
    "more digits than an int has": (entry("9" * 5000), [("c", b"9" * 5000)]),
    "equal names": (entry('{"b":1,"a":2,"b":3}'), [("c", b'{"b":1,"a":2,"b":3}')]),
    "escapes stay": (
        entry(r'["\u00fc", "ü", "\ud800", "</"]'),
        [("c", r'["\u00fc","ü","\ud800","</"]'.encode())],
    ),
    "null": (entry(" null "), [("c", b"null")]),
    "true": (entry("true"), [("c", b"true")]),
    "zero": (entry("0"), [("c", b"0")]),
    "an empty array": (entry("[ ]"), [("c", b"[]")]),
    "an object like an entry": (
        entry('{"message": "m", "channel": 1}'),
        [("c", b'{"message":"m","channel":1}')],
    ),
    "channels": (
        '{"channels":["a","b","a"],"message":[1, 2]}',
        [("a", b"[1,2]"), ("b", b"[1,2]"), ("a", b"[1,2]")],
    ),
    "a batch of one": ('{"batch":[{"channel":"c","message":"m"}]}', [("c", b"m")]),
    "a batch": (
        '{"batch" : [ {"channel":"a","message":"1"} , {"message":{"n": 2},"channels":["a" , "b"]},'
        ' {"channel":"]}","message":[ "}]" ]},{"channel":"a","message":"4"}]}',
        [("a", b"1"), ("a", b'{"n":2}'), ("b", b'{"n":2}'), ("]}", b'["}]"]'), ("a", b"4")],
    ),
    "a batch of batches' words": (
        '{"batch":[{"channel":"batch","message":{"batch": [1]}},{"channel":"message","message":[ ]}]}',
        [("batch", b'{"batch":[1]}'), ("message", b"[]")],
    ),
    "an escaped batch": (r'{"b\u0061tch":[{"channel":"c","message":[1, 2]}]}', [("c", b"[1,2]")]),
    "white space in a channel": (entry('"m"', " "), [(" ", b"m")]),
    "white space as message": (entry(r'" \n"'), [("c", b" \n")]),
}


@pytest.mark.parametrize(("body", "made"), RIGHT.values(), ids=RIGHT)
def test_what_is_published(body: str, made: list[tuple[str, bytes]]) -> None:
    assert read(body) == made


def test_channels_share_one_message() -> None:
    one, two = request_from_json(b'{"channels":["a","b"],"message":{"a":1}}', LIMIT).publications
    assert one.data is two.data
    assert one == Publication("a", b'{"a":1}')


WRONG: dict[str, tuple[str | bytes, str]] = {
    "nothing": ("", "the body is not JSON: Expecting value at character 0"),
    "half": ('{"channel":"c"', "the body is not JSON: Expecting ',' delimiter at character 14"),
    "two": (entry("1") * 2, "the body is not JSON: Extra data at character 27"),
    "NaN": (entry("NaN"), "the body is not JSON: NaN is not JSON"),
    "a byte order mark": ("\ufeff" + entry("1"), "the body is not JSON: Expecting value at character 0"),
    "not UTF-8": (b'{"channel":"\xff","message":1}', "the body is not UTF-8"),
    "UTF-16": (entry("1").encode("utf-16-le"), "the body is not JSON"),
    "too deep": (entry("[" * 100_000 + "]" * 100_000), "the body is nested too deeply"),
    "an array": ("[]", "the body must be an object"),
    "a string": ('"channel"', "the body must be an object"),
    "null": ("null", "the body must be an object"),
    "empty": ("{}", "channel is missing"),
    "no channel": ('{"message":"m"}', "channel is missing"),
    "no message": ('{"channel":"c"}', "message is missing"),
    "other case": ('{"Channel":"c","message":"m"}', "unknown key 'Channel' (did you mean channel?)"),
    "a misspelt key": ('{"channel":"c","mesage":"m"}', "unknown key 'mesage' (did you mean message?)"),
    "another key": ('{"channel":"c","message":"m","ttl":1}', "unknown key 'ttl'"),
    "a long key": ('{"' + "x" * 99 + '":1}', f"unknown key '{'x' * 64}'"),
    "a key that cannot be shown": (r'{"\ud800\u0000":1}', r"unknown key '\ud800\x00'"),
    "a key twice": ('{"channel":"c","message":"m","channel":"c"}', "channel is given twice"),
    "both": ('{"channel":"c","channels":["c"],"message":"m"}', "channel and channels are both there"),
    "a number as channel": ('{"channel":1,"message":"m"}', "channel must be a string that is not empty"),
    "null as channel": ('{"channel":null,"message":"m"}', "channel must be a string that is not empty"),
    "an empty channel": (entry('"m"', ""), "channel must be a string that is not empty"),
    "an empty message": (entry('""'), "message is empty"),
    "half a pair as message": (entry(r'"\ud800"'), "message has half a surrogate pair"),
    "half a pair as channel": (entry('"m"', r"\udfff"), "channel has half a surrogate pair"),
    "channels no array": ('{"channels":"c","message":"m"}', "channels must be an array that is not empty"),
    "no channels": ('{"channels":[],"message":"m"}', "channels must be an array that is not empty"),
    "a channel that is none": (
        '{"channels":["a",{}],"message":"m"}',
        "channels[1] must be a string that is not empty",
    ),
    "batch no array": ('{"batch":{}}', "batch must be an array that is not empty"),
    "an empty batch": ('{"batch":[]}', "batch must be an array that is not empty"),
    "beside a batch": ('{"batch":[1],"channel":"c"}', "channel cannot stand beside batch"),
    "a batch twice": ('{"batch":[1],"batch":[2]}', "batch is given twice"),
    "a batch in a batch": ('{"batch":[{"batch":[]}]}', "batch[0]: unknown key 'batch'"),
    "no object in a batch": (batch_of(entry("[1]"), "[]"), "batch[1]: it must be an object"),
    "a key in a batch": (
        batch_of(entry("1"), entry('"m"'), '{"channel":"c","messages":"m"}'),
        "batch[2]: unknown key 'messages' (did you mean message?)",
    ),
    "the first of several": ('{"batch":[{},{"channel":1}]}', "batch[0]: channel is missing"),
    "behind a message that is looked up": (
        batch_of(entry("{}"), '{"channel":"c"}'),
        "batch[1]: message is missing",
    ),
    "a control character": (entry("1", r"a\u0000"), BAD_NAME),
    "a long name": (entry("1", "c" * 256), BAD_NAME),
    "a long name of few letters": (batch_of(entry("1"), entry("1", "ü" * 128)), f"batch[1]: {BAD_NAME}"),
    "a bad name among several": (to_channels(json.dumps(["a", "b" * 256])), BAD_NAME),
    "a channel in a batch": (
        '{"batch":[{"channels":["a",""],"message":1}]}',
        "batch[0]: channels[1] must be a string that is not empty",
    ),
}


@pytest.mark.parametrize(("body", "reason"), WRONG.values(), ids=WRONG)
def test_what_is_refused(body: str | bytes, reason: str) -> None:
    with pytest.raises(InvalidPublicationError) as caught:
        read(body)
    assert str(caught.value).startswith(reason) if reason.endswith("JSON") else str(caught.value) == reason


@pytest.mark.parametrize(
    ("body", "fits"),
    [
        (entry('"' + "x" * 10 + '"'), True),
        (entry('"' + "x" * 11 + '"'), False),
        (entry('"' + "ü" * 5 + '"'), True),
        (entry('"' + "ü" * 6 + '"'), False),
        (entry('"' + r"\u0041" * 10 + '"'), True),
        (entry("[1, 2, 3, 4]"), True),
        (entry("[1,2,3,4,55]"), False),
        (entry("1", "c" * 255), True),
    ],
)
def test_sizes_are_those_of_what_is_published(body: str, fits: bool) -> None:
    if fits:
        read(body, 10)
        return
    with pytest.raises(PublicationTooLargeError, match=r"^a message has at most 10 bytes$"):
        read(body, 10)
    with pytest.raises(PublicationTooLargeError, match=r"^batch\[1\]: a message has at most 10"):
        read(batch_of(entry("1"), body), 10)


def test_ten_thousand_and_no_more() -> None:
    names = json.dumps([str(number) for number in range(MOST_PUBLICATIONS)])
    assert len(read(to_channels(names))) == MOST_PUBLICATIONS
    items = [entry("1")] * MOST_PUBLICATIONS
    assert len(read(batch_of(*items))) == MOST_PUBLICATIONS
    too_many = (
        to_channels(names[:-1] + ',"x"]'),
        batch_of(*items, entry("1")),
        batch_of(entry("1"), to_channels(names)),
    )
    for body in too_many:
        with pytest.raises(PublicationTooLargeError, match=r"a request makes at most 10000 publications$"):
            read(body)


# -- properties ------------------------------------------------------------------------------------------

names = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | names,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(names, below, max_size=4),
    max_leaves=12,
)
entries = st.one_of(
    st.fixed_dictionaries({"channel": names, "message": values}),
    st.fixed_dictionaries({"message": values, "channels": st.lists(names, min_size=1, max_size=3)}),
)


def made_of(item: dict[str, Any]) -> list[tuple[str, bytes]]:
    message = item["message"]
    text = (
        message
        if isinstance(message, str)
        else json.dumps(message, separators=(",", ":"), ensure_ascii=False)
    )
    return [(channel, text.encode()) for channel in item.get("channels", [item.get("channel")])]


styles = st.sampled_from([{}, {"indent": 2}, {"separators": (" ,\n", "\t:\r")}, {"separators": (",", ":")}])


@settings(deadline=None, max_examples=200)
@given(st.lists(entries, min_size=1, max_size=6), styles, st.booleans())
def test_everything_that_can_be_published_is(items: list[dict[str, Any]], style: Any, alone: bool) -> None:
    body = items[0] if alone else {"batch": items}
    expected = [made for item in (items[:1] if alone else items) for made in made_of(item)]
    assert read(json.dumps(body, ensure_ascii=False, **style)) == expected


fragments = st.sampled_from(
    [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        '"channel"',
        '"channels"',
        '"message"',
        '"batch"',
        '"x"',
        "1",
        " ",
        "null",
        '"',
    ]
)
mutants = st.tuples(st.sampled_from([body for body, _ in RIGHT.values()]), st.integers(0, 99), fragments)


@settings(deadline=None, max_examples=400)
@given(
    st.one_of(
        st.binary(max_size=60),
        st.lists(fragments, max_size=25).map(lambda parts: "".join(parts).encode()),
        mutants.map(lambda m: (m[0][: m[1]] + m[2] + m[0][m[1] :]).encode()),
        mutants.map(lambda m: (m[0][: m[1]] + m[2] + m[0][m[1] + len(m[2]) :]).encode()),
        values.map(lambda value: json.dumps(value).encode()),
    )
)
@example(b'{"batch":[{"channel":"c","message":[1]},1]}')
@example(b'{"batch":[{"channel":"c","message":[1]},{}]}')
def test_anything_else_is_refused_in_words(body: bytes) -> None:
    try:
        made = request_from_json(body, 40).publications
    except PublishError as error:
        reason = str(error)
        assert reason.isprintable()
        reason.encode()
        return
    assert made
    for publication in made:
        assert 0 < len(publication.data) <= 40
        assert 0 < len(publication.channel.encode()) <= 40
        publication.data.decode()
