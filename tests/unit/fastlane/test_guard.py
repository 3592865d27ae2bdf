"""Where a Caddyfile opens the lane, where it shuts it, and what the start-up log says about it."""

from __future__ import annotations

import pytest

from tests.support.site_plans import plan_of
from tornado_realtime.fastlane import LanePath, LanePlan, lane_paths
from tornado_realtime.fastlane.head import Fields
from tornado_realtime.realtime import Realtime
from tornado_realtime.site.directives.go_handler import GoHandlerStep

DOOR = "go_handler"
POST, GET = b"POST /internal/broadcast HTTP/1.1", b"GET /ws HTTP/1.1"


class Doors:
    """One instance for each go_handler, made when it is asked for; nothing is started."""

    def __init__(self) -> None:
        self.made: dict[int, Realtime] = {}

    def __call__(self, step: GoHandlerStep) -> Realtime:
        return self.made.setdefault(step.directive.line, Realtime(step.settings))


def compiled(text: str, hidden: tuple[str, ...] = ()) -> tuple[LanePlan, list[str], Doors]:
    """The lane of a whole Caddyfile's first server, or of a site's body."""
    doors = Doors()
    whole = text if text.startswith("\nhttp://") else f":8080 {{\n{text}\n}}\n"
    paths, shut = lane_paths(plan_of(whole).servers[0], doors, hidden)
    return LanePlan(paths, shut), list(shut), doors


def reached(plan: LanePlan, line: bytes, peer: str = "127.0.0.1", **fields: str) -> Realtime | None:
    """The instance that a request gets to."""
    values = {"host": "localhost", **{name.replace("_", "-"): value for name, value in fields.items()}}
    return plan.admits(plan.paths[line], Fields(values), peer)


def no_questions(path: LanePath) -> bool:
    return path.guard.only is not None


@pytest.mark.parametrize(
    "text",
    [
        DOOR,
        f"handle /ws {{\n{DOOR}\n}}\nhandle /internal/* {{\n{DOOR}\n}}",
        f"@rt path /ws /internal/broadcast\nhandle @rt {{\n{DOOR}\n}}\nfile_server",
        f"route {{\nhandle {{\n{DOOR}\n}}\n}}",
        f"root * /srv\n{DOOR}",
        f"@here file /app/Caddyfile\nroot @here app\n{DOOR}",
        f"header /page X-A b\nbasic_auth /admin/* {{\nbob $2a$04$aaaaaaaaaaaaaaaaaaaaaa\n}}\n{DOOR}",
        f"@other not path /ws /internal/*\nrespond @other no\n{DOOR}",
        f"@put method PUT\nrespond @put no\n{DOOR}",
        f"@asked query a=b\nrespond @asked no\n{DOOR}",
        f"@dots path_regexp a{{3}}\nrespond @dots no\n{DOOR}",
        f"{DOOR}\nfile_server",
    ],
)
def test_a_lane_that_asks_nothing(text: str) -> None:
    plan, shut, _ = compiled(text)
    assert set(plan.paths) == {POST, GET}
    assert all(map(no_questions, plan.paths.values()))
    assert shut == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"header X-A b\n{DOOR}", "header (Caddyfile:2) comes before go_handler"),
        (f"request_header X-A b\n{DOOR}", "request_header (Caddyfile:2) comes before go_handler"),
        (f"vars a b\n{DOOR}", "vars (Caddyfile:2) comes before go_handler"),
        (f"encode gzip\n{DOOR}", "encode (Caddyfile:2) comes before go_handler"),
        (f"rewrite * /x\n{DOOR}", "rewrite (Caddyfile:2) comes before go_handler"),
        (f"method PUT\n{DOOR}", "method (Caddyfile:2) comes before go_handler"),
        (f"respond no\n{DOOR}", "respond (Caddyfile:2) comes before go_handler"),
        (f"abort\n{DOOR}", "abort (Caddyfile:2) comes before go_handler"),
        (f"error 500\n{DOOR}", "error (Caddyfile:2) comes before go_handler"),
        (f"handle_path /* {{\n{DOOR}\n}}", "handle_path (Caddyfile:2) comes before go_handler"),
        (f"log\n{DOOR}", "the site writes its access log"),
        (
            f"basic_auth {{\nbob $2a$04$aaaaaaaaaaaaaaaaaaaaaa\n}}\n{DOOR}",
            "basic_auth (Caddyfile:2) comes before go_handler",
        ),
        (
            f"@x {{\nheader A {{vars.b}}\n}}\nabort @x\n{DOOR}",
            "the matcher of abort (Caddyfile:5) looks at more than the request's head",
        ),
        (
            f"@x not header A {{http.request.uri}}\nrespond @x no\n{DOOR}",
            "the matcher of respond (Caddyfile:3) looks at more than the request's head",
        ),
        (
            f"@x vars a b\n{DOOR} @x",
            "the matcher of go_handler (Caddyfile:3) looks at more than the request's head",
        ),
        (
            f"@x file a\nabort @x\n{DOOR}",
            "the matcher of abort (Caddyfile:3) looks at more than the request's head",
        ),
        (
            f"@a header A *\nhandle @a {{\nheader B c\n{DOOR}\n}}",
            "header (Caddyfile:4) comes before go_handler",
        ),
    ],
)
def test_a_lane_that_is_shut_and_why(text: str, reason: str) -> None:
    plan, shut, _ = compiled(text)
    assert not plan.paths
    assert shut == [f"/ws: {reason}", f"/internal/broadcast: {reason}"]


