"""``header`` and ``request_header``."""

from __future__ import annotations

import pytest
from tornado.httputil import HTTPHeaders
from tornado.web import Application, RequestHandler

from tests.support.chains import failing, fetch, saying, show_request
from tornado_realtime.site.exchange import Exchange, Handler, Next, ResponseHead
from tornado_realtime.site.headers import ChangeRequest, ChangeResponse, FieldChange, HeadNames, Verb
from tornado_realtime.site.variables import SetVariables


def change(verb: Verb, name: str, value: str = "", search: str = "") -> FieldChange:
    return FieldChange(verb, name, value, search)


def test_what_is_set_now_gives_way_to_the_answer() -> None:
    step = ChangeResponse([change(Verb.SET, "X-A", "early"), change(Verb.SET, "X-B", "early")])
    answer = fetch(step, saying("x", X_A="late"))
    assert (answer.header("X-A"), answer.header("X-B")) == ("late", "early")


def test_what_is_deferred_overrides_the_answer() -> None:
    step = ChangeResponse([change(Verb.SET, "X-A", "deferred")], deferred=True)
    assert fetch(step, saying("x", X_A="late")).header("X-A") == "deferred"


def test_adding_deleting_and_defaults() -> None:
    step = ChangeResponse(
        [
            change(Verb.DELETE, "X-Gone"),
            change(Verb.DELETE, "X-Pre*"),
            change(Verb.DELETE, "*-suf"),
            change(Verb.DELETE, "*mid*"),
            change(Verb.DELETE, "Server"),
            change(Verb.ADD, "X-More", "1"),
            change(Verb.ADD, "X-More", "2"),
            change(Verb.DEFAULT, "X-Have", "default"),
            change(Verb.DEFAULT, "X-Lack", "default"),
        ]
    )
    answer = fetch(step, saying("x", x_gone="1", X_Prefix="1", X_Suf="1", X_amidst="1", X_Have="own"))
    assert {name for name, _ in answer.fields} == {
        "X-More",
        "X-Have",
        "X-Lack",
        "Date",
        "Content-Length",
    }
    assert answer.all("X-More") == ["1", "2"]
    assert (answer.header("X-Have"), answer.header("X-Lack")) == ("own", "default")


def test_clearing_comes_before_adding() -> None:
    step = ChangeResponse([change(Verb.SET, "X-New", "1"), change(Verb.DELETE, "*")])
    answer = fetch(step, saying("x", X_Old="1"))
    assert (answer.header("X-New"), answer.header("X-Old"), answer.body) == ("1", None, b"x")


def test_defaults_wait_but_hold_up_nobody() -> None:
    step = ChangeResponse([change(Verb.SET, "X-A", "early"), change(Verb.DEFAULT, "X-B", "default")])
    answer = fetch(step, saying("x", X_A="late"))
    assert (answer.header("X-A"), answer.header("X-B")) == ("late", "default")


def test_only_some_answers_are_changed() -> None:
    step = ChangeResponse([change(Verb.SET, "X-A", "1")], only_for=lambda status, headers: "X-B" in headers)
    assert fetch(step, saying("x")).header("X-A") is None
    assert fetch(step, saying("x", X_B="b")).header("X-A") == "1"


def test_replacing_with_an_expression() -> None:
    step = ChangeResponse(
        [
            change(Verb.REPLACE, "Set-Cookie", "$1; Secure {http.request.method}", "^(.*)$"),
            change(Verb.REPLACE, "X-None", "y", "x"),
        ],
        deferred=True,
    )
    answer = fetch(step, saying("x", Set_Cookie="a=b"))
    assert answer.header("Set-Cookie") == "a=b; Secure GET"
    assert answer.header("X-None") is None
    everything = ChangeResponse([change(Verb.REPLACE, "*", "Z", "z")], deferred=True)
    assert fetch(everything, saying("x", X_A="azb", X_B="z")).header("X-A") == "aZb"


def test_a_bad_expression_is_found_before_serving() -> None:
    with pytest.raises(ValueError, match="no regular expression"):
        ChangeResponse([change(Verb.REPLACE, "A", "", "(")])


