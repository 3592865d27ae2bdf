"""Which go_handlers a request for /ready can get to, and what the start-up log says of the others."""

from __future__ import annotations

import pytest

from tests.support.site_plans import plan_of
from tornado_realtime.server.notes import ready_notes
from tornado_realtime.site.reach import out_of_reach

DOOR = "go_handler"


def barriers(text: str) -> list[tuple[str, str]]:
    """What keeps a request for which path from each go_handler of a Caddyfile, or of a site's body."""
    whole = text if text.startswith("http://") else f":8080 {{\n{text}\n}}\n"
    return [(found.path, found.barrier) for found in out_of_reach(plan_of(whole), "/ready")]


@pytest.mark.parametrize(
    "text",
    [
        DOOR,
        f"@rt path /ws /internal/* /live /ready\nhandle @rt {{\n{DOOR}\n}}\nphp_server",
        f"@rt path /ws /r*\n{DOOR} @rt",
        f"@rt path /ws /READY\n{DOOR} @rt",
        f"@rt not path /pages/*\n{DOOR} @rt",
        f"@rt path_regexp ^/(ws|ready)$\n{DOOR} @rt",
        f"handle_path /rt/* {{\n{DOOR}\n}}",
        f"handle /rt/* {{\nhandle_path /rt/* {{\n{DOOR}\n}}\n}}",
        # What depends on more than the request's line may let it through.
        f"@rt remote_ip 10.0.0.0/8\n{DOOR} @rt",
        f"@rt path {{http.vars.where}}\n{DOOR} @rt",
        f"@rt not header Origin http://a\n{DOOR} @rt",
        # Whoever answers there wants that.
        f"respond /ready yes\n{DOOR}",
        f"handle /ready {{\nrespond yes\n}}\nhandle {{\n{DOOR}\n}}",
        # It is enough that one of its sites lets it through.
        f"http://a.example, http://b.example/ws {{\n{DOOR}\n}}\n",
        "http://a.example {\nrespond hello\n}\n",
    ],
)
def test_it_is_reached(text: str) -> None:
    assert barriers(text) == []


@pytest.mark.parametrize(
    ("text", "path", "barrier"),
    [
        (f"@rt path /ws /internal/broadcast\nhandle @rt {{\n{DOOR}\n}}\nphp_server", "/ready", "@rt"),
        (f"@rt path /ws\n{DOOR} @rt", "/ready", "@rt"),
        (f"{DOOR} /ws", "/ready", "the path /ws"),
        (f"handle /ws* {{\nroute {{\n{DOOR}\n}}\n}}", "/ready", "the path /ws*"),
        (f"@rt not path /ready /live\n{DOOR} @rt", "/ready", "@rt"),
        (f"@rt method POST\n{DOOR} @rt", "/ready", "@rt"),
        (f"@rt {{\npath /ws\nheader Upgrade *\n}}\n{DOOR} @rt", "/ready", "@rt"),
        (f"@rt path /ws\nhandle_path /rt/* {{\n{DOOR} @rt\n}}", "/rt/ready", "@rt"),
        (f"handle /a/* {{\nhandle_path /b/* {{\n{DOOR}\n}}\n}}", "/b/ready", "the path /a/*"),
        (f"http://a.example/ws {{\n{DOOR}\n}}\n", "/ready", "the site's address"),
    ],
)
def test_it_is_out_of_reach(text: str, path: str, barrier: str) -> None:
    assert barriers(text) == [(path, barrier)]


def test_each_go_handler_is_told_of_with_its_place_and_the_way_out() -> None:
    text = f"@rt path /ws\nhandle @rt {{\n{DOOR}\n}}\nhandle /other {{\n{DOOR}\n}}\n"
    first, second = ready_notes(plan_of(f":8080 {{\n{text}\n}}\n"))
    assert first == (
        "Caddyfile:4: no request for /ready gets past @rt to this go_handler: a load balancer would get a "
        "page instead, with status 200 whatever happens; let /ready and /live through there"
    )
    assert second.startswith("Caddyfile:7: no request for /ready gets past the path /other ")


def test_a_listener_for_publishing_may_be_asked_instead() -> None:
    door = "go_handler {\nbroadcast_listen 127.0.0.1:9\n}"
    (note,) = ready_notes(
        plan_of(f":8080 {{\nhandle_path /rt/* {{\n@ws path /ws\nhandle @ws {{\n{door}\n}}\n}}\n}}\n")
    )
    assert note.endswith("; let /rt/ready and /rt/live through there, or have 127.0.0.1:9 asked")


def test_one_place_is_told_of_once() -> None:
    sites = "".join(f"http://{name}.example {{\nimport rt\n}}\n" for name in "ab")
    text = f"(rt) {{\n{DOOR} /ws\n}}\n{sites}"
    assert len(ready_notes(plan_of(text))) == 1
