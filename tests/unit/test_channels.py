"""Names of channels, and which of many patterns wins."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_realtime.channels import NAME_BYTES, Match, Pattern, PatternTable, is_good_name, parse_pattern

# -- names -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "is_good"),
    [
        ("news", True),
        (" ", True),
        ("a b/c:d{e}*", True),
        ("zoé", True),
        ("\N{NO-BREAK SPACE}", True),
        ("\N{LINE SEPARATOR}", True),
        ("😀", True),
        ("", False),
        ("\x00", False),
        ("a\nb", False),
        ("a\x1b[31m", False),
        ("a\x7f", False),
        ("\x85", False),
        ("é\x9f", False),
        ("x" * NAME_BYTES, True),
        ("x" * (NAME_BYTES + 1), False),
        ("é" * 127 + "x", True),
        ("é" * 128, False),
        ("😀" * 64, False),
        ("\ud800", True),  # never comes this far, and must not raise
    ],
)
def test_names(name: str, is_good: bool) -> None:
    assert is_good_name(name) is is_good


@given(st.text(max_size=300))
def test_good_names_are_short_and_have_no_control_characters(name: str) -> None:
    short = 0 < len(name.encode("utf-8", "surrogatepass")) <= 255
    assert is_good_name(name) is (short and not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in name))


# -- one pattern -----------------------------------------------------------------------------------------

NO = None
YES = Match()
MATCHES: list[tuple[str, str, Match | None]] = [
    ("news", "news", YES),
    ("news", "News", NO),
    ("news", "news2", NO),
    ("news.*", "news.a.b", YES),
    ("news.*", "news.", YES),
    ("news.*", "news", NO),
    ("*", "anything", YES),
    ("*.private", "a.private", YES),
    ("*.private", ".private", YES),
    ("*.private", "a.private.b", NO),
    ("a*b*c", "abc", YES),
    ("a*b*c", "a-b-b-c", YES),
    ("a*b*c", "ac", NO),
    ("a**c", "abc", YES),
    ("aba*aba", "aba", NO),
    ("aba*aba", "ababa", NO),
    ("aba*aba", "abaaba", YES),
    ("a?c", "abc", NO),
    ("a?c", "a?c", YES),
    ("[ab]", "a", NO),
    ("user.{user}", "user.ada", Match("ada")),
    ("user.{user}", "user.ada.lovelace", Match("ada.lovelace")),
    ("user.{user}", "user.", NO),
    ("{user}", "ada", Match("ada")),
    ("{user}.inbox", "ada.b.inbox", Match("ada.b")),
    ("{user}.inbox", ".inbox", NO),
    ("user.{user}.*", "user.ada.mail", Match("ada")),
    ("user.{user}.*", "user.ada.", Match("ada")),
    ("user.{user}.*", "user.ada", NO),
    ("user.{user}.*", "user..x", NO),
    ("user.{user}.*", "user..x.y", Match(".x")),
    ("user.{user}.*", "user.ada.b.mail", Match("ada")),
    ("u/{user}/in*/*", "u/a/b/inbox/x", Match("a/b")),
    ("u/{user}/in*/*", "u/a/in/in/x", Match("a")),
    ("u.{user}-*.x", "u.a-b-c.x", Match("a")),
]


@pytest.mark.parametrize(("pattern", "name", "expected"), MATCHES, ids=[f"{p} {n}" for p, n, _ in MATCHES])
def test_matching(pattern: str, name: str, expected: Match | None) -> None:
    assert parse_pattern(pattern).match(name) == expected


letters = st.text("ab.", max_size=8)
some_letters = st.text("ab.", min_size=1, max_size=8)
patterns = st.lists(st.sampled_from(["a", "b", ".", "ab", "*"]), min_size=1, max_size=8).map("".join)


@given(patterns, letters)
def test_stars_match_as_in_a_regular_expression(text: str, name: str) -> None:
    expected = re.fullmatch(".*".join(map(re.escape, text.split("*"))), name) is not None
    assert (Pattern(text).match(name) is not None) is expected


@given(letters, some_letters, some_letters, letters)
def test_the_user_is_who_stands_in_the_name(before: str, user: str, between: str, rest: str) -> None:
    pattern = parse_pattern(f"{before}{{user}}{between}*")
    found = pattern.match(f"{before}{user}{between}{rest}")
    assert found is not None and found.user is not None
    # Never more than the id, and less only where the separator is in it.
    assert user.startswith(found.user)
    assert found.user == user or between in (user + between)[1:-1]


@given(letters, some_letters, letters)
def test_without_a_star_the_whole_id_counts(before: str, user: str, after: str) -> None:
    assert parse_pattern(f"{before}{{user}}{after}").match(before + user + after) == Match(user)


def test_no_name_makes_a_pattern_slow() -> None:
    """Backtracking would take longer than the universe has existed."""
    assert parse_pattern("a*" * 120 + "b").match("a" * 255) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; write a channel's name or a pattern such as news.* or user.{user}.*"),
        ("a\n", r"'a\n' matches no channel: a channel's name has 1 to 255 bytes and no control characters"),
        ("{usr}", "'{usr}' has a brace that is not part of {user}, the one placeholder there is"),
        ("{user", "'{user' has a brace that is not part of {user}, the one placeholder there is"),
        ("{user}.{user}", "'{user}.{user}' has {user} twice"),
        ("*.{user}", "'*.{user}' leaves open where {user} begins: no * may stand before it"),
        ("{user}*", "'{user}*' leaves open where {user} ends: write some text between it and the *"),
    ],
)
def test_patterns_that_mean_nothing(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_pattern(text)
    assert str(caught.value) == message


# -- many patterns: the table that the documentation promises ------------------------------------------------

WINNERS: list[tuple[str, list[str]]] = [
    # The name, and the patterns that match it, the winner first.
    ("news.uk.london", ["news.uk.london", "news.uk.*", "news.*.london", "news.*", "*.london", "*"]),
    (
        "user.7.mail",
        ["user.7.mail", "user.7.*", "user.{user}.mail", "user.{user}.*", "user.*", "*.mail", "*"],
    ),
    ("private-x", ["private-*", "p*x", "p*", "*-x"]),
    ("ada", ["ada", "{user}", "*"]),
    ("a.b", ["a.*b", "a.*", "*.b", "*.*"]),
    ("a.bc.b", ["a.*b*b", "a.*b*", "*.b*"]),
    ("a.b.b", ["a.*b.*", "a.*b*b"]),  # both are as specific: the first one written counts
]


@pytest.mark.parametrize(("name", "texts"), WINNERS, ids=[name for name, _ in WINNERS])
@pytest.mark.parametrize("backwards", [False, True])
def test_the_most_specific_pattern_wins(name: str, texts: list[str], backwards: bool) -> None:
    parsed = [parse_pattern(text) for text in texts]
    assert all(pattern.match(name) is not None for pattern in parsed)
    equal_ranks = len({pattern.rank for pattern in parsed}) < len(parsed)
    while parsed:
        entries = [(pattern, pattern.text) for pattern in parsed]
        if backwards and not equal_ranks:
            entries.reverse()
        found = PatternTable(entries).find(name)
        assert found is not None and found[0] == parsed[0].text
        parsed.pop(0)


def test_nothing_matches() -> None:
    assert PatternTable([]).find("a") is None
    assert PatternTable([(parse_pattern("a*"), 1), (parse_pattern("b"), 2)]).find("c") is None


@given(st.lists(patterns, max_size=12), some_letters)
def test_the_table_finds_what_looking_at_all_of_them_finds(texts: list[str], name: str) -> None:
    parsed = [Pattern(text) for text in dict.fromkeys(texts)]
    matching = [pattern for pattern in parsed if pattern.match(name) is not None]
    found = PatternTable((pattern, pattern) for pattern in parsed).find(name)
    assert (found[0] if found else None) == max(matching, key=lambda pattern: pattern.rank, default=None)


def test_thousands_of_patterns_are_not_all_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    table = PatternTable((parse_pattern(f"room-{number}.*"), number) for number in range(5000))
    tried: list[str] = []
    match = Pattern.match

    def noting(pattern: Pattern, name: str) -> Match | None:
        tried.append(pattern.text)
        return match(pattern, name)

    monkeypatch.setattr(Pattern, "match", noting)
    assert table.find("room-4711.chat") == (4711, Match())
    assert table.find("elsewhere") is None
    assert tried == ["room-4711.*"]
