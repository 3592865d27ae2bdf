from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.site_plans import routes_of
from tests.support.site_subject import make_subject
from tornado_realtime.errors import HandlerError
from tornado_realtime.site.directives.respond import RespondStep
from tornado_realtime.site.placeholders import expand, template
from tornado_realtime.site.shorthands import expand_shorthands


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("{path}", "{http.request.uri.path}"),
        ("{?query}", "{http.request.uri.prefixed_query}"),
        ("{%path}", "{http.request.uri.path_escaped}"),
        ("{header.X-Y}", "{http.request.header.X-Y}"),
        ("{cookie.a}{query.b}", "{http.request.cookie.a}{http.request.uri.query.b}"),
        ("{path.0}", "{http.request.uri.path.0}"),
        ("{re.name.1}", "{http.regexp.name.1}"),
        ("{err.status_code}", "{http.error.status_code}"),
        ("{client_ip}", "{http.vars.client_ip}"),
        ("{file_match.relative}", "{http.matchers.file.relative}"),
        ("{env.HOME} {unknown} {Path}", "{env.HOME} {unknown} {Path}"),
        ("{header.a.b}", "{header.a.b}"),
        ("{{path}}", "{{http.request.uri.path}}"),
    ],
)
def test_shorthands(short: str, long: str) -> None:
    assert expand_shorthands(short) == long


def test_shorthands_are_replaced_in_all_words_of_a_site_also_nested_and_quoted() -> None:
    route = routes_of('handle {\nheader X "{path}"\nrespond "a {host}"\n}')[0]
    inner = route.step.routes[1].step  # type: ignore[attr-defined]
    assert isinstance(inner, RespondStep)
    assert inner.body == "a {http.request.host}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("http.request.method", "GET"),
        ("http.request.scheme", "http"),
        ("http.request.proto", "HTTP/1.1"),
        ("http.request.host", "a.Example.com"),
        ("http.request.port", "81"),
        ("http.request.hostport", "a.Example.com:81"),
        ("http.request.host.labels.0", "com"),
        ("http.request.host.labels.9", ""),
        ("http.request.uri", "/d%20x/f.tar.gz?a=1&b=&a=2"),
        ("http.request.uri.path", "/d x/f.tar.gz"),
        ("http.request.uri.path_escaped", "%2Fd+x%2Ff.tar.gz"),
        ("http.request.uri.path.dir", "/d x/"),
        ("http.request.uri.path.file", "f.tar.gz"),
        ("http.request.uri.path.file.base", "f.tar"),
        ("http.request.uri.path.file.ext", ".gz"),
        ("http.request.uri.path.0", "d x"),
        ("http.request.uri.path.7", ""),
        ("http.request.uri.query", "a=1&b=&a=2"),
        ("http.request.uri.prefixed_query", "?a=1&b=&a=2"),
        ("http.request.uri.query.a", "1,2"),
        ("http.request.uri.query.gone", ""),
        ("http.request.header.x-many", "1,2"),
        ("http.request.header.Host", "a.Example.com:81"),
        ("http.request.cookie.id", "7"),
        ("http.request.proto_name", "HTTP/1.1"),
        ("http.request.uri_escaped", "%2Fd%2520x%2Ff.tar.gz%3Fa%3D1%26b%3D%26a%3D2"),
        ("http.request.uri.query_escaped", "a%3D1%26b%3D%26a%3D2"),
        ("http.request.uri.path.x", "{http.request.uri.path.x}"),
        ("http.request.host.labels.x", "{http.request.host.labels.x}"),
        ("http.request.orig_method", "GET"),
        ("http.request.orig_uri", "/d%20x/f.tar.gz?a=1&b=&a=2"),
        ("http.request.orig_uri.path.dir", "/d x/"),
        ("http.request.orig_uri.path.file", "f.tar.gz"),
        ("http.request.orig_uri.query", "a=1&b=&a=2"),
        ("http.request.orig_uri.prefixed_query", "?a=1&b=&a=2"),
        ("http.vars.number", "7"),
        ("http.vars.truth", "true"),
        ("http.vars.nothing", ""),
        ("http.request.remote", "[2001:db8::1]:4321"),
        ("http.request.remote.host", "2001:db8::1"),
        ("http.request.remote.port", "4321"),
        ("http.request.orig_uri.path", "/d x/f.tar.gz"),
        ("http.request.local.port", "8080"),
        ("http.vars.client_ip", "10.0.0.9"),
        ("http.vars.root", "/srv"),
        ("http.vars.gone", ""),
        ("http.regexp.n.1", "42"),
        ("http.matchers.file.relative", "/f"),
        ("http.auth.user.id", "bob"),
        ("http.request.tls.version", ""),
    ],
)
def test_request_placeholders(name: str, value: str) -> None:
    subject = make_subject(
        "/d%20x/f.tar.gz?a=1&b=&a=2",
        host="a.Example.com:81",
        headers=[("X-Many", "1"), ("X-Many", "2"), ("Cookie", "id=7; x=y")],
        peer="2001:db8::1",
        client_ip="10.0.0.9",
        variables={"root": "/srv", "re.n.1": "42", "file_match.relative": "/f", "http.auth.user.id": "bob"}
        | {"number": 7, "truth": True, "nothing": None},
    )
    assert expand(f"<{{{name}}}>", subject) == f"<{value}>"


