"""The README's quickstart, word for word: its Caddyfile, its commands, its client."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page

from tests.e2e.examples.conftest import Listen
from tests.support.chromium import chromium
from tests.support.php_app import clean_environment, free_port
from tests.support.running import running

README = (Path(__file__).resolve().parents[3] / "README.md").read_text(encoding="utf-8")
SECRET = "a-secret-of-the-test"


def block(kind: str, begins: str) -> str:
    """The first block of a kind in the README that begins so."""
    found: list[str] = re.findall(rf"^```{kind}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    return next(text for text in found if text.startswith(begins))


def test_the_quickstart_works(php_folder: Path, listen: Listen) -> None:
    port = free_port()
    caddyfile = block("caddyfile", ":8080").replace("8080", str(port))
    command = block("sh", "curl").replace("8080", str(port))
    subscribe = re.search(r"JSON\.stringify\((\{.*?\})\)", block("js", "const socket"))
    assert shutil.which("curl"), "curl is missing: install the package curl (make test does)"
    assert subscribe and subscribe[1] == '{action: "subscribe", channel: "news"}'  # as `listen` does it
    secret = {"BROADCAST_SECRET_KEY": SECRET}
    with running(php_folder, caddyfile, env=secret) as server:
        client = listen(port, origin=f"http://localhost:{port}")
        assert json.loads(client.recv(timeout=15)) == {"type": "subscribed", "channel": "news"}
        status = ["sh", "-ec", command.replace("curl", "curl -s -w '%{http_code}'", 1)]
        done = subprocess.run(
            status, env=clean_environment(**secret), capture_output=True, text=True, check=True
        )
        assert done.stdout == "202"
        assert json.loads(client.recv(timeout=15))["payload"] == {"hello": "world"}
        assert server.stop() == 0, server.log


def test_the_page_of_the_quickstart_works(php_folder: Path) -> None:
    port = free_port()
    caddyfile = block("caddyfile", ":8080").replace("8080", str(port))
    command = block("sh", "curl").replace("8080", str(port))
    secret = {"BROADCAST_SECRET_KEY": SECRET}
    with running(php_folder, caddyfile, env=secret), chromium() as browser:
        context = browser.new_context()
        context.add_cookies([{"name": "AUTH_TOKEN", "value": "valid", "url": f"http://localhost:{port}"}])
        page = context.new_page()
        heard: list[str] = []
        page.on("console", lambda message: heard.append(message.text))
        page.goto(f"http://localhost:{port}/auth.php")
        page.add_script_tag(type="module", content=block("js", "import"))
        until(page, lambda: "ada hello" in heard)
        assert "1 here now" in heard
        subprocess.run(["sh", "-ec", command], env=clean_environment(**secret), check=True)
        until(page, lambda: "{hello: world}" in heard)
        context.close()


def until(page: Page, condition: Callable[[], bool]) -> None:
    """Let the page go on until it has said something."""
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline
        page.wait_for_timeout(20)
