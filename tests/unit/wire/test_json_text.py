from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornado_realtime.wire import json_text
from tornado_realtime.wire.json_text import compact, quote

SPACES = st.sampled_from(["", "", " ", "\n\t", "\r "])
PAIRS = ['"', "\\", "\\\\", '\\"', "a b", " ", "{", "}", ":", ",", "<", "&", "é", "\u2028", "\n"]
texts = st.lists(st.sampled_from(PAIRS), max_size=6).map("".join)
values = st.recursive(
    st.none() | st.integers() | texts, lambda inner: st.lists(inner) | st.dictionaries(texts, inner)
)


@settings(deadline=None)
@given(values, SPACES, SPACES)
def test_white_space_goes_and_the_value_stays(value: object, comma: str, colon: str) -> None:
    spaced = json.dumps(value, ensure_ascii=False, separators=(f"{comma},{colon}", f"{colon}:{comma}"))
    squeezed = compact(f"{colon}{spaced}{comma}".encode())
    assert squeezed is not None
    assert json.loads(squeezed) == value
    plain = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        plain = plain.replace(character, f"\\u{ord(character):04x}")
    assert squeezed == plain.encode()


@settings(deadline=None)
@given(st.binary(max_size=60) | st.text(alphabet='[]{}":,1 \\anul', max_size=40).map(str.encode))
def test_only_json_is_compacted(text: bytes) -> None:
    squeezed = compact(text)
    try:
        value = json.loads(text.decode())
    except ValueError:
        assert squeezed is None
    else:
        assert squeezed is None or json.loads(squeezed) == value


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8")))
def test_quoted_text_is_read_back(text: str) -> None:
    quoted = quote(text)
    assert json.loads(quoted) == text
    assert not set(quoted.decode()) & set("<>&\u2028\u2029")


def test_half_pairs_cannot_break_the_frame() -> None:
    assert quote("a\ud800b") == b'"a?b"'


@pytest.mark.parametrize("levels", [1, 900, 1_100, 9_998])
def test_deep_values_are_compacted(levels: int) -> None:
    lists = b"[ " * levels + b"1" + b" ]" * levels
    objects = b'{ "a" : ' * levels + b"[ 1 , {} ]" + b" }" * levels
    assert compact(lists) == lists.replace(b" ", b"")
    assert compact(objects) == objects.replace(b" ", b"")


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 300_000 + b"]" * 300_000,
        b"[" * 300_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b"[" * 3_000 + b"]" * 2_999,
        b"[" * 3_000 + b"]" * 3_001,
        b"[" * 3_000 + b"1 2" + b"]" * 3_000,
    ],
)
def test_deep_values_may_be_wrong_too(text: bytes) -> None:
    assert compact(text) is None


DEEP = "[" * 3_000
SHALLOW = [
    '{"a":1,"b":[true,null],"":{}}',
    '[[],{},"",0]',
    " 1 ",
    '"a"',
    "",
    "]",
    "[1,]",
    "[,1]",
    "[1 1]",
    '{"a"}',
    '{"a":}',
    '{"a":1,}',
    "{a:1}",
    "{1:1}",
    '{"a" 1}',
    '["a]',
    "[01]",
    "[NaN]",
    "nul",
    "[}",
]


@pytest.mark.parametrize("text", SHALLOW)
def test_the_reader_of_deep_values_judges_as_the_other_does(text: str) -> None:
    shallow = compact(text.encode()) is not None
    assert json_text._DeepReader(text).is_one_value() is shallow
    assert (compact(f"{DEEP}{text}{']' * 3_000}".encode()) is not None) is (shallow or not text)


def test_time_grows_with_the_text_only() -> None:
    half = 200_000
    assert compact(b'"' + b"\\" * (2 * half) + b' "') == b'"' + b"\\" * (2 * half) + b' "'
    assert compact(b'"' + b"\\" * (2 * half + 1) + b' "') is None
    assert compact(b'"' * (2 * half)) is None
    assert compact(b" " * half + b"9" * half + b" " * half) == b"9" * half
