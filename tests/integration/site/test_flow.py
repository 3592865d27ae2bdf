"""How requests travel through handle, route, error and the like; each example is one of Caddy's rules."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.rawhttp import RunningFront
from tests.support.served_caddyfile import answers, bodies, serve


def test_handles_exclude_each_other_and_the_most_specific_is_first() -> None:
    directives = (
        "handle {\nrespond rest\n}\nhandle /api/* {\nrespond api\n}\nhandle /api/v2/* {\nrespond v2\n}"
    )
    assert bodies(directives, "/api/x", "/api/v2/x", "/x") == ["api", "v2", "rest"]


def test_a_handle_that_does_not_answer_leaves_the_request_to_what_follows() -> None:
    assert bodies("handle /a {\nheader X y\n}\nrespond after", "/a") == ["after"]


def test_without_any_answer_it_is_200_and_empty() -> None:
    (answer,) = answers(":8080 {\nheader X y\n}\n", "/")
    assert (answer.status, answer.body, answer.header("X")) == (200, b"", "y")


def test_a_host_without_a_site_gets_an_empty_200() -> None:
    async def steps(site: RunningFront) -> None:
        for host, body in (("a.example:99", b"a"), ("B.example", b"any b"), ("other", b"")):
            answer = await site.once("GET", "/", f"Host: {host}")
            assert (answer.status, answer.body) == (200, body)

    first = "http://a.example:81 {\nrespond a\n}\n"
    serve(first + 'http://b.example:81, http://*.b.example:81 {\nrespond "any b"\n}\n', steps)


def test_route_keeps_the_order_of_the_file() -> None:
    assert bodies("route {\nrespond first\nredir / /x\n}", "/") == ["first"]
    assert bodies("handle {\nrespond first\nredir / /x\n}", "/") == [""]


def test_matchers_see_what_rewrites_before_them_made() -> None:
    directives = "rewrite /old /new\nrespond /old old\nrespond /new new"
    assert bodies(directives, "/old", "/new") == ["new", "new"]


def test_only_the_first_rewrite_that_matches_is_done() -> None:
    directives = "rewrite /a/b* /c\nrewrite /a* /d\nrewrite /c /e\nrespond {path}"
    assert bodies(directives, "/a/b", "/a", "/c") == ["/c", "/d", "/e"]


def test_handle_path_takes_its_prefix_off_for_its_block_only() -> None:
    directives = "handle_path /api/* {\nrespond /x <{path}>\nheader X y\n}\nrespond {path}"
    assert bodies(directives, "/api/x", "/API//x", "/%61pi/x", "/api") == ["</x>", "</x>", "</x>", "/api"]


def test_abort_closes_the_connection_without_a_byte() -> None:
    async def steps(site: RunningFront) -> None:
        with pytest.raises(asyncio.IncompleteReadError) as caught:
            await site.get("/gone")
        assert caught.value.partial == b""
        assert (await site.get("/here")).body == b"here"

    serve(":8080 {\nabort /gone\nrespond here\n}\n", steps)


def test_error_without_a_route_is_its_status_and_an_empty_body() -> None:
    found = answers(":8080 {\nerror /a 410\nerror /b message\nerror /c {query}\n}\n", "/a", "/b", "/c?x")
    assert [(answer.status, answer.body) for answer in found] == [(410, b""), (500, b""), (500, b"")]


def test_handle_errors_keeps_the_status_unless_one_is_given() -> None:
    text = """:8080 {
        error /missing "not here" 404
        error /broken 502
        error /other 418
        handle_errors {
            respond "{err.status_code} {err.status_text}: {err.message} at {path}"
        }
        handle_errors 5xx {
            respond sorry 200
        }
    }
    """
    found = answers(text, "/missing", "/broken", "/other")
    assert [(answer.status, answer.body.decode()) for answer in found] == [
        (404, "404 Not Found: not here at /missing"),
        (200, "sorry"),
        (418, "418 I'm a Teapot:  at /other"),
    ]


def test_captures_of_a_matcher_can_be_used_by_its_directives() -> None:
    directives = "@user path_regexp id ^/user/([0-9]+)$\nrespond @user {re.id.1}\nrespond none"
    assert bodies(directives, "/user/42", "/user/x") == ["42", "none"]


def test_go_handler_answers_its_own_paths_and_leaves_the_others() -> None:
    text = ":8080 {\nroute {\ngo_handler {\nbroadcast_secret s\n}\nrespond next\n}\n}\n"
    found = answers(text, "/internal/broadcast", "/WS", "//ws", "/", "/ws/")
    assert [answer.status for answer in found] == [403, 200, 200, 200, 200]
    assert [answer.body for answer in found[1:]] == [b"next"] * 4
