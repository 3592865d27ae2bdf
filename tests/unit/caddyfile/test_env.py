"""Section 3 of the language: environment variables in the text."""

from __future__ import annotations

import pytest

from tornado_realtime.caddyfile import parse
from tornado_realtime.caddyfile.env import MAX_TEXT, substitute
from tornado_realtime.errors import ConfigError

ENV = {"A": "one", "EMPTY": "", "TWO": "x y", "LINES": "x\ny", "NEST": "{$A}", "QUOTE": '"', "SPACE ": "s"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{$A}", "one"),
        ("a{$A}b{$A}", "aonebone"),
        ("{$NOPE}", ""),
        ("{$NOPE:x}", "x"),
        ("{$NOPE:}", ""),
        ("{$A:x}", "one"),
        ("{$EMPTY:x}", ""),
        ("{$SERVER_ADDRESS::8080}", ":8080"),
        ("{$SERVER_ADDRESS:8080}", "8080"),
        ("{$NOPE:http://localhost:8080}", "http://localhost:8080"),
        ("{$NOPE:{x}}", "{x}"),
        ("{$}", "{$}"),
        ("{$}{$A}", "{$}one"),
        ("{$A", "{$A"),
        ("{$A\n:d}", "d"),
        ("{$ A}", ""),
        ("{$SPACE }", "s"),
        ("{$NEST}", "{$A}"),
        ("{$A:b}}", "one}"),
        ("{ $A}", "{ $A}"),
        ("{env.A}", "{env.A}"),
        ('# {$A} `{$A}` "{$A}"', '# one `one` "one"'),
    ],
)
def test_substitution(text: str, expected: str) -> None:
    assert substitute(text, "Caddyfile", ENV).text == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("respond {$TWO}", [("respond", "x", "y")]),
        ('respond "{$TWO}"', [("respond", "x y")]),
        ("respond {$LINES}", [("respond", "x"), ("y",)]),
        ("{$A} {$NOPE} z", [("one", "z")]),
        ("respond {$NOPE:{x}}", [("respond", "{x}")]),
        ("respond `{$A}` {env.A}", [("respond", "one", "{env.A}")]),
    ],
)
def test_values_are_text(text: str, expected: list[tuple[str, ...]]) -> None:
    (site,) = parse(f":80 {{\n{text}\n}}\n", "Caddyfile", ENV).sites
    assert [(each.word, *each.words) for each in site.body] == expected


def test_lines_count_the_values_too() -> None:
    (site,) = parse(":80\nrespond {$LINES}\nrespond\n", "Caddyfile", ENV).sites
    assert [each.line for each in site.body] == [2, 3, 4]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("{$NOPE} {\nrespond hi\n}", 1, "the address before this '{' is empty (is {$NOPE} empty?)"),
        ("{$EMPTY:x} {\n}", 1, "the address before this '{' is empty (is {$EMPTY} empty?)"),
        ("{$NOPE}\nrespond hi", 2, "is a directive"),
        ('"{$NOPE}" {\n}', 1, "an address cannot be empty (is {$NOPE} empty?)"),
        (":80\nrespond {$QUOTE}\n", 2, "is never closed (see the value of {$QUOTE})"),
        ("{$NOPE}", 0, "the file is empty (is {$NOPE} empty?)"),
    ],
)
def test_an_error_names_the_variable_that_may_have_caused_it(text: str, line: int, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, "Caddyfile", ENV)
    assert message in caught.value.message
    assert caught.value.line == line


def test_an_address_lost_on_the_line_above_is_named() -> None:
    with pytest.raises(ConfigError, match=r"'respond' is a directive.*\(is \{\$NOPE\} empty\?\)"):
        parse("{$NOPE}\n\nrespond hi", "Caddyfile", {})


def test_later_errors_name_the_variable_too() -> None:
    text = ":80\nheader Origin {$ORIGINS}\nheader Origin {$NOPE}\nheader X {$NOPE:d} # {$NOPE}\n"
    (site,) = parse(text, "Caddyfile", {"ORIGINS": "http://a http://b"}).sites
    given, empty, default = (str(each.error("wrong number of arguments")) for each in site.body)
    assert given == "Caddyfile:2: wrong number of arguments (see the value of {$ORIGINS})"
    assert empty == "Caddyfile:3: wrong number of arguments (is {$NOPE} empty?)"
    assert default == "Caddyfile:4: wrong number of arguments"


def test_values_are_not_shown() -> None:
    (site,) = parse(":80\nheader X {$SECRET}\n", "Caddyfile", {"SECRET": "hunter2"}).sites
    assert "hunter2" not in str(site.body[0].error("wrong"))


@pytest.mark.parametrize(
    "text", ["{$NOPE}\n{\nhttp_port 80\n}\n:80", "{$NOPE}\n\n{\n}\n", "# {$NOPE}\n{\n}\n"]
)
def test_an_empty_line_above_the_global_options_is_fine(text: str) -> None:
    parse(text, "Caddyfile", {})


def test_a_comment_may_name_a_variable() -> None:
    (site,) = parse(":80 # {$NOPE}\nrespond x {$NOPE:y} # {$A}\n", "Caddyfile", ENV).sites
    assert str(site.addresses[0].error("wrong")) == "Caddyfile:1: wrong"
    assert str(site.body[0].error("wrong")) == "Caddyfile:2: wrong"


def test_values_cannot_blow_up_the_text() -> None:
    with pytest.raises(ConfigError, match="too long with its variables"):
        substitute("{$BIG}" * 1000, "Caddyfile", {"BIG": "x" * (MAX_TEXT // 100)})


def test_a_value_must_be_text() -> None:
    with pytest.raises(ConfigError) as caught:
        substitute("a\nb {$BAD}", "Caddyfile", {"BAD": "\udcff"})
    assert str(caught.value) == "Caddyfile:2: the value of {$BAD} is not UTF-8 text"
