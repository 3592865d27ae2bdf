"""GET /live and GET /ready: in an application, on the listener for publishing, and behind a site."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.rawhttp import Answered
from tests.support.realtime_world import World, realtime, serving, until
from tests.support.redis_server import RedisServer
from tests.support.roads import compare, free_port, road
from tests.support.served_caddyfile import answers

METHODS = ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE")
ANSWERS = {"/live": {"live": True}, "/ready": {"ready": True}}


async def ask(world: World, path: str, method: str = "GET", *fields: str) -> Answered:
    return await world.knock(*(fields or ("Accept: */*",)), path=path, method=method)


def told(answer: Answered) -> tuple[int, Any]:
    assert answer.header("Content-Type") == "application/json"
    assert answer.header("Cache-Control") == "no-store"
    return answer.status, json.loads(answer.body)


def test_a_running_instance_says_yes_to_everybody() -> None:
    async def main() -> None:
        async with serving(realtime(broadcast_secret="s")) as world:
            for path, expected in ANSWERS.items():
                assert world.realtime.serves(path)
                for fields in (
                    (),
                    ("X-Forwarded-For: 192.0.2.1", "Cookie: a=b", "Origin: http://evil.example"),
                ):
                    answer = await ask(world, path, "GET", *fields)
                    assert told(answer) == (200, expected)
                    assert answer.body.endswith(b"}\n") and b" " not in answer.body
                head = await ask(world, path, "HEAD")
                assert (head.status, head.body) == (200, b"")
                assert head.header("Content-Length") == str(len(answer.body))

    asyncio.run(main())


@pytest.mark.parametrize("path", ANSWERS)
def test_other_methods_are_refused(path: str) -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            for method in METHODS:
                answer = await ask(world, path, method)
                assert (answer.status, answer.header("Allow")) == (405, "GET, HEAD")
                assert answer.header("Cache-Control") == "no-store"

    asyncio.run(main())


def test_it_is_ready_from_its_start_until_it_drains() -> None:
    async def main() -> None:
        async with serving(realtime(), start=False) as world:
            instance = world.realtime
            no = {"ready": False, "reason": "not started, or closed"}
            assert told(await ask(world, "/ready")) == (503, no)
            assert told(await ask(world, "/live")) == (200, {"live": True})
            await instance.start()
            client = await world.open("news")
            instance.drain()
            draining = {"ready": False, "reason": "the server is stopping"}
            assert told(await ask(world, "/ready")) == (503, draining)
            assert told(await ask(world, "/live")) == (200, {"live": True})
            # All the rest goes on: a load balancer needs a while to take note.
            await instance.publish("news", "still here")
            assert await client.text() == b"still here"
            assert (await world.knock()).status == 101
            await instance.close(timeout=0.1)
            assert (await ask(world, "/ready")).status == 503
            await instance.start()
            assert told(await ask(world, "/ready")) == (200, {"ready": True})

    asyncio.run(main())


def test_a_node_without_its_redis_is_not_ready_but_lives(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)

    async def main() -> None:
        async with serving(realtime(driver="redis", redis_address=server.address)) as world:
            assert told(await ask(world, "/ready")) == (200, {"ready": True})
            server.kill()
            await until(lambda: world.realtime.trouble)
            away = {"ready": False, "reason": "Redis is away"}
            assert told(await ask(world, "/ready")) == (503, away)
            assert told(await ask(world, "/live")) == (200, {"live": True})
            server.start()
            await until(lambda: not world.realtime.trouble)
            assert told(await ask(world, "/ready")) == (200, {"ready": True})

    server.start()
    try:
        asyncio.run(main())
    finally:
        server.stop()


def test_a_prefix_is_part_of_the_paths() -> None:
    async def main() -> None:
        async with serving(realtime(prefix="/rt")) as world:
            for path, expected in ANSWERS.items():
                assert told(await ask(world, f"/rt{path}")) == (200, expected)
                assert not world.realtime.serves(path)
                assert (await ask(world, path)).status == 404

    asyncio.run(main())


LISTEN = """
http://:0 {{
    @rt path /ws /internal/* /live /ready
    handle @rt {{
        go_handler {{
            broadcast_listen 127.0.0.1:{port}
        }}
    }}
    respond page
}}
"""


def test_the_site_and_the_listener_for_publishing_both_answer() -> None:
    async def main() -> None:
        texts = [LISTEN.format(port=free_port()) for _ in range(2)]
        async with road(texts[0], lane=True) as fast, road(texts[1], lane=False) as slow:
            for listener in (0, 1):
                for path, expected in ANSWERS.items():
                    request = f"GET {path} HTTP/1.1\r\nHost: lb\r\nConnection: close\r\n\r\n".encode()
                    answer = await compare(fast, slow, request, listener=listener)
                    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
                    assert json.loads(answer.partition(b"\r\n\r\n")[2].removesuffix(b"|closed")) == expected

    asyncio.run(main())


def test_behind_the_matchers_of_the_seed_a_page_answers() -> None:
    """What the warning at the start is about."""
    site = (
        ":8080 {{\n@rt path /ws /internal/broadcast{more}\nhandle @rt {{\ngo_handler\n}}\nrespond page\n}}\n"
    )
    assert answers(site.format(more=""), "/ready")[0].body == b"page"
    assert json.loads(answers(site.format(more=" /ready"), "/ready")[0].body) == {"ready": True}
