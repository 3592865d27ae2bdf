"""GET /realtime.js: the browser's client, from an application and from a Caddyfile."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.rawhttp import Answered
from tests.support.realtime_world import World, realtime, serving
from tests.support.served_caddyfile import answers

FOLDER = Path(__file__).resolve().parents[3] / "tornado_realtime" / "browser"
MINIFIED = (FOLDER / "realtime.min.js").read_bytes()
SOURCE = (FOLDER / "realtime.js").read_bytes()


async def ask(world: World, path: str = "/realtime.js", method: str = "GET", *fields: str) -> Answered:
    return await world.knock(*(fields or ("Accept: */*",)), path=path, method=method)


def test_it_is_minified_unless_somebody_wants_to_read_it() -> None:
    async def main() -> None:
        async with serving(realtime(broadcast_listen="127.0.0.1:1")) as world:
            for path, body in (("/realtime.js", MINIFIED), ("/realtime.js?source", SOURCE)):
                answer = await ask(world, path)
                assert (answer.status, answer.body) == (200, body)
                assert answer.header("Content-Type") == "text/javascript; charset=utf-8"
                assert answer.header("X-Content-Type-Options") == "nosniff"
                head = await ask(world, path, "HEAD")
                assert (head.status, head.body) == (200, b"")
                assert head.header("Content-Length") == str(len(body))

    asyncio.run(main())


def test_a_copy_is_used_for_a_while_and_then_asked_about() -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            answer = await ask(world)
            assert answer.header("Cache-Control") == "public, max-age=600"
            etag = answer.header("ETag")
            assert etag and etag != (await ask(world, "/realtime.js?source")).header("ETag")
            again = await ask(world, "/realtime.js", "GET", f"If-None-Match: {etag}")
            assert (again.status, again.body) == (304, b"")
            assert again.header("ETag") == etag
            assert (await ask(world, "/realtime.js", "GET", 'If-None-Match: "other"')).status == 200

    asyncio.run(main())


def test_pages_of_every_origin_may_import_it_and_nobody_is_asked_who_they_are() -> None:
    async def main() -> None:
        async with serving(realtime(authenticate=lambda request: None)) as world:
            answer = await ask(world, "/realtime.js", "GET", "Origin: https://elsewhere.example")
            assert answer.status == 200
            assert answer.header("Access-Control-Allow-Origin") == "*"
            assert answer.header("Cross-Origin-Resource-Policy") == "cross-origin"

    asyncio.run(main())


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_other_methods_are_refused(method: str) -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            answer = await ask(world, method=method)
            assert (answer.status, answer.header("Allow")) == (405, "GET, HEAD")

    asyncio.run(main())


def test_behind_a_site_its_matchers_decide() -> None:
    (served,) = answers(":8080 {\ngo_handler\n}\n", "/realtime.js")
    assert served.body == MINIFIED
    (page,) = answers(":8080 {\n@rt path /ws\nhandle @rt {\ngo_handler\n}\nrespond page\n}\n", "/realtime.js")
    assert page.body == b"page"
