"""Each expectation here was checked against Go's encoding/json."""

from __future__ import annotations

import pytest

from tornado_realtime.wire.request import Request, read_request

ACCEPTED = {
    "plain": (b'{"action":"a","channel":"c"}', Request("a", "c")),
    "white space": (b' \t\r\n{ "channel" : "c" ,\n"action" : "a" }\n ', Request("a", "c")),
    "empty object": (b"{}", Request("", "")),
    "null": (b" null ", Request("", "")),
    "names in any case": (b'{"ACTION":"a","chAnnel":"c"}', Request("a", "c")),
    "names with escapes": (rb'{"\u0061ction":"a","c\u0048annel":"c"}', Request("a", "c")),
    "last name wins": (b'{"channel":"b","CHANNEL":"c","action":"x","action":"a"}', Request("a", "c")),
    "null changes nothing": (b'{"channel":"c","channel":null,"action":null}', Request("", "c")),
    "unknown names": (b'{"channel":"c","id":1e999,"x":{"channel":5},"y":[[{}]],"":""}', Request("", "c")),
    "names that only look alike": ('{"act\u0130on":5,"\u212achannel":5}'.encode(), Request("", "")),
    "escapes": (rb'{"channel":"\"\\\/\b\f\n\r\t\u00e9\u0000"}', Request("", '"\\/\b\f\n\r\t\u00e9\0')),
    "pair": (rb'{"channel":"\ud83d\ude00"}', Request("", "\U0001f600")),
    "other characters": ('{"channel":"Zoé\u2028\x7f😀"}'.encode(), Request("", "Zoé\u2028\x7f😀")),
    "half pairs": (
        rb'{"channel":"\ud83d|\ude00|\ud83dx|\ud83d\ud83d\ude00"}',
        Request("", "�|�|�x|�\U0001f600"),
    ),
    "thousands of digits": (b'{"n":' + b"9" * 9000 + b',"channel":"c"}', Request("", "c")),
}
REFUSED = {
    "nothing": b"",
    "white space only": b"  ",
    "string": b'"subscribe"',
    "number": b"1",
    "true": b"true",
    "array": b'[{"action":"a","channel":"c"}]',
    "empty array": b"[]",
    "two values": b"{} {}",
    "trailing bytes": b'{"channel":"c"}x',
    "cut": b'{"channel":"c"',
    "trailing comma": b'{"channel":"c",}',
    "single quotes": b"{'channel':'c'}",
    "comment": b'{"channel":"c"}//',
    "number as channel": b'{"channel":5}',
    "big number as channel": b'{"channel":' + b"9" * 9000 + b"}",
    "fraction as channel": b'{"channel":1.5}',
    "bool as channel": b'{"channel":true}',
    "array as channel": b'{"channel":["c"]}',
    "object as channel": b'{"channel":{}}',
    "number as action": b'{"action":5,"channel":"c"}',
    "wrong type, then right": b'{"channel":5,"channel":"c"}',
    "wrong type in other case": b'{"channel":"c","Channel":5}',
    "NaN": b'{"x":NaN}',
    "Infinity": b'{"x":Infinity}',
    "minus Infinity": b'{"x":-Infinity}',
    "leading zero": b'{"x":01}',
    "plus": b'{"x":+1}',
    "hexadecimal": b'{"x":0x1}',
    "no fraction": b'{"x":1.}',
    "no exponent": b'{"x":1e}',
    "digits of another script": '{"x":\u0661}'.encode(),
    "byte order mark": b'\xef\xbb\xbf{"channel":"c"}',
    "other white space": b'\x0c{"channel":"c"}',
    "no-break space": b'\xc2\xa0{"channel":"c"}',
    "unknown escape": rb'{"channel":"\x41"}',
    "short escape": rb'{"channel":"\u12"}',
    "escape with an underscore": rb'{"channel":"\u1_23"}',
    "escape with a sign": rb'{"channel":"\u+123"}',
    "line feed in a string": b'{"channel":"a\nb"}',
    "tab in a name": b'{"chan\tnel":"a"}',
    "wrong keyword": b"nul",
    "capital keyword": b"Null",
    "very deep": b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep and never closed": b"[" * 100_000,
    "UTF-16": '{"channel":"c"}'.encode("utf-16-le"),
}


@pytest.mark.parametrize("is_text", [True, False])
@pytest.mark.parametrize(("message", "request_"), ACCEPTED.values(), ids=ACCEPTED.keys())
def test_accepted(message: bytes, request_: Request, is_text: bool) -> None:
    assert read_request(message, is_text) == request_


@pytest.mark.parametrize("is_text", [True, False])
@pytest.mark.parametrize("message", REFUSED.values(), ids=REFUSED.keys())
def test_refused(message: bytes, is_text: bool) -> None:
    assert read_request(message, is_text) is None


@pytest.mark.parametrize(
    ("raw", "channel"),
    [
        (b"a\xffb", "a�b"),
        (b"\xe2\x82A", "��A"),
        (b"\xf0\x80\x80\x80", "����"),
        (b"\xed\xa0\x80", "���"),
        (rb"\ud83d" + b"\xde", "��"),
    ],
)
def test_each_byte_that_is_not_utf8_is_replaced(raw: bytes, channel: str) -> None:
    assert read_request(b'{"channel":"' + raw + b'"}', is_text=False) == Request("", channel)
