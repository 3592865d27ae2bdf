"""Whatever the words are, adapting gives a plan or one error with its place."""

from __future__ import annotations

import json
import re
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tornado_realtime.caddyfile import Directive, Document, Site, Token
from tornado_realtime.errors import ConfigError
from tornado_realtime.site.adapter import adapt
from tornado_realtime.site.directives import DIRECTIVES
from tornado_realtime.site.tokens_report import plan_report, tokens_report

PACKAGE = Path(__file__).parents[3] / "tornado_realtime" / "site"
# The options of all directives, matchers and global options stand as dictionary keys in the source.
OPTIONS = sorted(
    {
        word
        for file in PACKAGE.rglob("*.py")
        for word in re.findall(r'^    "([a-z_]+)": ', file.read_text(), re.MULTILINE)
    }
)
VALUES = [
    "/a",
    "/a/*",
    "*",
    "@m",
    "@n",
    "404",
    "10s",
    "16kb",
    "{path}",
    "a=b",
    "X-A",
    "off",
    "[",
    "(",
    "",
    "-1",
    "é",
]

GLOBAL = [
    "http_port",
    "order",
    "log",
    "servers",
    "admin",
    "auto_https",
    "grace_period",
    "frankenphp",
    "debug",
]


def words(*choices: str) -> st.SearchStrategy[Token]:
    return st.sampled_from(choices).map(lambda text: Token(text, "Caddyfile", 1, text == ""))


def segments(name: st.SearchStrategy[Token]) -> st.SearchStrategy[Directive]:
    return st.builds(Directive, name, arguments, st.one_of(st.none(), blocks))


arguments = st.lists(words(*VALUES, *OPTIONS), max_size=2).map(tuple)
inner = st.recursive(
    st.builds(Directive, words(*OPTIONS, *DIRECTIVES, "@n"), arguments),
    lambda deeper: st.builds(
        Directive, words(*OPTIONS, *DIRECTIVES), arguments, st.lists(deeper, max_size=2).map(tuple)
    ),
    max_leaves=4,
)
blocks = st.lists(inner, max_size=2).map(tuple)
bodies = st.lists(segments(words(*DIRECTIVES, "@m")), max_size=2).map(tuple)
addresses = words(":80", "a", "http://a:81", "*.b:x", "[::1]:1", "ws://a", "/p")
sites = st.builds(Site, st.lists(addresses, min_size=1, max_size=2).map(tuple), bodies)
options = st.one_of(st.just(()), st.tuples(segments(words(*GLOBAL))))
documents = st.builds(Document, options, st.lists(sites, max_size=2).map(tuple))


def test_there_are_words_to_choose_from() -> None:
    assert {"path_regexp", "lb_policy", "http_port", "roll_keep"} <= set(OPTIONS)


@given(documents)
@settings(max_examples=400, deadline=None)
def test_any_document_is_a_plan_or_an_error(document: Document) -> None:
    try:
        plan = adapt(document)
    except ConfigError as error:
        assert error.line == 1
        assert "\n" not in error.message
        return
    json.dumps([tokens_report(document, plan), plan_report(plan)])
