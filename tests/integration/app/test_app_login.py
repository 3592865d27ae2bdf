from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.php_app import BROADCAST_SECRET, JWT_SECRET, Browser, php_server

JSON = {"Content-Type": "application/json"}


def test_login_answers_and_sets_the_cookie(browser: Browser) -> None:
    answer = browser.login("ada")
    assert answer.status == 200
    assert answer.json()["id"] == "ada"
    assert 0 < answer.json()["exp"] - time.time() <= 8 * 3600
    cookie = answer.cookie("AUTH_TOKEN")
    assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["secure"]) == (
        True,
        "Strict",
        "/",
        "",
    )


def test_cookies_are_secure_on_https(tmp_path: Path) -> None:
    before = tmp_path / "https.php"
    before.write_text("<?php $_SERVER['HTTPS'] = 'on';")
    secrets = {"JWT_SECRET_KEY": JWT_SECRET, "BROADCAST_SECRET_KEY": BROADCAST_SECRET}
    with php_server("-d", f"auto_prepend_file={before}", **secrets) as port:
        answer = Browser(port).login("ada")
    assert answer.cookie("AUTH_TOKEN")["secure"] is True
    assert answer.cookie("CSRF_TOKEN")["secure"] is True


@pytest.mark.parametrize(
    "name", ["a", "Zoé", "Mary Ann", "名前", "a@example.org", "u-1_2.3", "x" * 64, "<b>&\"'"]
)
def test_names_that_are_taken(browser: Browser, name: str) -> None:
    assert browser.login(name).json()["id"] == name
    assert browser.get("/auth.php").json()["id"] == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        " a",
        "a ",
        "x" * 65,
        "a\nb",
        "a\u0000",
        "\u202eevil",
        "a\u2028",
        "\u00a0a",
        7,
        None,
        True,
        ["a"],
        {},
    ],
)
def test_names_that_are_not(browser: Browser, name: Any) -> None:
    answer = browser.login(name)
    assert answer.status == 400
    assert "1 to 64" in answer.text
    assert browser.cookies == {}


@pytest.mark.parametrize(
    "body", ["", "{", "null", "[]", '"ada"', "{}", '{"userid":"ada"}', b'{"userId":"\xff"}']
)
def test_bodies_that_name_nobody(browser: Browser, body: str | bytes) -> None:
    assert browser.request("POST", "/login.php", body, JSON).status == 400
    assert browser.cookies == {}


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonp", ""],
)
def test_only_json_is_taken(browser: Browser, kind: str) -> None:
    answer = browser.request("POST", "/login.php", '{"userId":"ada"}', {"Content-Type": kind})
    assert answer.status == 415
    assert answer.headers["Accept"] == "application/json"
    assert browser.cookies == {}


def test_a_parameter_of_the_type_is_no_matter(browser: Browser) -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert browser.request("POST", "/login.php", '{"userId":"ada"}', headers).status == 200


@pytest.mark.parametrize("size", [5000, 3_000_000])
def test_a_long_body_is_too_much(browser: Browser, size: int) -> None:
    assert browser.request("POST", "/login.php", '{"userId":"' + "x" * size + '"}', JSON).status == 413


@pytest.mark.parametrize(
    ("path", "method", "allowed"),
    [
        ("/login.php", "GET", "POST"),
        ("/login.php", "PUT", "POST"),
        ("/logout.php", "GET", "POST"),
        ("/auth.php", "POST", "GET, HEAD"),
        ("/send.php", "DELETE", "GET, HEAD, POST"),
        ("/", "POST", "GET, HEAD"),
    ],
)
def test_other_methods_are_told_which_one(browser: Browser, path: str, method: str, allowed: str) -> None:
    answer = browser.request(method, path, headers={"Accept": "application/json"})
    assert (answer.status, answer.headers["Allow"]) == (405, allowed)
    assert allowed in answer.json()["error"]


def test_auth_knows_who_it_is_and_until_when(browser: Browser) -> None:
    assert browser.get("/auth.php").status == 401
    until = browser.login("ada").json()["exp"]
    answer = browser.get("/auth.php")
    assert (answer.status, answer.json()) == (200, {"id": "ada", "exp": until})
    assert answer.headers["Content-Type"] == "application/json"
    assert browser.request("HEAD", "/auth.php").status == 200


@pytest.mark.parametrize(
    "cookie", ["AUTH_TOKEN=", "AUTH_TOKEN=x.y.z", "AUTH_TOKEN[]=a", "OTHER=1", "AUTH_TOKEN=%ff"]
)
def test_auth_refuses_what_proves_nothing(browser: Browser, cookie: str) -> None:
    assert browser.request("GET", "/auth.php", headers={"Cookie": cookie}).status == 401


def test_logout_forgets(browser: Browser) -> None:
    browser.login("ada")
    answer = browser.request("POST", "/logout.php")
    assert answer.status == 200
    assert browser.cookies == {}
    assert answer.cookie("AUTH_TOKEN")["httponly"] is True
    assert browser.get("/auth.php").status == 401


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_site_cannot_log_anybody_out(browser: Browser, site: str) -> None:
    browser.login("ada")
    assert browser.request("POST", "/logout.php", headers={"Sec-Fetch-Site": site}).status == 403
    assert browser.get("/auth.php").status == 200
