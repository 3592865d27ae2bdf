"""Bodies in and answers out, between visitors and the real php-fpm, or one that lies."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from tests.support.fastcgi_responder import Call, responding
from tests.support.open_folder import open_folder
from tests.support.php_site import Steps, run_site, serving_php
from tests.support.rawhttp import RunningFront

SCRIPTS = {
    "size.php": "<?php $all = file_get_contents('php://input'); echo strlen($all), ' ', md5($all);",
    "headers.php": """<?php
        header('Set-Cookie: a=1'); header('Set-Cookie: b=2', false);
        header('X-Bytes: ' . "\\xc3\\xa4"); http_response_code(418); echo 'teapot';""",
    "redirect.php": "<?php header('Location: /there');",
    "created.php": "<?php header('Location: /there', true, 201);",
    "none.php": "<?php http_response_code(204);",
    "same.php": "<?php http_response_code(304);",
    "hop.php": "<?php header('Connection: close'); header('Transfer-Encoding: chunked'); echo 'x';",
    "length.php": "<?php header('Content-Length: 5'); echo 'hello';",
    "long.php": "<?php header('Content-Length: 5'); echo 'hel'; flush(); usleep(50000); echo 'lo world';",
    "short.php": "<?php header('Content-Length: 50'); echo 'hello'; flush(); usleep(20000);",
    "stream.php": "<?php for ($i = 0; $i < 3; $i++) { echo $i; flush(); usleep(100000); }",
    "big.php": "<?php for ($i = 0; $i < 400; $i++) { echo str_repeat('x', 50000); }",
    "fatal.php": "<?php ini_set('display_errors', '0'); nonsense();",
    "endless.php": """<?php
        ignore_user_abort(false);
        register_shutdown_function(fn () => file_put_contents(__DIR__ . '/gone', 'x'));
        while (true) { echo str_repeat('x', 1000); flush(); usleep(10000); }""",
    "upload.php": "<?php echo $_FILES['f']['size'], ' ', $_POST['a'];",
}
Play = Callable[[Call], Awaitable[None]]
LIMIT = 10_000_000


@pytest.fixture
def site() -> Iterator[Path]:
    with open_folder() as folder:
        for name, text in SCRIPTS.items():
            # Distributions turn output buffering on, which flush() does not touch.
            (folder / name).write_text(
                text.replace("<?php", "<?php while (ob_get_level()) ob_end_clean();", 1)
            )
        folder.chmod(0o777)
        yield folder


def test_heads_and_bodies(site: Path) -> None:
    async def steps(front: RunningFront) -> None:
        client = await front.connect()
        answer = await client.request("GET", "/headers.php")
        assert (answer.status, answer.reason, answer.body) == (418, "I'm a Teapot", b"teapot")
        assert answer.all("Set-Cookie") == ["a=1", "b=2"]
        assert (answer.header("X-Bytes") or "").encode("latin-1") == b"\xc3\xa4"
        assert answer.header("Content-Length") == "6"
        answer = await client.request("GET", "/redirect.php")
        assert (answer.status, answer.header("Location")) == (302, "/there")
        answer = await client.request("GET", "/created.php")
        assert (answer.status, answer.header("Location")) == (201, "/there")
        for target, status in (("/none.php", 204), ("/same.php", 304)):
            assert (await client.request("GET", target)).status == status
        answer = await client.request("GET", "/hop.php")
        assert (answer.header("Connection"), answer.header("Transfer-Encoding")) == (None, None)
        assert answer.body == b"x"
        assert (await client.request("GET", "/length.php")).body == b"hello"
        assert (await client.request("GET", "/long.php")).body == b"hello"
        answer = await client.request("GET", "/fatal.php")
        assert (answer.status, answer.body) == (500, b"")
        client.close()

    run_site(site, steps)


def test_head_has_no_body(site: Path) -> None:
    async def steps(front: RunningFront) -> None:
        client = await front.connect()
        for target, length in (("/length.php", "5"), ("/headers.php", None), ("/stream.php", None)):
            answer = await client.request("HEAD", target)
            assert answer.body == b""
            assert answer.header("Content-Length") == length, target
        assert (await client.request("GET", "/length.php")).body == b"hello"
        client.close()

    run_site(site, steps)


def test_an_answer_is_streamed(site: Path) -> None:
    async def steps(front: RunningFront) -> None:
        client = await front.connect()
        started = time.monotonic()
        await client.send(b"GET /stream.php HTTP/1.1\r\nHost: x\r\n\r\n")
        head = await client.reader.readuntil(b"\r\n\r\n")
        assert b"chunked" in head
        assert await client.reader.readexactly(6) == b"1\r\n0\r\n"
        assert time.monotonic() - started < 0.2
        assert await client.reader.readuntil(b"0\r\n\r\n") == b"1\r\n1\r\n1\r\n2\r\n0\r\n\r\n"

    run_site(site, steps)


def test_an_answer_that_breaks_its_promise_is_cut_off(site: Path) -> None:
    async def steps(front: RunningFront) -> None:
        client = await front.connect()
        await client.send(b"GET /short.php HTTP/1.1\r\nHost: x\r\n\r\n")
        await client.reader.readuntil(b"\r\n\r\n")
        assert await client.reader.read() == b"hello"

    run_site(site, steps)


def test_a_slow_visitor_slows_php_down(site: Path) -> None:
    async def steps(front: RunningFront) -> None:
        client = await front.connect()
        await client.send(b"GET /big.php HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        await client.reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.3)
        assert front.front.active == 1
        assert len(await client.reader.read()) > 400 * 50_000

    run_site(site, steps)


def test_a_visitor_who_leaves_ends_the_script(site: Path) -> None:
    async def steps(front: RunningFront) -> None:
        client = await front.connect()
        await client.send(b"GET /endless.php HTTP/1.1\r\nHost: x\r\n\r\n")
        await client.reader.readuntil(b"\r\n\r\n")
        client.close()
        async with asyncio.timeout(5):
            while not (site / "gone").exists():
                await asyncio.sleep(0.02)
        assert front.front.active == 0

    run_site(site, steps)


@pytest.mark.parametrize("size", [0, 1, 70_000, 2_000_000, LIMIT])
def test_bodies_arrive(site: Path, size: int) -> None:
    async def steps(front: RunningFront) -> None:
        answer = await front.once("POST", "/size.php", "Content-Type: x/y", body=b"x" * size)
        assert answer.status == 200
        assert answer.body.startswith(f"{size} ".encode())

    run_site(site, steps)


def test_chunked_bodies_arrive(site: Path) -> None:
    async def steps(front: RunningFront) -> None:
        client = await front.connect()
        await client.send(b"POST /size.php HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(30):
            await client.send(b"2710\r\n" + b"x" * 10_000 + b"\r\n")
        await client.send(b"0\r\n\r\n")
        assert (await client.answer()).body.startswith(b"300000 ")

    run_site(site, steps)


def test_an_upload(site: Path) -> None:
    async def steps(front: RunningFront) -> None:
        field = b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n'
        file = b'--B\r\nContent-Disposition: form-data; name="f"; filename="f.bin"\r\n\r\n' + b"x" * 9_000_000
        kind = "Content-Type: multipart/form-data; boundary=B"
        answer = await front.once("POST", "/upload.php", kind, body=field + file + b"\r\n--B--\r\n")
        assert answer.body == b"9000000 b"

    run_site(site, steps)


def test_a_body_that_is_too_long(site: Path) -> None:
    async def steps(front: RunningFront) -> None:
        client = await front.connect()
        await client.send(b"POST /size.php HTTP/1.1\r\nHost: x\r\nContent-Length: 10000001\r\n\r\n")
        assert (await client.answer()).status == 413
        client = await front.connect()
        await client.send(b"POST /size.php HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(11):
            await client.send(b"F4240\r\n" + b"x" * 1_000_000 + b"\r\n")
        assert (await client.answer()).status == 413

    run_site(site, steps)


def test_a_sender_who_leaves_never_reaches_php(site: Path) -> None:
    (site / "mark.php").write_text("<?php file_put_contents(__DIR__ . '/ran', 'x');")

    async def steps(front: RunningFront) -> None:
        client = await front.connect()
        await client.send(b"POST /mark.php HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n")
        await client.send(b"x" * 200_000)
        await asyncio.sleep(0.1)
        client.close()
        async with asyncio.timeout(5):
            while front.front.active:
                await asyncio.sleep(0.01)
        assert not (site / "ran").exists()
        assert (await front.get("/mark.php")).status == 200
        assert (site / "ran").exists()

    run_site(site, steps)


# php_fastcgi, with a responder that is not PHP at all.


def run_fastcgi(folder: Path, play: Play, steps: Steps, block: str = "") -> None:
    async def main() -> None:
        async with responding(play, folder / "s.sock") as address:
            text = f"http://:8080 {{\nroot * {folder}\nphp_fastcgi {address} {{\n{block}\n}}\n}}\n"
            async with serving_php(text) as front:
                await steps(front)

    asyncio.run(main())


async def rubbish(call: Call) -> None:
    await call.body()
    await call.out(b"<html>no head at all</html>\n\n")
    await call.end()


async def too_much_head(call: Call) -> None:
    await call.body()
    await call.out(b"X: " + b"x" * 60_000)
    await call.out(b"x" * 60_000)
    await call.end()


async def hang_up(call: Call) -> None:
    await call.body()


async def silent(call: Call) -> None:
    await call.body()
    await asyncio.sleep(2)


@pytest.mark.parametrize(
    ("play", "status"), [(rubbish, 502), (too_much_head, 502), (hang_up, 502), (silent, 504)]
)
def test_a_php_that_answers_rubbish(
    site: Path, caplog: pytest.LogCaptureFixture, play: Play, status: int
) -> None:
    async def steps(front: RunningFront) -> None:
        answer = await front.get("/length.php")
        assert (answer.status, answer.body) == (status, b"")

    with caplog.at_level(logging.WARNING):
        run_fastcgi(site, play, steps, block="read_timeout 200ms")
    assert f"failed with {status}: PHP" in caplog.text


def test_a_php_that_breaks_off(site: Path) -> None:
    async def play(call: Call) -> None:
        await call.body()
        await call.out(b"A: b\n\nhalf")
        await asyncio.sleep(0.05)

    async def steps(front: RunningFront) -> None:
        client = await front.connect()
        await client.send(b"GET /length.php HTTP/1.1\r\nHost: x\r\n\r\n")
        await client.reader.readuntil(b"\r\n\r\n")
        assert await client.reader.read() == b"4\r\nhalf\r\n"

    run_fastcgi(site, play, steps)


def test_what_a_php_of_somebody_else_is_told(site: Path) -> None:
    (site / "f.txt").write_text("plain")

    async def play(call: Call) -> None:
        names = b""
        while (got := await call.record()) != (4, b""):
            names += got[1]
        await call.out(b"A: b\n\n" + names)
        await call.end()

    async def steps(front: RunningFront) -> None:
        told = (await front.get("/length.php/info")).body
        assert b"PATH_INFO/info" in told
        assert b"PATH_TRANSLATED" not in told
        assert b"STAGEtest" in told
        assert (await front.get("/nope.php")).status == 404
        assert (await front.get("/f.txt")).body == b""

    run_fastcgi(site, play, steps, block="env STAGE test")
