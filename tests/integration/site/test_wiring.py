"""From the text of a Caddyfile to answers: each directive's words reach the step that does it."""

from __future__ import annotations

import asyncio
import gzip
import json
from base64 import b64encode
from collections.abc import Awaitable, Callable
from pathlib import Path

import bcrypt
import pytest

from tests.support.rawhttp import RunningFront, serving
from tests.support.upstream import answering, ok, upstream
from tornado_realtime.caddyfile import parse
from tornado_realtime.errors import ConfigError
from tornado_realtime.server.generation import Generation
from tornado_realtime.site.adapter import adapt

Steps = Callable[[RunningFront], Awaitable[None]]


async def serve(text: str, steps: Steps) -> None:
    """Serve the first server of a Caddyfile."""
    generation = Generation(adapt(parse(text, "Caddyfile", {})))
    _, answer, options = generation.sites[0]
    await generation.start()
    try:
        async with serving(answer, options) as site:
            await steps(site)
    finally:
        await generation.stop_resources()


def run(text: str, steps: Steps) -> None:
    """Serve the first server of a Caddyfile."""
    asyncio.run(serve(text, steps))


def body(directives: str, target: str, *fields: str, method: str = "GET") -> str:
    """Body of the answer of a site with these directives."""
    bodies: list[bytes] = []

    async def steps(site: RunningFront) -> None:
        bodies.append((await site.once(method, target, *fields)).body)

    run(f":8080 {{\n{directives}\n}}", steps)
    return bodies[0].decode()


def test_respond_redir_and_handle() -> None:
    async def steps(site: RunningFront) -> None:
        assert (await site.get("/teapot")).status == 418
        moved = await site.get("/old?x=1")
        assert (moved.status, moved.header("Location")) == (301, "/new?x=1")
        assert (await site.get("/page")).header("Content-Type") == "text/html; charset=utf-8"
        assert (await site.get("/in/x")).body == b"inside /x"
        assert (await site.get("/else")).body == b"last"

    run(
        """:8080 {
            respond /teapot 418
            redir /old /new?{query} permanent
            redir /page /elsewhere html
            handle_path /in/* {
                respond "inside {path}"
            }
            respond last
        }""",
        steps,
    )


def test_header_and_request_header() -> None:
    async def steps(site: RunningFront) -> None:
        answer = await site.get("/", "X-In: old")
        assert answer.body == b"new  "
        assert answer.header("X-A") == "a /"
        assert answer.header("X-Late") == "late"
        assert answer.header("X-Default") == "default"
        assert answer.header("Server") is None
        assert answer.header("Cache-Control") == "max-age=60"

    run(
        """:8080 {
            request_header X-In old new
            request_header -X-Out
            header X-A "a {path}"
            header {
                >X-Late late
                ?X-Default default
                -Server
                Cache-Control "max-age=1"
                Cache-Control 1 60
            }
            respond "{header.X-In} {header.X-Out} "
        }""",
        steps,
    )


@pytest.mark.parametrize(
    ("directives", "target", "seen"),
    [
        ("rewrite /a /b", "/a?x", "/b?x"),
        ("rewrite * /p{uri}", "/a%20b?x", "/p/a%20b?x"),
        ("uri strip_prefix /api", "/api/a", "/a"),
        ("uri strip_suffix .html", "/a.html", "/a"),
        ("uri replace a b", "/a/a?a", "/b/b?b"),
        ("uri path_regexp /{2,} /", "/a///b", "/a/b"),
        ("uri query a 1", "/?b=2", "/?b=2&a=1"),
        ("uri query {\n-b\n+a 2\nc>d\n}", "/?b=2&a=1&c=3", "/?a=1&d=3&a=2"),
        ("vars word W\nrewrite /{vars.word}", "/", "/W"),
    ],
)
def test_rewrites(directives: str, target: str, seen: str) -> None:
    assert body(f'{directives}\nrespond "{{uri}}"', target) == seen


def test_method() -> None:
    assert body('method PATCH\nrespond "{method}"', "/") == "PATCH"