def test_placeholders_cannot_add_lines() -> None:
    step = ChangeResponse(
        [
            change(Verb.SET, "X-Path", "<{http.request.uri.path}>"),
            change(Verb.SET, "X-{http.request.uri.path}", "bad name"),
            change(Verb.SET, "X-Unknown", "{nope}"),
        ]
    )
    answer = fetch(step, saying("x"), target="/%0d%0aX-Evil:%20yes%00")
    assert answer.header("X-Path") == "</ X-Evil: yes>"
    assert answer.header("X-Evil") is None
    assert answer.header("X-Unknown") == "{nope}"


def test_text_goes_out_as_utf8() -> None:
    step = ChangeResponse([change(Verb.SET, "X-Text", "é {http.vars.word}")])
    answer = fetch(SetVariables((("word", "東"),)), step, saying("x"))
    assert (answer.header("X-Text") or "").encode("latin-1").decode() == "é 東"


def test_the_head_itself_can_be_shown() -> None:
    step = ChangeResponse(
        [change(Verb.SET, "X-Was", "{http.response.header.x-a} {http.response.status_code}")], deferred=True
    )
    assert fetch(step, saying("x", X_A="value")).header("X-Was") == "value 200"


def test_on_errors_headers_stay_and_what_was_deferred_does_not() -> None:
    step = ChangeResponse([change(Verb.SET, "X-A", "1"), change(Verb.DEFAULT, "X-B", "1")])
    answer = fetch(step, failing(404))
    assert (answer.header("X-A"), answer.header("X-B")) == ("1", None)


def test_framing_cannot_be_broken() -> None:
    step = ChangeResponse(
        [
            change(Verb.SET, "Transfer-Encoding", "chunked"),
            change(Verb.SET, "Connection", "upgrade"),
            change(Verb.SET, "Content-Length", "2"),
        ],
        deferred=True,
    )
    early = ChangeResponse([change(Verb.SET, "Content-Length", "3")])
    answer = fetch(early, step, saying("four"))
    assert (answer.body, answer.header("Transfer-Encoding"), answer.header("Connection")) == (
        b"four",
        None,
        None,
    )


def test_tornado_handlers_get_the_changes_too() -> None:
    class Shown(RequestHandler):
        def get(self) -> None:
            self.write(self.request.headers["X-In"])

    async def delegate(exchange: Exchange, next_step: Next) -> None:
        await exchange.delegate(Application([("/", Shown)], log_function=lambda handler: None))

    steps: list[Handler] = [
        ChangeRequest([change(Verb.SET, "X-In", "in")]),
        ChangeResponse([change(Verb.SET, "X-Out", "out")]),
        delegate,
    ]
    answer = fetch(*steps)
    assert (answer.body, answer.header("X-Out")) == (b"in", "out")


def test_requests_are_changed_for_later_steps() -> None:
    step = ChangeRequest(
        [
            change(Verb.SET, "Host", "other:81"),
            change(Verb.DELETE, "Cookie"),
            change(Verb.ADD, "X-A", "{http.request.uri.path}"),
            change(Verb.REPLACE, "X-B", "$1", "^(.).*"),
            change(Verb.SET, "Content-Length", "999"),
        ]
    )
    answer = fetch(step, show_request, target="/p", fields=("Cookie: a=b", "X-B: word"))
    lines = answer.body.decode().split("\n")
    assert lines[0] == "GET /p other:81"
    assert "X-A: /p" in lines
    assert "X-B: w" in lines
    assert not any(line.startswith("Cookie") for line in lines)


def test_a_request_body_is_read_by_what_was_sent() -> None:
    async def echo(exchange: Exchange, next_step: Next) -> None:
        await exchange.respond(200, b"".join([piece async for piece in exchange.body()]))

    step = ChangeRequest([change(Verb.SET, "Content-Length", "1"), change(Verb.SET, "Expect", "nothing")])
    assert fetch(step, echo, method="POST", body=b"whole").body == b"whole"


def test_names_of_a_head() -> None:
    names = HeadNames(ResponseHead(201, HTTPHeaders({"X-A": "1"})))
    assert dict(names) == {"http.response.status_code": "201", "http.response.header.x-a": "1"}
    assert len(names) == 2
    assert names.get("other") is None
