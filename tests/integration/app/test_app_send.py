from __future__ import annotations

import html
import json
import time

import pytest

from tests.support.php_app import BROADCAST_SECRET, JWT_SECRET, Browser, FakeBroadcast, free_port, php_server

FORM = "application/x-www-form-urlencoded"


def fields(browser: Browser, channel: str = "news", message: str = "hello") -> dict[str, str]:
    return {"channel": channel, "message": message, "csrf_token": browser.token()}


def test_anybody_sees_the_form(browser: Browser) -> None:
    answer = browser.get("/send.php")
    assert answer.status == 200
    assert 'name="csrf_token"' in answer.text
    assert "not logged in" in answer.text
    assert browser.cookies == {}


def test_the_form_carries_the_cookies_token(browser: Browser) -> None:
    browser.login("ada")
    answer = browser.get("/send.php?channel=a%22b")
    assert f'name="csrf_token" value="{browser.cookies["CSRF_TOKEN"]}"' in answer.text
    assert 'value="a&quot;b"' in answer.text
    cookie = answer.cookie("CSRF_TOKEN")
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Strict")


def test_all_pages_of_one_login_share_a_token(browser: Browser) -> None:
    first = browser.login("ada").json()["csrf_token"]
    assert browser.token() == first == browser.cookies["CSRF_TOKEN"]


@pytest.mark.parametrize(
    ("typed", "published"),
    [
        ("hello", '"hello"'),
        ('say "hi"\nZoé / 名', '"say \\"hi\\"\\nZoé / 名"'),
        ('{"a": [1, 2.50]}', '{"a": [1, 2.50]}'),
        ("42", "42"),
        ('"quoted"', '"quoted"'),
        ("{not json", '"{not json"'),
        ("<b>&\u2028", json.dumps("<b>&")[:-1] + '\\u2028"'),
    ],
)
def test_what_is_typed_is_published_as_json(
    browser: Browser, broadcast: FakeBroadcast, typed: str, published: str
) -> None:
    browser.login("ada")
    answer = browser.send(fields(browser, "news & more", typed))
    assert (answer.status, answer.json()) == (200, {"status": "sent", "channel": "news & more", "id": "ada"})
    [got] = broadcast.received
    assert got.path == "/internal/broadcast"
    assert got.secret == BROADCAST_SECRET
    assert got.fields == {"channel": ["news & more"], "message": [published]}


def test_a_browser_gets_a_page_with_an_empty_form(browser: Browser, broadcast: FakeBroadcast) -> None:
    browser.login("ada")
    answer = browser.send(fields(browser, "news", "a secret phrase"), accept="text/html,*/*")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "Sent to" in answer.text
    assert "a secret phrase" not in answer.text


def test_a_stranger_cannot_send_and_keeps_the_text(browser: Browser, broadcast: FakeBroadcast) -> None:
    answer = browser.send({"channel": "news", "message": "<typed> & kept"}, accept="text/html")
    assert answer.status == 401
    assert html.escape("<typed> & kept") in answer.text
    assert 'value="news"' in answer.text
    assert broadcast.received == []


def test_the_form_needs_its_token(browser: Browser, broadcast: FakeBroadcast) -> None:
    browser.login("ada")
    good = fields(browser)
    for token in (
        None,
        "",
        "x",
        good["csrf_token"][:-1],
        good["csrf_token"] + "x",
        good["csrf_token"].upper(),
    ):
        bad = {name: value for name, value in (good | {"csrf_token": token}).items() if value is not None}
        answer = browser.send(bad)
        assert (answer.status, "error" in answer.json()) == (403, True), token
    assert broadcast.received == []


def test_a_token_sent_as_a_list_is_refused(browser: Browser, broadcast: FakeBroadcast) -> None:
    browser.login("ada")
    body = f"channel=a&message=b&csrf_token[]={browser.token()}"
    assert browser.request("POST", "/send.php", body, {"Content-Type": FORM}).status == 403


def test_the_token_alone_without_its_cookie_is_refused(browser: Browser) -> None:
    browser.login("ada")
    good = fields(browser)
    del browser.cookies["CSRF_TOKEN"]
    assert browser.send(good).status == 403


