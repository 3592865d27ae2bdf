from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornado_realtime.errors import HandlerError
from tornado_realtime.site.regexps import Regexp

ATOMS = st.sampled_from(
    ["a", "b", ".", "[ab]", "[^a]", r"\w", r"\d", r"\b", "^", "$", "(a)", "(?:ab)", "(b|a)"]
)
COUNTS = st.sampled_from(["", "*", "+", "?", "*?", "+?", "{1,2}", "{2}", "{1,}?"])
EXPRESSIONS = st.lists(st.tuples(ATOMS, COUNTS).map("".join), max_size=5).map("".join)


def captures(pattern: str, text: str) -> tuple[str, ...] | None:
    found = Regexp(pattern).search(text)
    return None if found is None else found.groups


@pytest.mark.parametrize(
    ("pattern", "text", "groups"),
    [
        ("^/api/(.*)$", "/api/x/y", ("/api/x/y", "x/y")),
        (r"\.(jpg|png)$", "/a.png", (".png", "png")),
        ("(?i)^/ABC", "/abc", ("/abc",)),
        ("a(?i)b|c", "C", ("C",)),
        ("(?i:a)b", "Ab", ("Ab",)),
        ("(?s)a.b", "a\nb", ("a\nb",)),
        ("a.b", "a\nb", None),
        ("a$", "a\n", None),
        ("(?m)a$", "a\nb", ("a",)),
        (r"\Aa\z", "a", ("a",)),
        ("(?U)a+", "aaa", ("a",)),
        ("(?U)a+?", "aaa", ("aaa",)),
        ("a{2}", "aaa", ("aa",)),
        ("a{,2}", "a{,2}", ("a{,2}",)),
        (r"\Qa.b\E+", "a.bb", ("a.bb",)),
        ("[[:alpha:]_-]+", "1a-_b2", ("a-_b",)),
        ("[[:^digit:]]", "1x", ("x",)),
        ("[]a]+", "]a", ("]a",)),
        (r"[\d\-x]+", "1-x", ("1-x",)),
        (r"\x41\x{1F600}\101", "A\U0001f600A", ("A\U0001f600A",)),
        (r"\w", "é", None),
        ("(?i)é", "É", ("É",)),
        (r"\Bx", "x", None),
        (r"\B", "", ("",)),
        ("(a|ab)(c|bcd)(d*)", "abcd", ("abcd", "a", "bcd", "")),
        ("(x)?y", "y", ("y", "")),
    ],
)
def test_an_expression_finds_what_re2_finds(pattern: str, text: str, groups: tuple[str, ...] | None) -> None:
    assert captures(pattern, text) == groups


def test_named_groups_are_found_in_both_spellings() -> None:
    found = Regexp("(?P<n>[0-9]+)-(?<m>x)").search("12-x")
    assert found is not None
    assert (found.group("n"), found.group("m"), found.group("2"), found.group("gone")) == ("12", "x", "x", "")
    assert found.captures() == [("0", "12-x"), ("1", "12"), ("2", "x"), ("n", "12"), ("m", "x")]


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(?=a)", "lookahead"),
        ("(?<!a)", "lookbehind"),
        (r"(a)\1", "backreferences"),
        ("(?P=a)", "backreferences"),
        ("(?>a)", "atomic groups"),
        ("(?#a)", "unknown kind of group"),
        ("(a", "not closed"),
        ("a)", "without an opening"),
        ("a**", "repeats a repetition"),
        ("a{2}{3}", "repeats a repetition"),
        ("*a", "nothing to repeat"),
        ("(?i)*", "nothing to repeat"),
        ("[a", "not closed"),
        ("[z-a]", "empty range"),
        ("[[:nope:]]", "no class"),
        (r"\pL", "Unicode classes"),
        ("a{1001}", "1000"),
        ("a{3,2}", "invalid repeat count"),
        ("(?P<a>x)(?P<a>y)", "twice"),
        (r"\y", "no escape"),
        ("a\\", "backslash at the end"),
        (r"\x{110000}", "no character"),
        ("(" * 200 + ")" * 200, "nested too deeply"),
        ("(((a{100}){100}){100})", "too large"),
        ("a" * 20_000, "longer than"),
    ],
)
def test_what_re2_lacks_is_refused_with_a_reason(pattern: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Regexp(pattern)


@given(EXPRESSIONS, st.text("ab1 \n", max_size=12))
@settings(max_examples=300, deadline=None)
def test_the_linear_engine_agrees_with_python(pattern: str, text: str) -> None:
    regexp = Regexp(pattern)
    assert regexp._by_machine(text, 0) == regexp._by_python(text, 0)


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|aa)+$", "(.*)(.*)(.*)(.*)x", "(x+x+)+y", "^(a?){30}a{30}$"]
)
def test_a_hostile_text_is_searched_in_linear_time(pattern: str, monkeypatch: pytest.MonkeyPatch) -> None:
    regexp = Regexp(pattern)

    def unbounded(*args: object) -> None:
        raise AssertionError("handed to an engine that backtracks")

    monkeypatch.setattr(Regexp, "_by_python", unbounded)
    assert regexp.search("a" * 3000 + "!") is None


def test_where_even_linear_time_is_too_long_the_request_fails() -> None:
    with pytest.raises(HandlerError) as caught:
        Regexp("(x{0,900}){0,2}y").search("x" * 60_000)
    assert caught.value.status == 400


def test_ordinary_expressions_use_the_fast_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Regexp, "_by_machine", None)
    for pattern in ("^/api/(.*)$", r"\.(jpg|png)$", "^/([^/]+)/([0-9]+)$", "[a-z]+[0-9]*"):
        Regexp(pattern).search("/" + "x" * 30)


def test_finditer_yields_matches_that_do_not_overlap() -> None:
    assert [found.group("0") for found in Regexp("a+").finditer("aabaa")] == ["aa", "aa"]
    assert [(found.start, found.end) for found in Regexp("a*").finditer("baac")] == [(0, 0), (1, 3), (4, 4)]


@given(st.text(max_size=15))
@settings(max_examples=300, deadline=None)
def test_any_text_is_an_expression_or_a_value_error(pattern: str) -> None:
    try:
        Regexp(pattern).search("some text 123")
    except ValueError as error:
        assert str(error)
