"""Expectations on what is refused, and on which value wins, were checked against Go's net/url and mime."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornado_realtime.channels import BAD_NAME, NAME_BYTES
from tornado_realtime.errors import InvalidPublicationError, PublicationTooLargeError, PublishError
from tornado_realtime.publication import Publication
from tornado_realtime.wire.form import media_type, parse_form, request_from_form

LIMIT = 100


def published(body: bytes | None, query: bytes = b"") -> Publication:
    return request_from_form(body, query, LIMIT).publications[0]


@pytest.mark.parametrize(
    ("body", "query", "channel", "message"),
    [
        (b"channel=news&message=hi", b"", "news", b"hi"),
        (b"message=hi&channel=news", b"", "news", b"hi"),
        (b"channel=a+b&message=%3Cb%3e+%2B%26%3D", b"", "a b", b"<b> +&="),
        (b"channel=Zo%C3%A9&message=%F0%9F%98%80", b"", "Zoé", "😀".encode()),
        ("channel=Zoé&message=é".encode(), b"", "Zoé", "é".encode()),
        (rb"channel=c&message=\n\x41%5C\%41", b"", "c", rb"\n\x41\\A"),
        (b"channel=c&message=a=b=c", b"", "c", b"a=b=c"),
        (b"channel=c&message=%00", b"", "c", b"\0"),
        (b"&&channel=c&&&message=m&", b"", "c", b"m"),
        (b"chan%6Eel=c&mess%61ge=m", b"", "c", b"m"),
        (b"channel=first&channel=second&message=m", b"", "first", b"m"),
        (b"x=1&=2&y&channel=c&message=m", b"", "c", b"m"),
        (None, b"channel=c&message=m", "c", b"m"),
        (b"", b"channel=c&message=m", "c", b"m"),
        (b"message=m", b"channel=c", "c", b"m"),
        (b"channel=body&message=m", b"channel=query&message=q", "body", b"m"),
    ],
)
def test_publications(body: bytes | None, query: bytes, channel: str, message: bytes) -> None:
    assert published(body, query) == Publication(channel, message)


@pytest.mark.parametrize(
    ("body", "query"),
    [
        (None, b""),
        (b"", b""),
        (b"channel=c", b""),
        (b"message=m", b""),
        (b"channel=&message=m", b""),
        (b"channel=c&message=", b""),
        (b"channel&message=m", b""),
        (b"channel=&channel=b&message=m", b""),
        (b"channel=&message=m", b"channel=b"),
        (b"Channel=c&MESSAGE=m", b""),
        (b'{"channel":"c","message":"m"}', b""),
    ],
)
def test_missing_fields(body: bytes | None, query: bytes) -> None:
    with pytest.raises(InvalidPublicationError, match=r"^Missing channel or message$"):
        published(body, query)


@pytest.mark.parametrize(
    "text",
    [
        b"channel=c&message=%zz",
        b"channel=c&message=%",
        b"channel=c&message=%4",
        b"channel=c&message=m&x=%4&1",
        b"%=1&channel=c&message=m",
        b"channel=c;message=m",
        b"channel=c&message=a;b",
        b";&channel=c&message=m",
        b"channel=c&message=m&" + b"&" * 10_000,
        b"&" * 10_000_000,
        b"a&" * 5_000_000,
        b";" * 10_000_000,
        b"%" * 10_000_000,
    ],
    ids=lambda text: repr(text[:20]),
)
def test_what_cannot_be_parsed(text: bytes) -> None:
    for body, query in ((text, b""), (b"channel=c&message=m", text)):
        with pytest.raises(InvalidPublicationError, match=r"^Bad Request$"):
            published(body, query)


def test_ten_thousand_fields_are_taken_and_no_more() -> None:
    fields = b"channel=c&message=m" + b"&x=1" * 9_998
    assert published(fields) == Publication("c", b"m")
    with pytest.raises(InvalidPublicationError):
        published(fields + b"&")


@pytest.mark.parametrize(
    "body",
    [
        b"channel=%FF&message=m",
        b"channel=c&message=%C3",
        b"channel=c&message=\xff",
        b"channel=%ED%A0%80&message=m",
    ],
)
def test_fields_must_be_utf8(body: bytes) -> None:
    with pytest.raises(InvalidPublicationError, match="UTF-8"):
        published(body)


@pytest.mark.parametrize("letter", [b"m", b"+", b"%6D"])
def test_the_limit_counts_decoded_bytes(letter: bytes) -> None:
    assert len(published(b"channel=c&message=" + letter * LIMIT).data) == LIMIT
    with pytest.raises(PublicationTooLargeError, match="100"):
        published(b"channel=c&message=" + letter * (LIMIT + 1))


@pytest.mark.parametrize("letter", [b"c", b"+", b"%6D"])
def test_the_size_of_a_channel_counts_decoded_bytes(letter: bytes) -> None:
    assert len(published(b"message=m&channel=" + letter * NAME_BYTES).channel) == NAME_BYTES
    with pytest.raises(InvalidPublicationError, match="1 to 255 bytes"):
        published(b"message=m&channel=" + letter * (NAME_BYTES + 1))


@pytest.mark.parametrize("channel", [b"a%00", b"%0A", b"a%7F", b"%C2%85", b"%C3%BC" * 128])
def test_bad_names_of_channels(channel: bytes) -> None:
    with pytest.raises(InvalidPublicationError, match=f"^{BAD_NAME}$"):
        published(b"message=m&channel=" + channel)


def test_overlong_names_are_skipped() -> None:
    form = parse_form(b"n" * 65 + b"=1&" + b"n" * 64 + b"=2")
    assert form.values == {b"n" * 64: b"2"}


@settings(deadline=None)
@given(st.lists(st.tuples(st.text(max_size=5), st.text(max_size=20)), max_size=8))
def test_ordinary_forms_are_read_as_urllib_reads_them(fields: list[tuple[str, str]]) -> None:
    body = urlencode(fields)
    expected: dict[str, str] = {}
    for name, value in parse_qsl(body, keep_blank_values=True):
        expected.setdefault(name, value)
    form = parse_form(body.encode())
    assert {name.decode(): form.get(name).decode() for name in form.values} == expected


@settings(deadline=None)
@given(st.binary(max_size=60), st.binary(max_size=20))
def test_random_bytes_raise_nothing_but_publish_errors(body: bytes, query: bytes) -> None:
    try:
        published(body, query)
    except PublishError:
        pass


FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (None, ""),
        ("", ""),
        (FORM, FORM),
        (f" {FORM.upper()} ", FORM),
        (f"{FORM}; charset=UTF-8", FORM),
        (f'{FORM} ;charset = "a;b\\"c" ; x=y', FORM),
        (f"{FORM};", FORM),
        (f"{FORM}; ", FORM),
        (f"{FORM}; a=b ; ", FORM),
        (f'{FORM}; a=""', FORM),
        (f"{FORM}; a=b; A=b", FORM),
        (f'{FORM}; a=b; a="b"', FORM),
        (f'{FORM}; a="\\b"; a="\\b"', FORM),
        ("multipart/form-data; boundary=x", "multipart/form-data"),
        ("application/json", "application/json"),
        ("form", "form"),
    ],
)
def test_media_types(header: str | None, name: str) -> None:
    assert media_type(header) == name


@pytest.mark.parametrize(
    "header",
    [
        " ",
        ";",
        "/",
        "a/",
        "/b",
        "a/b/c",
        "a b",
        "a/b c",
        "a,b/c",
        "tëxt/plain",
        "a/b;;",
        "a/b; ;",
        "a/b; c",
        "a/b; c=",
        "a/b; =d",
        "a/b; c=d e",
        "a/b; c=d, e=f",
        'a/b; c="d',
        'a/b; c="d\\"',
        'a/b; c="d\n"',
        'a/b; c="d"e',
        "a/b; c=d; c=e",
        "a/b; c=d; C=D",
    ],
)
def test_malformed_media_types(header: str) -> None:
    with pytest.raises(InvalidPublicationError):
        media_type(header)
