from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from tornado.httputil import HTTPHeaders

from tornado_realtime.site.responder import bodiless, clean_headers, clean_value, overlay, reason_of


@settings(deadline=None, max_examples=300)
@given(st.text())
def test_no_value_can_break_a_head(text: str) -> None:
    value = clean_value(text)
    assert not set(value) & {chr(code) for code in range(32) if code != 9}
    value.encode("latin-1")


def test_values_keep_their_meaning() -> None:
    assert clean_value('a\tb; c="d"') == 'a\tb; c="d"'
    assert clean_value("a\r\nSet-Cookie: x") == "a Set-Cookie: x"
    assert clean_value("東") == "東".encode().decode("latin-1")
    assert clean_value("\xe9") == "\xe9"
    assert clean_value("/\udcff") == "/\xff"
    assert clean_value(" a ") == "a"


def test_names_that_are_no_tokens_are_left_out() -> None:
    headers = HTTPHeaders()
    for name in ("Good", "Bad Name", "Bad:", "", "Bad\n", "Ünicode"):
        headers[name] = "x"
    assert list(clean_headers(headers)) == ["Good"]


def test_a_later_field_replaces_all_lines_of_an_earlier_one() -> None:
    below, above = HTTPHeaders(), HTTPHeaders()
    below.add("A", "1")
    below.add("A", "2")
    below.add("B", "3")
    above.add("a", "4")
    above.add("a", "5")
    assert list(overlay(below, above).get_all()) == [("A", "4"), ("A", "5"), ("B", "3")]


def test_reasons() -> None:
    assert reason_of(404) == "Not Found"
    assert reason_of(599) == "Unknown"


def test_which_answers_have_no_body() -> None:
    assert bodiless("HEAD", 200)
    assert bodiless("GET", 304)
    assert bodiless("GET", 204)
    assert bodiless("GET", 101)
    assert not bodiless("GET", 200)
