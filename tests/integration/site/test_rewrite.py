"""``rewrite``, ``uri`` and ``method``, as the next step sees the request."""

from __future__ import annotations

import pytest

from tests.support.chains import fetch, show_request
from tornado_realtime.site.exchange import Handler
from tornado_realtime.site.rewrite import (
    ChangeQuery,
    QueryChange,
    QueryVerb,
    ReplacePattern,
    ReplaceText,
    Rewrite,
    SetMethod,
    StripPrefix,
    StripSuffix,
)
from tornado_realtime.site.variables import SetVariables


def seen(step: Handler, target: str, **variables: str) -> str:
    """The URI that the step after ``step`` sees."""
    steps = [SetVariables(tuple(variables.items())), step, show_request]
    method, uri, _ = fetch(*steps, target=target).body.decode("latin-1").split("\n")[0].split(" ")
    assert method == "GET"
    return uri


@pytest.mark.parametrize(
    ("to", "target", "uri"),
    [
        ("/new", "/old?a=b", "/new?a=b"),
        ("/new?", "/old?a=b", "/new"),
        ("/new?c=d", "/old?a=b", "/new?c=d"),
        ("?c=d", "/old?a=b", "/old?c=d"),
        ("/new?{http.request.uri.query}&c=d", "/old?a=%20", "/new?a=%20&c=d"),
        ("/new?{http.request.uri.query}&c=d", "/old", "/new?c=d"),
        ("/new?c={http.request.uri.query}", "/old?a=%20&b", "/new?c=a%3D%2520%26b"),
        ("/p{http.request.uri.path}", "/a%20b/%2f", "/p/a%20b/%2f"),
        ("/p{http.request.uri}", "/a?b=c", "/p/a?b=c"),
        ("/p{http.request.uri}?x", "/a?b=c", "/p/a?x"),
        ("/{http.vars.word}", "/", "/a%3Fb%23c%25/%C3%A9%0D%0A"),
        ("/?w={http.vars.word}", "/", "/?w=a%3Fb%23c%25%2F%C3%A9%0D%0A"),
        ("new#frag", "/", "/new"),
        ("/é x", "/", "/%C3%A9%20x"),
        ("/{nope}x", "/", "/x"),
    ],
)
def test_rewriting(to: str, target: str, uri: str) -> None:
    assert seen(Rewrite(to), target, word="a?b#c%/é\r\n") == uri


@pytest.mark.parametrize(
    ("prefix", "target", "uri"),
    [
        ("/api", "/api/x?q", "/x?q"),
        ("api", "/api/x", "/x"),
        ("/api", "/api", "/"),
        ("/api", "/other", "/other"),
        ("/{http.vars.word}", "/abc/x", "/x"),
        ("/api", "/%61pi/a%2fb", "/a%2fb"),
        ("/api", "//api/..//api/x", "/x"),
    ],
)
def test_prefixes_come_off(prefix: str, target: str, uri: str) -> None:
    assert seen(StripPrefix(prefix), target, word="abc") == uri


@pytest.mark.parametrize(
    ("suffix", "target", "uri"),
    [
        (".html", "/a.html?q", "/a?q"),
        (".HTML", "/a.html", "/a"),
        (".html", "/a.htm", "/a.htm"),
        ("/a", "/a", "/"),
        ("é", "/x%C3%A9", "/x"),
        ("", "/x", "/x"),
    ],
)
def test_suffixes_come_off(suffix: str, target: str, uri: str) -> None:
    assert seen(StripSuffix(suffix), target) == uri


def test_texts_are_replaced_in_path_and_query() -> None:
    assert seen(ReplaceText("a", "{http.vars.word}"), "/a/b/a?a=1", word="X Y") == "/X%20Y/b/X%20Y?X%20Y=1"
    assert seen(ReplaceText("a", "b", 1), "/a/a?aa") == "/b/a?ba"
    assert seen(ReplaceText("", "b"), "/a") == "/a"
    assert seen(ReplaceText("/a", "b"), "/a/c") == "/b/c"


def test_patterns_are_replaced_in_the_path() -> None:
    assert seen(ReplacePattern(r"/(\d+)/", "/n-$1/"), "/a/12/b?12") == "/a/n-12/b?12"
    assert seen(ReplacePattern("a", "{http.vars.word}"), "/a", word="$1?") == "/$1%3F"
    assert seen(ReplacePattern("/+", "/"), "//a///b") == "/a/b"
    with pytest.raises(ValueError, match="no regular expression"):
        ReplacePattern("(", "")


@pytest.mark.parametrize(
    ("changes", "uri"),
    [
        ([QueryChange(QueryVerb.SET, "a", "x y")], "/?b=2&b=3&a=x+y"),
        ([QueryChange(QueryVerb.ADD, "a", "{http.request.method}")], "/?a=1&b=2&b=3&a=GET"),
        ([QueryChange(QueryVerb.DELETE, "b")], "/?a=1"),
        ([QueryChange(QueryVerb.RENAME, "b", "c")], "/?a=1&c=2&c=3"),
        ([QueryChange(QueryVerb.REPLACE, "b", "<$0>", r"\d")], "/?a=1&b=%3C2%3E&b=%3C3%3E"),
        ([QueryChange(QueryVerb.REPLACE, "*", "", r"\d")], "/?a=&b=&b="),
        ([QueryChange(QueryVerb.DELETE, "z"), QueryChange(QueryVerb.RENAME, "a", "z")], "/?b=2&b=3"),
    ],
)
def test_query_changes(changes: list[QueryChange], uri: str) -> None:
    assert seen(ChangeQuery(changes), "/?a=1&b=2&b=3") == uri


@pytest.mark.parametrize(
    ("method", "result"), [("post", "POST"), ("M-SEARCH", "M-SEARCH"), ("a b", "GET"), ("", "GET")]
)
def test_methods(method: str, result: str) -> None:
    answer = fetch(SetMethod(method), show_request)
    assert answer.body.decode().split(" ")[0] == result


def test_an_answer_to_head_has_no_body_whatever_the_method_became() -> None:
    answer = fetch(SetMethod("GET"), show_request, method="HEAD")
    assert (answer.status, answer.body) == (200, b"")