def test_a_planted_cookie_is_worthless(browser: Browser, other: Browser, broadcast: FakeBroadcast) -> None:
    other.login("mallory")
    planted = other.token()
    browser.login("ada")
    browser.cookies["CSRF_TOKEN"] = planted
    assert browser.send({"channel": "news", "message": "forged", "csrf_token": planted}).status == 403
    assert broadcast.received == []


def test_a_cookie_of_the_attackers_own_making_is_worthless(
    browser: Browser, broadcast: FakeBroadcast
) -> None:
    browser.login("ada")
    for made in ("0" * 32 + "." + "0" * 64, "0" * 32 + ".", "." * 3, "0" * 32):
        browser.cookies["CSRF_TOKEN"] = made
        assert browser.send({"channel": "news", "message": "x", "csrf_token": made}).status == 403
    assert broadcast.received == []


def test_moving_letters_between_the_random_part_and_the_name_is_noticed(
    browser: Browser, other: Browser
) -> None:
    other.login("0ada")
    random, signature = other.token().split(".")
    browser.login("ada")
    moved = f"{random}0.{signature}"
    browser.cookies["CSRF_TOKEN"] = moved
    assert browser.send({"channel": "news", "message": "x", "csrf_token": moved}).status == 403


@pytest.mark.parametrize(("channel", "message"), [("", "x"), ("  ", "x"), ("news", ""), ("news", " \n")])
def test_both_fields_are_needed(
    browser: Browser, broadcast: FakeBroadcast, channel: str, message: str
) -> None:
    browser.login("ada")
    assert browser.send(fields(browser, channel, message)).status == 400
    assert broadcast.received == []


def test_text_that_is_not_utf8_is_refused(browser: Browser, broadcast: FakeBroadcast) -> None:
    browser.login("ada")
    body = f"channel=a&message=%ff&csrf_token={browser.token()}"
    assert browser.request("POST", "/send.php", body, {"Content-Type": FORM}).status == 400
    assert broadcast.received == []


def test_other_kinds_of_bodies(browser: Browser, broadcast: FakeBroadcast) -> None:
    browser.login("ada")
    assert browser.request("POST", "/send.php").status == 403
    assert browser.request("POST", "/send.php", "{}", {"Content-Type": "application/json"}).status == 415
    body = "channel=a&message=" + "x" * 10_000_000
    answer = browser.request("POST", "/send.php", body, {"Content-Type": FORM, "Accept": "application/json"})
    assert (answer.status, "too much" in answer.json()["error"]) == (413, True)
    assert broadcast.received == []


@pytest.mark.parametrize(
    ("status", "text", "words"),
    [
        (403, "Forbidden\n", ["403", "Forbidden", "BROADCAST_SECRET_KEY"]),
        (413, "too long\n", ["413", "too long"]),
        (503, '{"error":"redis is down"}', ["503", "redis is down"]),
        (302, "", ["302"]),
        (200, "", []),
    ],
)
def test_a_refused_publish_is_a_502_with_the_reason(
    browser: Browser, broadcast: FakeBroadcast, status: int, text: str, words: list[str]
) -> None:
    browser.login("ada")
    broadcast.answer = (status, text)
    answer = browser.send(fields(browser, "news", "typed"), accept="text/html")
    assert answer.status == (502 if words else 200)
    assert len(broadcast.received) == 1, "the secret must not follow a redirect"
    for word in words:
        assert html.escape(word) in answer.text
    assert ("typed</textarea>" in answer.text) is bool(words)


def test_a_server_that_is_not_there_is_a_502() -> None:
    secrets = {"JWT_SECRET_KEY": JWT_SECRET, "BROADCAST_SECRET_KEY": BROADCAST_SECRET}
    with php_server(**secrets, BROADCAST_URL=f"http://127.0.0.1:{free_port()}/internal/broadcast") as port:
        browser = Browser(port)
        browser.login("ada")
        answer = browser.send(fields(browser))
    assert answer.status == 502
    assert answer.json()["error"] == "The realtime server could not be reached: Connection refused."


def test_a_server_that_is_too_slow_is_a_502_after_three_seconds(
    browser: Browser, broadcast: FakeBroadcast
) -> None:
    browser.login("ada")
    good = fields(browser)
    broadcast.delay = 3.6
    start = time.monotonic()
    answer = browser.send(good)
    assert answer.status == 502
    assert 2.5 < time.monotonic() - start < 3.5
