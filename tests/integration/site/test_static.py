"""The file server over real sockets and a real folder."""

from __future__ import annotations

import asyncio
import errno
import gzip
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.rawhttp import Answered, RunningFront, serving
from tornado_realtime.site.browse import BrowseOptions, Order
from tornado_realtime.site.chain import Link, ServedSite, Sites, link_chain
from tornado_realtime.site.exchange import Exchange, Next
from tornado_realtime.site.static import FileServer, FileServerOptions
from tornado_realtime.site.variables import set_root

Steps = Callable[[RunningFront], Awaitable[None]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for place in ("sub", "empty", ".git", ".well-known", "index"):
        (root / place).mkdir(parents=True)
    (root / "index.html").write_text("<h1>home</h1>")
    (root / "a.txt").write_text("0123456789")
    (root / "sub" / "index.txt").write_text("sub index")
    (root / "empty" / "x y.bin").write_bytes(b"\x00")
    (root / "index" / "index.html").mkdir()
    (root / ".git" / "config").write_text("secret")
    (root / ".env").write_text("secret")
    (root / ".well-known" / "security.txt").write_text("public")
    (root / "Caddyfile").write_text("secret")
    (root / "big.bin").write_bytes(os.urandom(1_000_000))
    (root / "app.js").write_text("plain")
    (root / "app.js.gz").write_bytes(gzip.compress(b"packed"))
    (root / "\\..\\b").write_text("odd name")
    os.mkfifo(root / "pipe")
    (tmp_path / "outside.txt").write_text("secret")
    (root / "leak").symlink_to(tmp_path / "outside.txt")
    (root / "up").symlink_to(tmp_path)
    (root / "inner").symlink_to(root / "a.txt")
    (root / "config-link").symlink_to(root / "Caddyfile")
    (root / "git-link").symlink_to(root / ".git")
    os.link(root / "Caddyfile", root / "config-hard-link")
    return root


def run(folder: Path, steps: Steps, **options: Any) -> None:
    options.setdefault("config_files", (str(folder / "Caddyfile"),))
    files = FileServer(FileServerOptions(root=str(folder), **options))
    run_chain(steps, Link(files))


def run_chain(steps: Steps, *links: Link) -> None:
    async def main() -> None:
        async with serving(Sites([ServedSite(link_chain(links))]).answer) as site:
            await steps(site)

    asyncio.run(main())


def fetch(folder: Path, target: str, *fields: str, method: str = "GET", **options: Any) -> Answered:
    answers: list[Answered] = []

    async def steps(site: RunningFront) -> None:
        answers.append(await site.once(method, target, *fields))

    run(folder, steps, **options)
    return answers[0]


def test_a_file_with_all_its_headers(folder: Path) -> None:
    answer = fetch(folder, "/a.txt")
    assert (answer.status, answer.body) == (200, b"0123456789")
    assert answer.header("Content-Type") == "text/plain; charset=utf-8"
    assert answer.header("Content-Length") == "10"
    assert answer.header("Accept-Ranges") == "bytes"
    assert answer.header("ETag")
    assert answer.header("Last-Modified")
    assert answer.header("Vary") is None


def test_a_big_file_comes_whole(folder: Path) -> None:
    assert fetch(folder, "/big.bin").body == (folder / "big.bin").read_bytes()


def test_index_files(folder: Path) -> None:
    assert fetch(folder, "/").body == b"<h1>home</h1>"
    assert fetch(folder, "/sub/").body == b"sub index"
    assert fetch(folder, "/", index=("a.txt",)).body == b"0123456789"
    assert fetch(folder, "/", index=()).status == 404
    assert fetch(folder, "/index/").status == 404


def test_head_tells_the_length_without_the_body(folder: Path) -> None:
    answer = fetch(folder, "/a.txt", method="HEAD")
    assert (answer.status, answer.header("Content-Length"), answer.body) == (200, "10", b"")


def test_other_methods_are_refused_where_there_is_a_file(folder: Path) -> None:
    answer = fetch(folder, "/a.txt", method="POST")
    assert (answer.status, answer.header("Allow")) == (405, "GET, HEAD")
    assert fetch(folder, "/none", method="POST").status == 404


@pytest.mark.parametrize(
    ("target", "to"),
    [
        ("/sub", "/sub/"),
        ("/sub?x=1", "/sub/?x=1"),
        ("/a.txt/", "/a.txt"),
        ("//sub", "/sub/"),
        ("///sub", "/sub/"),
        ("/%73ub", "/%73ub/"),
        ("/x/..//sub", "/x/..//sub/"),
    ],
)
def test_slashes_at_the_end_are_corrected(folder: Path, target: str, to: str) -> None:
    answer = fetch(folder, target)
    assert (answer.status, answer.header("Location"), answer.body) == (308, to, b"")


def test_slashes_can_be_left_alone(folder: Path) -> None:
    assert fetch(folder, "/sub", canonical=False).body == b"sub index"
    assert fetch(folder, "/a.txt/", canonical=False).body == b"0123456789"


def test_a_rewritten_name_is_not_redirected(folder: Path) -> None:
    async def rewrite(exchange: Exchange, next_step: Next) -> None:
        exchange.request.target = "/sub"
        await next_step()

    async def steps(site: RunningFront) -> None:
        assert (await site.get("/elsewhere")).body == b"sub index"

    run_chain(steps, Link(rewrite), Link(FileServer(FileServerOptions(root=str(folder)))))


@pytest.mark.parametrize(
    "target",
    [
        "/../outside.txt",
        "/%2e%2e/outside.txt",
        "/%2e%2e%2foutside.txt",
        "/sub/..%2f..%2foutside.txt",
        "/..\\outside.txt",
        "/..%5coutside.txt",
        "/leak",
        "/up/outside.txt",
        "/up/root/a.txt/../../../outside.txt",
        "/.env",
        "/%2eenv",
        "/.git/config",
        "/sub/../.git/config",
        "/git-link/config",
        "/Caddyfile",
        "/sub/..//Caddyfile",
        "/config-link",
        "/config-hard-link",
        "/pipe",
        "/none",
        "/" + "x" * 300,
        "/a.txt/b",
        "/%ff%fe",
    ],
)
def test_what_is_not_to_be_seen(folder: Path, target: str) -> None:
    answer = fetch(folder, target)
    assert (answer.status, answer.body) == (404, b"")


def test_no_path_reaches_above_the_root(folder: Path) -> None:
    assert fetch(folder, "/../a.txt").body == b"0123456789"
    assert fetch(folder, "/%2e%2e/%2e%2e/a.txt").body == b"0123456789"
    assert fetch(folder, "/a.txt%00").status == 400
    assert fetch(folder, "/%5C..%5Cb").body == b"odd name"


def test_what_may_be_seen(folder: Path) -> None:
    assert fetch(folder, "/inner").body == b"0123456789"
    assert fetch(folder, "/.well-known/security.txt").body == b"public"


@pytest.mark.parametrize("word", ["a.txt", "*.txt", "a[a-z.]txt", "[a.txt"])
def test_names_are_hidden(folder: Path, word: str) -> None:
    hidden = word != "[a.txt"
    assert fetch(folder, "/a.txt", hide=(word,)).status == (404 if hidden else 200)


def test_places_are_hidden(folder: Path) -> None:
    assert fetch(folder, "/sub/index.txt", hide=(str(folder / "sub"),)).status == 404
    assert fetch(folder, "/sub/", hide=(str(folder / "sub"),)).status == 404
    assert fetch(folder, "/sub/", hide=("index.txt",)).status == 404
    assert fetch(folder, "/sub/index.txt", hide=(str(folder / "*" / "index.txt"),)).status == 404
    assert fetch(folder, "/a.txt", hide=(str(folder / "a.tx"),)).status == 200
    assert fetch(folder, "/inner", hide=("a.txt",)).status == 404


def test_missing_files_can_be_left_to_the_next_step(folder: Path) -> None:
    async def after(exchange: Exchange, next_step: Next) -> None:
        await exchange.respond(200, b"next")

    async def steps(site: RunningFront) -> None:
        assert (await site.get("/none")).body == b"next"
        assert (await site.get("/empty/")).body == b"next"
        assert (await site.get("/a.txt")).body == b"0123456789"

    files = FileServer(FileServerOptions(root=str(folder), pass_thru=True))
    run_chain(steps, Link(files), Link(after))


def test_conditions_and_ranges(folder: Path) -> None:
    async def steps(site: RunningFront) -> None:
        client = await site.connect()
        first = await client.request("GET", "/a.txt")
        etag, modified = first.header("ETag"), first.header("Last-Modified")
        known = await client.request("GET", "/a.txt", f"If-None-Match: {etag}")
        assert (known.status, known.body, known.header("ETag")) == (304, b"", etag)
        assert (await client.request("HEAD", "/a.txt", f"If-Modified-Since: {modified}")).status == 304
        assert (await client.request("GET", "/a.txt", 'If-Match: "other"')).status == 412
        part = await client.request("GET", "/a.txt", "Range: bytes=2-4")
        assert (part.status, part.body, part.header("Content-Range")) == (206, b"234", "bytes 2-4/10")
        whole = await client.request("GET", "/a.txt", "Range: bytes=2-4", 'If-Range: "other"')
        assert (whole.status, len(whole.body)) == (200, 10)
        beyond = await client.request("GET", "/a.txt", "Range: bytes=10-")
        assert (beyond.status, beyond.header("Content-Range")) == (416, "bytes */10")
        tail = await client.request("GET", "/big.bin", "Range: bytes=-300000")
        assert tail.body == (folder / "big.bin").read_bytes()[-300000:]

    run(folder, steps)


def test_sidecars_are_used_when_the_client_takes_them(folder: Path) -> None:
    accept = "Accept-Encoding: gzip, br"
    packed = fetch(folder, "/app.js", accept, precompressed=("br", "gzip"))
    assert gzip.decompress(packed.body) == b"packed"
    assert packed.header("Content-Encoding") == "gzip"
    assert packed.header("Content-Type") == "text/javascript; charset=utf-8"
    assert packed.header("Vary") == "Accept-Encoding"
    plain = fetch(folder, "/app.js", precompressed=("gzip",))
    assert (plain.body, plain.header("Vary"), plain.header("Content-Encoding")) == (
        b"plain",
        "Accept-Encoding",
        None,
    )
    assert plain.header("ETag") != packed.header("ETag")
    assert fetch(folder, "/app.js", accept).body == b"plain"
    assert fetch(folder, "/app.js", accept, precompressed=("gzip",), hide=("*.gz",)).body == b"plain"


def test_the_status_can_be_ordered(folder: Path) -> None:
    answer = fetch(folder, "/a.txt", "Range: bytes=0-1", status="503")
    assert (answer.status, answer.body) == (503, b"0123456789")
    assert fetch(folder, "/a.txt", status="nonsense").status == 500


def test_root_from_the_site_with_placeholders(folder: Path) -> None:
    async def steps(site: RunningFront) -> None:
        assert (await site.get("/a.txt", "Host: root")).body == b"0123456789"
        assert (await site.get("/a.txt", "Host: other")).status == 404

    root = set_root(str(folder.parent / "{http.request.host}"))
    run_chain(steps, Link(root), Link(FileServer(FileServerOptions())))


def test_listings(folder: Path) -> None:
    page = fetch(folder, "/?sort=name", index=(), browse=BrowseOptions())
    text = page.body.decode()
    assert (page.status, page.header("Content-Type")) == (200, "text/html; charset=utf-8")
    policy = page.header("Content-Security-Policy") or ""
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert (page.header("X-Content-Type-Options"), page.header("Referrer-Policy")) == (
        "nosniff",
        "same-origin",
    )
    for name in ("a.txt", "sub/", "empty/", "inner"):
        assert f"./{name}" in text
    for name in (
        ".git",
        ".env",
        "Caddyfile",
        "leak",
        "config-link",
        "config-hard-link",
        "git-link",
        "pipe",
        "./up",
    ):
        assert name not in text
    items = json.loads(fetch(folder, "/empty/", "Accept: application/json", browse=BrowseOptions()).body)
    assert [item["name"] for item in items] == ["x y.bin"]
    assert fetch(folder, "/empty", browse=BrowseOptions()).header("Location") == "/empty/"
    assert fetch(folder, "/empty/").status == 404
    assert fetch(folder, "/empty/", browse=BrowseOptions(), method="POST").status == 405


def test_a_listing_as_the_configuration_wants_it(folder: Path) -> None:
    options = BrowseOptions(Order("size", descending=True), limit=3, reveal_symlinks=True)
    page = fetch(folder, "/", index=(), browse=options).body.decode()
    assert page.count("<tr><td>") == 3
    assert "more are not shown" in page
    everything = BrowseOptions(reveal_symlinks=True)
    items = json.loads(fetch(folder, "/", "Accept: application/json", index=(), browse=everything).body)
    assert {item["name"]: item["leads_to"] for item in items if "leads_to" in item} == {"inner": "/a.txt"}


def test_entity_tags_from_a_file_beside(folder: Path) -> None:
    (folder / "a.txt.sum").write_text("abc\n")
    assert fetch(folder, "/a.txt", etag_extensions=(".none", ".sum")).header("ETag") == '"abc"'
    (folder / "a.txt.sum").write_text('W/"abc"')
    assert fetch(folder, "/a.txt", etag_extensions=(".sum",)).header("ETag") == 'W/"abc"'
    (folder / "a.txt.sum").write_text('x" y\r\nz')
    assert "-a" in (fetch(folder, "/a.txt", etag_extensions=(".sum",)).header("ETag") or "")


def test_a_file_without_permission_is_403(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, flags: int) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tornado_realtime.site.delivery.os.open", refuse)
    assert fetch(folder, "/a.txt").status == 403


def test_what_the_system_refuses_is_403_and_what_fails_is_500(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing_with(number: int) -> None:
        def fail(path: str) -> str:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr("tornado_realtime.site.docroot.os.scandir", fail)

    failing_with(errno.EACCES)
    assert fetch(folder, "/empty/", browse=BrowseOptions()).status == 403
    failing_with(errno.EIO)
    assert fetch(folder, "/empty/", browse=BrowseOptions()).status == 500


def test_a_file_that_became_something_else_is_404(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = os.open(folder / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    monkeypatch.setattr("tornado_realtime.site.delivery._open", lambda path: os.dup(pipe))
    assert fetch(folder, "/a.txt").status == 404
    os.close(pipe)


def test_a_file_that_shrinks_while_it_is_sent_breaks_off(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.pread
    monkeypatch.setattr(
        "tornado_realtime.site.delivery.os.pread",
        lambda fd, length, offset: real(fd, length, offset) if offset == 0 else b"",
    )
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        fetch(folder, "/big.bin")
