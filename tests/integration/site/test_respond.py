"""Steps that answer by themselves, and the variables they show."""

from __future__ import annotations

import pytest

from tests.support.chains import failing, fetch, run_chain
from tests.support.rawhttp import RunningFront
from tornado_realtime.site.respond import Redirect, Respond
from tornado_realtime.site.variables import SetVariables


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("hello", "text/plain; charset=utf-8"),
        ('{"a": [1]}', "application/json"),
        (" [1, 2] ", "application/json"),
        ("{not json}", "text/plain; charset=utf-8"),
        ("[" * 100_000 + "]" * 100_000, "text/plain; charset=utf-8"),
        ("1", "text/plain; charset=utf-8"),
        ("", None),
    ],
)
def test_the_type_follows_the_text(body: str, kind: str | None) -> None:
    answer = fetch(Respond(body))
    assert (answer.status, answer.body, answer.header("Content-Type")) == (200, body.encode(), kind)


def test_placeholders_in_text_and_status() -> None:
    respond = Respond("{http.request.uri.path} {unknown} {http.vars.word}", "{http.vars.code}")
    variables = SetVariables((("word", "W{http.request.method}"), ("code", "418")))
    answer = fetch(variables, respond, target="/a%20b/%C3%A9")
    assert (answer.status, answer.body.decode()) == (418, "/a b/é {unknown} WGET")


@pytest.mark.parametrize("status", ["abc", "99", "103", "1000", "", "{http.vars.none}"])
def test_a_status_that_is_none_is_a_500(status: str) -> None:
    assert fetch(Respond("x", status)).status == (200 if status == "" else 500)


def test_close() -> None:
    async def steps(site: RunningFront) -> None:
        client = await site.connect()
        assert (await client.request("GET", "/")).header("Connection") == "close"
        assert await client.at_end()

    run_chain(steps, Respond("bye", close=True))


def test_error_routes_answer_with_the_error_s_status() -> None:
    shown = Respond("{http.error.status_code} {http.error.status_text} {http.error.message}")
    answer = fetch(failing(404), errors=shown)
    assert (answer.status, answer.body) == (404, b"404 Not Found failed on purpose")
    assert fetch(failing(404), errors=Respond("x", "200")).status == 200


@pytest.mark.parametrize(
    ("to", "target", "address"),
    [
        ("/new", "/", "/new"),
        ("https://{http.request.host}{http.request.uri}", "/a%20b?c=%22", "https://localhost/a%20b?c=%22"),
        ("{http.request.uri.path}/", "/a b".replace(" ", "%20"), "/a%20b/"),
        ("{http.request.uri.path}", "//evil.example", "/evil.example"),
        ("{http.request.uri.path}", "/%2Fevil.example", "/evil.example"),
        ("{http.request.uri.path}", "/%5Cevil.example", "/%5Cevil.example"),
        ("//other.example/", "/", "//other.example/"),
        ("/x{http.request.uri.path}", "/%0d%0aSet-Cookie:%20a=b", "/x/%0D%0ASet-Cookie:%20a=b"),
        ("/é", "/", "/%C3%A9"),
    ],
)
def test_redirects(to: str, target: str, address: str) -> None:
    answer = fetch(Redirect(to), target=target)
    assert (answer.status, answer.body, answer.header("Location")) == (302, b"", address)
    assert answer.header("Set-Cookie") is None


def test_redirect_statuses() -> None:
    assert fetch(Redirect("/", "308")).status == 308
    assert fetch(Redirect("/", "{http.vars.none}")).status == 500
    page = fetch(Redirect("/{http.request.uri.query}", html=True), target='/?"><script>')
    assert (page.status, page.header("Location")) == (200, None)
    assert b"<script>" not in page.body
    assert b'url=/%22%3E%3Cscript%3E"' in page.body
