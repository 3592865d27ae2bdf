from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.support.chromium import chromium
from tests.support.php_app import Browser, clean_environment, free_port, wait_for_port


@pytest.fixture
def chat(examples: Path) -> Iterator[int]:
    """The chat as a process; Ctrl-C ends it in order."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-W", "error", str(examples / "embedded" / "chat.py")],
        env=clean_environment(PORT=str(port)),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for_port(port, process)
        yield port
        process.send_signal(signal.SIGINT)
        complaints = process.communicate(timeout=15)[1]
        assert process.returncode == 0, complaints
        assert "Traceback" not in complaints and "Warning" not in complaints, complaints
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


@contextmanager
def listening(visitor: Browser) -> Iterator[ClientConnection]:
    options: dict[str, Any] = {
        "origin": f"http://localhost:{visitor.port}",
        "additional_headers": {"Cookie": f"name={visitor.cookies['name']}"},
    }
    with connect(f"ws://localhost:{visitor.port}/ws", **options) as client:
        client.send('{"action": "subscribe", "channel": "chat"}')
        yield client


def say(visitor: Browser, text: str) -> int:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    return visitor.request("POST", "/say", f"text={text}", form).status


def heard(client: ClientConnection, visitor: Browser, text: str) -> object:
    """What comes when ``text`` is said; a subscription is not confirmed, so it is said until it is heard."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        assert say(visitor, text) == 200
        try:
            return json.loads(client.recv(timeout=0.2))
        except TimeoutError:
            continue
    raise AssertionError("nothing was heard")


def test_what_one_visitor_says_the_others_hear(chat: int) -> None:
    ada, bob = Browser(chat), Browser(chat)
    page = ada.get("/").body.decode()
    bob.get("/")
    assert re.search(r"Hello, guest-[0-9a-f]{4}", page)
    assert ada.cookies["name"] != bob.cookies["name"]
    with listening(ada) as client:
        assert heard(client, bob, "hi") == {"from": bob.cookies["name"], "text": "hi"}


def test_the_page_shows_what_was_said_and_what_is(chat: int) -> None:
    with chromium() as browser:
        pages = [browser.new_context().new_page() for _ in range(2)]
        ada, bob = pages
        ada.goto(f"http://localhost:{chat}/")
        ada.get_by_label("Say something").fill("first")
        ada.keyboard.press("Enter")
        expect(ada.get_by_role("listitem")).to_have_count(1)
        bob.goto(f"http://localhost:{chat}/")
        expect(bob.get_by_role("listitem")).to_have_count(1)
        bob.get_by_label("Say something").fill("second")
        bob.keyboard.press("Enter")
        for page in pages:
            expect(page.get_by_role("listitem")).to_have_count(2)
            expect(page.get_by_role("listitem").first).to_contain_text("second")
            page.context.close()


def test_who_has_no_name_neither_listens_nor_speaks(chat: int) -> None:
    stranger = Browser(chat)
    assert say(stranger, "hi") == 401
    with pytest.raises(InvalidStatus, match="401"), connect(f"ws://localhost:{chat}/ws"):
        pass
