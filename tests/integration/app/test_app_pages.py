from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.php_app import APP, BROADCAST_SECRET, JWT_SECRET, Browser, php_server

PAGES = ["/", "/send.php", "/auth.php", "/login.php", "/logout.php", "/nothing/here"]


@pytest.mark.parametrize("path", PAGES)
def test_every_answer_carries_the_safety_headers(browser: Browser, path: str) -> None:
    headers = browser.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Powered-By"] is None


@pytest.mark.parametrize("path", ["/", "/send.php"])
def test_pages_have_nothing_inline_and_nothing_from_elsewhere(browser: Browser, path: str) -> None:
    browser.login("ada")
    text = browser.get(path).text
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", text)
    assert not re.search(r"(?:src|href|action)=\"(?:https?:)?//", text)
    for address in re.findall(r"(?:src|href)=\"(/assets/[^\"]+)\"", text):
        assert (APP / address.lstrip("/")).is_file(), address


def test_the_page_of_a_stranger_and_of_a_friend(browser: Browser) -> None:
    stranger = browser.get("/").text
    assert 'data-user=""' in stranger
    assert "without passwords" in stranger
    token = browser.login("ada").json()["csrf_token"]
    friend = browser.get("/index.php").text
    assert 'data-user="ada"' in friend
    assert f'data-token="{token}"' in friend


def test_a_name_is_text_and_never_html(browser: Browser) -> None:
    browser.login("<img src=x>\"'&")
    for path in ("/", "/send.php"):
        text = browser.get(path).text
        assert "<img src=x>" not in text
        assert "&lt;img src=x&gt;&quot;" in text


def test_every_field_has_a_label(browser: Browser) -> None:
    browser.login("ada")
    for path in ("/", "/send.php"):
        text = browser.get(path).text
        named = set(re.findall(r"<label for=\"([^\"]+)\"", text))
        fields = set(re.findall(r"<(?:input|textarea) id=\"([^\"]+)\"", text))
        assert fields and fields == named


def test_unknown_addresses_are_unknown(browser: Browser) -> None:
    answer = browser.get("/nothing/here")
    assert (answer.status, answer.headers["Content-Type"]) == (404, "text/plain; charset=utf-8")


@pytest.mark.parametrize("path", sorted(f"/src/{file.name}" for file in (APP / "src").iterdir()))
def test_class_files_do_nothing_when_they_are_asked_for(browser: Browser, path: str) -> None:
    assert browser.get(path).body == b""


def test_the_command_line_tool_is_not_on_the_web(browser: Browser) -> None:
    assert browser.get("/send_cli.php?news+hello").status == 404


GOOD = {"JWT_SECRET_KEY": JWT_SECRET, "BROADCAST_SECRET_KEY": BROADCAST_SECRET}


@pytest.mark.parametrize(
    ("change", "path", "words"),
    [
        ({"JWT_SECRET_KEY": None}, "/", "JWT_SECRET_KEY is not set"),
        ({"JWT_SECRET_KEY": ""}, "/auth.php", "JWT_SECRET_KEY is not set"),
        ({"JWT_SECRET_KEY": "k" * 31}, "/auth.php", "JWT_SECRET_KEY is too short: 31 bytes, at least 32"),
        ({"BROADCAST_SECRET_KEY": None}, "/send.php", "BROADCAST_SECRET_KEY is not set"),
        ({"BROADCAST_SECRET_KEY": "a\nb"}, "/send.php", "BROADCAST_SECRET_KEY must be printable ASCII"),
        (
            {"BROADCAST_URL": "file:///etc/hostname"},
            "/send.php",
            "BROADCAST_URL must be an http or https address",
        ),
    ],
)
def test_a_bad_setting_is_named(change: dict[str, str | None], path: str, words: str) -> None:
    settings = {name: value for name, value in (GOOD | change).items() if value is not None}
    with php_server(**settings) as port:
        answer = Browser(port).get(path)
    assert (answer.status, answer.headers["Content-Type"]) == (500, "text/plain; charset=utf-8")
    assert words in answer.text
    assert "Stack trace" not in answer.text


def test_a_bug_of_ours_shows_nothing_of_itself(tmp_path: Path) -> None:
    broken = tmp_path / "broken.php"
    broken.write_text("<?php $_SERVER['REQUEST_URI'] = ['insides'];")
    with php_server("-d", f"auto_prepend_file={broken}", "-d", "display_errors=1", **GOOD) as port:
        answer = Browser(port).get("/")
    assert answer.status == 500
    assert answer.text == "Something went wrong here. The server's log says what.\n"