def test_files(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("home")
    (tmp_path / "page.html").write_text("page")
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "sub").mkdir()

    async def steps(site: RunningFront) -> None:
        assert (await site.get("/")).body == b"home"
        assert (await site.get("/page")).body == b"page"
        assert (await site.get("/secret.txt")).status == 404
        assert b"sub/" in (await site.get("/sub/../list/")).body
        assert (await site.get("/gone.html")).body == b"404 missing"

    run(
        f""":8080 {{
            root {tmp_path}
            try_files {{path}} {{path}}.html
            handle_path /list/* {{
                file_server {{
                    index none
                    browse {{
                        sort size desc
                        file_limit 10
                    }}
                }}
            }}
            handle {{
                file_server {{
                    hide secret.txt
                }}
            }}
            handle_errors {{
                respond "{{err.status_code}} missing"
            }}
        }}""",
        steps,
    )


def test_the_configuration_is_never_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Caddyfile").write_text("secret")
    (tmp_path / "other").write_text("public")
    monkeypatch.chdir(tmp_path)

    async def steps(site: RunningFront) -> None:
        assert (await site.get("/Caddyfile")).status == 404
        assert (await site.get("/other")).body == b"public"

    run(":8080 {\n file_server\n}", steps)


def test_encode() -> None:
    async def steps(site: RunningFront) -> None:
        answer = await site.get("/", "Accept-Encoding: gzip")
        assert gzip.decompress(answer.body) == b"some text"

    run(":8080 {\n encode gzip {\n minimum_length 5\n }\n respond `some text`\n}", steps)


def test_access_logs(tmp_path: Path) -> None:
    async def steps(site: RunningFront) -> None:
        await site.get("/a", "Host: one.example")
        await site.get("/b", "Host: two.example")

    run(
        f""":8080 {{
            log {{
                output file {tmp_path}/all.log
                format json
            }}
            log one {{
                output file {tmp_path}/one.log {{
                    mode 0640
                }}
                format console
                hostnames one.example
            }}
            respond hi
        }}""",
        steps,
    )
    everything = [json.loads(line) for line in (tmp_path / "all.log").read_text().splitlines()]
    assert [entry["request"]["uri"] for entry in everything] == ["/a", "/b"]
    (line,) = (tmp_path / "one.log").read_text().splitlines()
    assert "\tINFO\thttp.log.access.one\thandled request\t" in line
    assert (tmp_path / "one.log").stat().st_mode & 0o777 == 0o640


def test_reverse_proxy() -> None:
    async def main() -> None:
        async with upstream(answering(ok(b"up", "X-Powered-By: x"))) as fake:
            text = f""":8080 {{
                handle_path /api/* {{
                    reverse_proxy localhost:1 {fake.place} {{
                        lb_policy round_robin
                        header_up X-Up "{{path}}"
                        header_up Host {{upstream_hostport}}
                        header_down -X-Powered-By
                        transport http {{
                            dial_timeout 2s
                        }}
                    }}
                }}
            }}"""

            async def steps(site: RunningFront) -> None:
                for _ in range(3):
                    answer = await site.get("/api/x?y=1")
                    assert (answer.body, answer.header("X-Powered-By")) == (b"up", None)
                assert fake.heads[0].startswith("GET /x?y=1 HTTP/1.1\r\n")
                assert "X-Up: /x\r\n" in fake.heads[0]
                assert f"Host: {fake.place}\r\n" in fake.heads[0]
                assert fake.connections == 1

            await serve(text, steps)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("lb_policy first 2", "lb_policy first: the policy takes no more words"),
        (
            "transport http {\ntls_trusted_ca_certs /nonexistent.pem\n}",
            "cannot read the trusted certificates",
        ),
        ("transport fastcgi", "use php_fastcgi"),
    ],
)
def test_proxies_that_cannot_be_built(lines: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        body(f"reverse_proxy localhost:1 {{\n{lines}\n}}", "/")


def test_basic_auth() -> None:
    hashed = bcrypt.hashpw(b"pw", bcrypt.gensalt(4)).decode()
    directives = f'basic_auth {{\nbob {hashed}\n}}\nrespond "hello {{http.auth.user.id}}"'
    token = b64encode(b"bob:pw").decode()
    assert body(directives, "/", f"Authorization: Basic {token}") == "hello bob"
    assert body(directives, "/") == ""


def test_a_hash_that_is_none_is_found_with_its_line() -> None:
    with pytest.raises(ConfigError, match=r"Caddyfile:3: the password of bob is no bcrypt hash") as found:
        body("basic_auth {\nbob secret\n}", "/")
    assert "secret" not in str(found.value)
