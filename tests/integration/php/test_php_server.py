"""php_server with the real php-fpm: what is run, what is served, what neither."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.open_folder import open_folder
from tests.support.php_site import run_site
from tests.support.rawhttp import Answered, RunningFront

SHOW = """<?php
header('X-Script: ' . basename(__FILE__));
echo json_encode(['file' => __FILE__, 'server' => $_SERVER, 'body' => file_get_contents('php://input')],
    JSON_INVALID_UTF8_SUBSTITUTE);
"""
SECRET = "must not be seen"


@pytest.fixture
def site() -> Iterator[Path]:
    """Scripts, files, folders, links and secrets."""
    with open_folder() as outer:
        root = outer / "root"
        for name in ("index.php", "x.php", "pd/index.php", "sub/y.php", "späß.php", "UP.PHP"):
            write(root / name, SHOW)
        write(root / "f.txt", "plain file")
        write(root / "html/index.html", "index of html")
        write(root / "upload.jpg", "<?php echo 'executed';")
        write(root / ".well-known/security.txt", "public")
        for name in (
            ".env",
            ".git/config",
            "vendor/lib.txt",
            "composer.json",
            "composer.lock",
            "Caddyfile",
            "my.conf",
        ):
            write(root / name, SECRET)
        write(root / "vendor/evil.php", f"<?php echo '{SECRET}';")
        write(root / ".hidden.php", f"<?php echo '{SECRET}';")
        write(outer / "outside.php", f"<?php echo '{SECRET}';")
        write(outer / "outside.txt", SECRET)
        (root / "link.php").symlink_to(outer / "outside.php")
        (root / "link.txt").symlink_to(outer / "outside.txt")
        (root / "up").symlink_to(outer)
        (root / "inside.php").symlink_to("sub/y.php")
        (root / "jpg.php").symlink_to("upload.jpg")
        (root / "evil.php").symlink_to("vendor/evil.php")
        os.mkfifo(root / "pipe.php")
        yield root


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def told(answer: Answered) -> dict[str, Any]:
    assert answer.status == 200, answer
    return dict(json.loads(answer.body))


# What is asked for, the script that answers, and its PATH_INFO.
SCRIPTS = [
    ("/", "index.php", ""),
    ("/index.php", "index.php", ""),
    ("/x.php", "x.php", ""),
    ("/x.php?a=b", "x.php", ""),
    ("//x.php", "x.php", ""),
    ("/./sub/../x.php", "x.php", ""),
    ("/%78.php", "x.php", ""),
    ("/x.php/", "x.php", ""),
    ("/x.php/info/more", "x.php", "/info/more"),
    ("/x.php/../../etc/passwd", "index.php", ""),
    ("/x.php/%2e%2e/%2e%2e/etc/passwd", "index.php", ""),
    ("/x.php%00.txt/", None, ""),
    ("/sp%C3%A4%C3%9F.php", "späß.php", ""),
    ("/pd/", "index.php", ""),
    ("/html", "index.php", ""),
    ("/html/", "index.php", ""),
    ("/nope", "index.php", ""),
    ("/none.php", "index.php", ""),
    ("/none.php/info", "index.php", ""),
    ("/F.TXT", "index.php", ""),
    ("/upload.jpg/x.php", "index.php", ""),
    ("/inside.php", "y.php", ""),
    # Not for visitors, so as if they were not there.
    ("/.env", "index.php", ""),
    ("/.hidden.php", "index.php", ""),
    ("/%2eenv", "index.php", ""),
    ("/.git/config", "index.php", ""),
    ("/vendor/evil.php", "index.php", ""),
    ("/vendor/lib.txt", "index.php", ""),
    ("/evil.php", "index.php", ""),
    ("/composer.json", "index.php", ""),
    ("/composer.lock", "index.php", ""),
    ("/Caddyfile", "index.php", ""),
    ("/my.conf", "index.php", ""),
    ("/link.php", "index.php", ""),
    ("/link.txt", "index.php", ""),
    ("/up/outside.php", "index.php", ""),
    ("/up/outside.txt", "index.php", ""),
    ("/pipe.php", "index.php", ""),
    ("/" + "x" * 3000, "index.php", ""),
    ("/späß.php".encode().decode("latin-1"), "späß.php", ""),
    ("/%ff.php", "index.php", ""),
]


def test_which_script_answers(site: Path) -> None:
    async def steps(front: RunningFront) -> None:
        for target, script, path_info in SCRIPTS:
            answer = await front.get(target)
            if script is None:
                assert answer.status == 400, target
                continue
            found = told(answer)
            assert Path(found["file"]).name == script, target
            server = found["server"]
            assert server.get("PATH_INFO", "") == path_info, target
            assert server["REQUEST_URI"].encode() in (target.encode(), target.encode("latin-1"))

    run_site(site, steps)


def test_what_else_is_served(site: Path) -> None:
    async def steps(front: RunningFront) -> None:
        assert (await front.get("/f.txt")).body == b"plain file"
        assert (await front.get("/html/index.html")).body == b"index of html"
        assert (await front.get("/.well-known/security.txt")).body == b"public"
        assert (await front.get("/upload.jpg")).body == b"<?php echo 'executed';"
        moved = await front.get("/f.txt/")
        assert (moved.status, moved.header("Location")) == (308, "/f.txt")
        assert (await front.once("POST", "/f.txt")).status == 405

    run_site(site, steps)


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/pd", "/pd/"),
        ("/pd?a=b&c", "/pd/?a=b&c"),
        ("//pd", "/pd/"),
        ("//evil.example/%2e%2e/pd", "/pd/"),
        ("/%5cevil.example/../pd", "/pd/"),
    ],
)
def test_a_folder_gets_its_slash(site: Path, target: str, location: str) -> None:
    async def steps(front: RunningFront) -> None:
        answer = await front.get(target)
        assert (answer.status, answer.header("Location")) == (308, location)

    run_site(site, steps)


def test_scripts_that_must_not_run(site: Path) -> None:
    """A link to a picture is no script, and a script whose name is spelt otherwise is no text."""

    async def steps(front: RunningFront) -> None:
        assert (await front.get("/jpg.php")).status == 404
        answer = await front.get("/UP.PHP")
        assert answer.status == 403
        assert b"<?php" not in answer.body

    run_site(site, steps)


def test_without_an_index_what_is_not_there_is_404(site: Path) -> None:
    (site / "index.php").unlink()

    async def steps(front: RunningFront) -> None:
        for target in ("/", "/nope", "/none.php", "/.env", "/vendor/evil.php", "/my.conf", "/link.txt"):
            assert (await front.get(target)).status == 404, target

    run_site(site, steps)


def test_the_variables(site: Path) -> None:
    async def steps(front: RunningFront) -> None:
        answer = await front.once(
            "POST",
            "/sub/../x.php/in%20fo?q=%C3%B6",
            "Host: Example.org:99",
            "Content-Type: text/x",
            "Proxy: http://evil",
            "X_Forwarded_For: 6.6.6.6",
            "X-Forwarded-Proto: https",
            "X-Forwarded-For: 6.6.6.6",
            "Cookie: a=1",
            "Cookie: b=2",
            body=b"hello",
        )
        found = told(answer)
        server = found["server"]
        assert found["body"] == "hello"
        expected = {
            "REQUEST_METHOD": "POST",
            "REQUEST_URI": "/sub/../x.php/in%20fo?q=%C3%B6",
            "QUERY_STRING": "q=%C3%B6",
            "SCRIPT_NAME": "/x.php",
            "SCRIPT_FILENAME": str(site / "x.php"),
            "PHP_SELF": "/x.php/in fo",
            "PATH_INFO": "/in fo",
            "PATH_TRANSLATED": str(site) + "/in fo",
            "DOCUMENT_ROOT": str(site),
            "REMOTE_ADDR": "127.0.0.1",
            "SERVER_NAME": "example.org",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "CONTENT_TYPE": "text/x",
            "CONTENT_LENGTH": "5",
            "HTTP_HOST": "Example.org:99",
            "HTTP_COOKIE": "a=1; b=2",
            "HTTP_X_FORWARDED_FOR": "6.6.6.6",
            "GATEWAY_INTERFACE": "CGI/1.1",
            "STAGE": "test of POST",
        }
        assert {name: server.get(name) for name in expected} == expected
        assert not {"HTTP_PROXY", "HTTPS"} & set(server)

    run_site(
        site,
        steps,
        block="env STAGE {$NOT_SET:test} of {method}".replace(
            "test} of {method}", 'x}\nenv STAGE "test of {method}"'
        ),
    )


def test_another_index_and_other_endings(site: Path) -> None:
    write(site / "app.inc", SHOW)

    async def steps(front: RunningFront) -> None:
        assert (await front.get("/nope")).header("X-Script") == "app.inc"
        assert (await front.get("/app.inc/info")).header("X-Script") == "app.inc"
        answer = await front.get("/x.php")
        assert (answer.status, answer.body) == (404, b"")

    run_site(site, steps, block="index app.inc\nsplit .inc")


def test_index_off_leaves_paths_alone(site: Path) -> None:
    async def steps(front: RunningFront) -> None:
        assert (await front.get("/x.php")).header("X-Script") == "x.php"
        assert (await front.get("/html/")).body == b"index of html"
        for target in (
            "/nope",
            "/none.php",
            "/Caddyfile",
            "/.env",
            "/vendor/lib.txt",
            "/vendor/evil.php",
            "/x.txt",
        ):
            assert (await front.get(target)).status == 404, target

    run_site(site, steps, block="index off")


def test_files_to_try(site: Path) -> None:
    async def steps(front: RunningFront) -> None:
        assert (await front.get("/f.txt")).body == b"plain file"
        assert (await front.get("/sub/y")).header("X-Script") == "y.php"
        assert (await front.get("/nope")).status == 410

    run_site(site, steps, block="try_files {path} {path}.php =410")


def test_without_a_file_server_the_next_step_has_its_turn(site: Path) -> None:
    async def steps(front: RunningFront) -> None:
        assert (await front.get("/x.php")).header("X-Script") == "x.php"
        answer = await front.get("/f.txt")
        assert (answer.status, answer.body) == (404, b"")
        write(site / "other" / "f.txt", "of the next step")
        assert (await front.get("/f.txt")).body == b"of the next step"

    other = f"file_server {{\nroot {site}/other\n}}"
    run_site(site, steps, block="file_server off\ntry_files {path}", rest=other)


def test_no_php_is_said_and_files_are_served(site: Path) -> None:
    async def steps(front: RunningFront) -> None:
        answer = await front.get("/x.php")
        assert (answer.status, answer.header("Content-Type")) == (501, "text/plain; charset=utf-8")
        assert b"php-fpm is not installed" in answer.body
        assert (await front.get("/f.txt")).body == b"plain file"

    run_site(site, steps, block="php_fpm /nonexistent/php-fpm")