def test_unknown_placeholders_stay_or_become_nothing() -> None:
    subject = make_subject()
    assert expand("a {no.such} b", subject) == "a {no.such} b"
    assert expand("a {no.such} b", subject, "empty") == "a  b"
    assert expand("{http.regexp.gone.1}", subject) == "{http.regexp.gone.1}"


def test_braces_that_are_no_placeholders_stay() -> None:
    subject = make_subject("/p")
    assert expand('{"path": "{http.request.uri.path}"}', subject) == '{"path": "/p"}'
    assert expand("a { b", subject) == "a { b"
    assert expand(r"\{http.request.uri.path\}", subject) == "{http.request.uri.path}"


def test_what_is_filled_in_is_not_scanned_again() -> None:
    subject = make_subject(headers=[("X", "{http.request.host}")])
    assert expand("{http.request.header.X}", subject) == "{http.request.host}"


def test_environment_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_NAME", "value")
    subject = make_subject()
    assert expand("{env.SOME_NAME}{env.NO_SUCH_NAME_AT_ALL}", subject) == "value"
    assert expand("{time.now.year}", subject).isdigit()
    assert expand("{time.now.http}", subject).endswith(" GMT")
    assert expand("{time.now.common_log}", subject).endswith(" +0000")
    assert int(expand("{time.now.unix_ms}", subject)) // 1000 - int(expand("{time.now.unix}", subject)) in (
        -1,
        0,
    )
    assert "T" in expand("{time.now}", subject)
    for name in ("hostname", "slash", "os", "arch", "wd"):
        assert expand(f"{{system.{name}}}", subject) not in ("", f"{{system.{name}}}")


def test_a_request_keeps_its_uuid() -> None:
    subject = make_subject()
    first = expand("{http.request.uuid}", subject)
    assert len(first) == 36
    assert expand("{http.request.uuid}", subject) == first


def test_error_placeholders_are_known_while_there_is_an_error() -> None:
    subject = make_subject()
    assert expand("{http.error.status_code}", subject) == "{http.error.status_code}"
    subject.error = HandlerError(404, "no such file")
    text = "{http.error.status_code} {http.error.status_text}: {http.error.message}"
    assert expand(text, subject) == "404 Not Found: no such file"
    subject.error = HandlerError(599, "odd")
    assert expand(text, subject) == "599 : odd"


def test_extra_names_and_escaping() -> None:
    found = template("{http.response.header.Server} {http.request.uri.path}")
    extra = {"http.response.header.server": "x"}
    assert found.expand(make_subject("/a*"), extra=extra, escape=lambda value: f"<{value}>") == "<x> </a*>"
    assert template("plain").is_static
    assert not found.is_static


@given(st.text("{}\\ab.", max_size=20))
def test_any_text_can_be_expanded(text: str) -> None:
    subject = make_subject()
    expanded = expand(text, subject)
    if "\\" not in text:
        assert expanded == text
    assert len(expand(text, subject, "empty")) <= len(text)