def test_only_one_path_is_shut() -> None:
    plan, shut, _ = compiled(f"route {{\nrespond /internal/* 403\n{DOOR}\n}}")
    assert set(plan.paths) == {GET}
    assert shut == ["/internal/broadcast: respond (Caddyfile:3) comes before go_handler"]


def test_a_door_that_another_path_leads_to_is_told_of() -> None:
    plan, shut, _ = compiled(f"route {{\nhandle_path /rt/* {{\n{DOOR}\n}}\n}}")
    assert not plan.paths
    assert shut == [
        "/ws: handle_path (Caddyfile:3) changes the path",
        "/internal/broadcast: handle_path (Caddyfile:3) changes the path",
    ]


def test_nothing_to_say_about_a_door_for_other_paths_or_a_site_without_one() -> None:
    assert compiled(f"{DOOR} /elsewhere")[:2] == (LanePlan(), [])
    assert compiled("respond hello")[:2] == (LanePlan(), [])


def test_hidden_paths_are_not_the_lanes() -> None:
    plan, shut, _ = compiled(DOOR, hidden=("/internal/",))
    assert set(plan.paths) == {GET}
    assert shut == []


def test_sites_are_told_apart_by_host() -> None:
    plan, shut, doors = compiled(
        f"""
http://one.example {{
	{DOOR}
}}
http://two.example {{
	log
	{DOOR}
}}
http://three.example {{
	file_server
}}
http:// {{
	{DOOR}
}}
"""
    )
    assert reached(plan, GET, host="one.example:80") is doors.made[3]
    assert reached(plan, GET, host="two.example") is None
    assert reached(plan, GET, host="three.example") is None
    assert reached(plan, GET, host="four.example") is doors.made[13]
    assert shut == [
        "/ws of two.example: the site writes its access log",
        "/internal/broadcast of two.example: the site writes its access log",
    ]


def test_a_matcher_that_looks_at_the_head_is_asked_each_time() -> None:
    plan, shut, doors = compiled(
        f"handle {{\n@foreign {{\nheader Origin *\nnot header Origin http://a\n}}\nabort @foreign\n{DOOR}\n}}"
    )
    (door,) = doors.made.values()
    assert not no_questions(plan.paths[GET])
    assert reached(plan, GET) is door
    assert reached(plan, GET, origin="http://a") is door
    assert reached(plan, GET, origin="http://b") is None
    assert shut == []


def test_a_matcher_that_looks_at_the_peer() -> None:
    plan, _, doors = compiled(f"@near remote_ip 10.0.0.0/8 ::1\nabort @near\n{DOOR}")
    (door,) = doors.made.values()
    assert reached(plan, POST, "192.0.2.1") is door
    assert reached(plan, POST, "10.1.2.3") is None
    assert reached(plan, POST, "::ffff:10.1.2.3") is None
    assert reached(plan, POST, "::1") is None


def test_two_doors_with_matchers() -> None:
    plan, _, doors = compiled(f"@a header A 1\n{DOOR} @a\n@b header B 1\n{DOOR} @b")
    assert reached(plan, GET, a="1") is doors.made[3]
    assert reached(plan, GET, b="1") is doors.made[5]
    assert reached(plan, GET, a="1", b="1") is doors.made[3]
    assert reached(plan, GET) is None


def test_of_a_group_only_the_first_match_is_entered() -> None:
    plan, _, doors = compiled(
        f"@a header A 1\nhandle @a {{\n@c header C 1\n{DOOR} @c\n}}\nhandle {{\n{DOOR}\n}}\nrespond no"
    )
    assert reached(plan, GET) is doors.made[8]
    assert reached(plan, GET, a="1", c="1") is doors.made[5]
    assert reached(plan, GET, a="1") is None


def test_a_block_that_was_entered_for_sure_keeps_its_group_from_the_rest() -> None:
    plan, shut, _ = compiled(f"handle /ws {{\nrespond no\n}}\nhandle /ws {{\n{DOOR}\n}}")
    assert not plan.paths
    assert shut == ["/ws: respond (Caddyfile:3) comes before go_handler"]


def test_a_door_that_does_not_serve_the_path_is_passed() -> None:
    class Elsewhere(Doors):
        def __call__(self, step: GoHandlerStep) -> Realtime:
            path = "/other" if step.directive.line == 2 else "/ws"
            return self.made.setdefault(step.directive.line, Realtime(socket_path=path))

    doors = Elsewhere()
    paths, _ = lane_paths(plan_of(f":8080 {{\n{DOOR}\n{DOOR}\n}}\n").servers[0], doors)
    assert set(paths) == {POST, GET, b"GET /other HTTP/1.1"}
    assert paths[GET].guard.only is doors.made[3]
    assert paths[b"GET /other HTTP/1.1"].guard.only is doors.made[2]


def test_odd_paths_are_not_the_lanes() -> None:
    def prefixed(step: GoHandlerStep) -> Realtime:
        return Realtime(prefix="/caf\u00e9")

    assert lane_paths(plan_of(f":8080 {{\n{DOOR}\n}}\n").servers[0], prefixed) == ({}, ())


def test_a_half_request_line() -> None:
    plan = compiled(DOOR)[0]
    for line in (POST, GET):
        whole = line + b"\r"
        assert all(plan.may_begin(whole[:size]) for size in range(len(whole) + 1))
    for other in (b"GET /wss", b"PUT", b"GET /ws HTTP/1.0", b"\r", b"GET /ws HTTP/1.1\n"):
        assert not plan.may_begin(other)
