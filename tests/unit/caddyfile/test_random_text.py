"""Whatever is thrown at the parser and the formatter, they answer as promised."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tornado_realtime.caddyfile import Directive, format_text, parse, parse_block
from tornado_realtime.caddyfile.env import substitute
from tornado_realtime.caddyfile.lexer import tokenize
from tornado_realtime.errors import ConfigError

ENV = {"SET": "x y", "LINES": "a\nb", "EMPTY": ""}
PARTS = [
    *("{", "}", " {\n", "\n}\n", "{}", " ", "\n", "\n\n", "\t", "\r", "\r\n", "\u00a0", "\ufeff", "\x1c"),
    *("a", "handle", ":80", ",", "@m", "respond x\n", "{path}", "/a{", "(s)", "(s) {\n", "&(r)"),
    *("\\", '"', "`", "#", "<<E", "<<E\n", "E", "<", "\\\n", "x y"),
    *(
        "import",
        "import s",
        " import s a b\n",
        "{args[0]}",
        "{args[:]}",
        "{args[9]}",
        "{block}",
        "{blocks.a}",
    ),
    *(" {$A:b} ", " {$NOPE} ", " {$A:b c} ", " {$SET} ", "{$}"),
]
GLUED = ["{$", "{$A:b}", "{$NOPE}", "{$LINES}"]
QUIET = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
TEXTS = st.lists(st.sampled_from(PARTS), max_size=25).map("".join)
"""Near misses of Caddyfiles; variables are words of their own, so that none makes or breaks an escape."""
WILD = st.one_of(st.text(max_size=100), st.lists(st.sampled_from(PARTS + GLUED), max_size=25).map("".join))

Shape = list[tuple[str, tuple[str, ...], object]]


@pytest.fixture(autouse=True)
def nothing_to_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def outcome(read: Callable[[], object]) -> object:
    """What it gives, or None for a ConfigError that says where."""
    try:
        return read()
    except ConfigError as exc:
        assert exc.file == "Caddyfile"
        assert "\n" not in exc.message
        return None


def words(text: str) -> object:
    source = substitute(text.removeprefix("\ufeff"), "Caddyfile", ENV)
    return [(token.text, token.quoted) for line in tokenize(source) for token in line.tokens]


def shape(directives: tuple[Directive, ...]) -> Shape:
    return [(each.word, each.words, None if each.block is None else shape(each.block)) for each in directives]


def structure(text: str) -> object:
    document = parse(text, "Caddyfile", ENV)
    sites = [([address.text for address in site.addresses], shape(site.body)) for site in document.sites]
    return shape(document.options), sites


@QUIET
@given(st.one_of(st.binary(max_size=200), WILD))
def test_the_parser_gives_a_document_or_a_config_error(text: str | bytes) -> None:
    outcome(lambda: parse(text, "Caddyfile", ENV))
    outcome(lambda: parse_block(text, "Caddyfile", ENV))


@QUIET
@given(TEXTS)
def test_the_formatter_changes_no_word(text: str) -> None:
    before = outcome(lambda: words(text))
    assert before is None or words(format_text(text)) == before


@QUIET
@given(TEXTS)
def test_the_formatter_changes_no_meaning(text: str) -> None:
    before = outcome(lambda: structure(text))
    assert before is None or structure(format_text(text)) == before


@QUIET
@given(WILD)
def test_formatting_twice_is_formatting_once(text: str) -> None:
    formatted = format_text(text)
    assert format_text(formatted) == formatted
    assert formatted.endswith("\n")
