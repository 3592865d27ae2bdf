"""The application's JSON Web Tokens against PyJWT, both ways, and everything that is no token of ours."""

from __future__ import annotations

import base64
import hmac
import json
import time
from typing import Any

import jwt
import pytest

from tests.support.php_app import JWT_SECRET, Browser, run_php

CODE = r"""
require 'src/bootstrap.php';
$jwt = new RealtimeDemo\Jwt(getenv('JWT_SECRET_KEY'));
[$verb, $value, $now] = json_decode(stream_get_contents(STDIN), true);
try {
    echo json_encode(['ok' => $verb === 'encode' ? $jwt->encode($value) : $jwt->decode($value, $now)]);
} catch (RealtimeDemo\InvalidToken $error) {
    echo json_encode(['refused' => $error->getMessage()]);
}
"""


def php_jwt(verb: str, value: Any, now: int | None = None) -> dict[str, Any]:
    code = CODE.replace(
        "stream_get_contents(STDIN)", f"base64_decode('{_base64(json.dumps([verb, value, now]))}')"
    )
    done = run_php("-r", code, JWT_SECRET_KEY=JWT_SECRET)
    assert done.returncode == 0, done.stdout + done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def part(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(header: Any, claims: Any, digest: str = "sha256", secret: str = JWT_SECRET) -> str:
    text = f"{part(header)}.{part(claims)}"
    return f"{text}.{part(hmac.new(secret.encode(), text.encode(), digest).digest())}"


GOOD_HEADER = {"alg": "HS256", "typ": "JWT"}
FUTURE = 4_000_000_000
GOOD = {"sub": "zoé", "exp": FUTURE}


def test_pyjwt_accepts_our_token() -> None:
    claims = {"sub": "Zoé/ß", "iat": int(time.time()), "exp": int(time.time()) + 60}
    token = php_jwt("encode", claims)["ok"]
    assert jwt.decode(token, JWT_SECRET, algorithms=["HS256"]) == claims


def test_we_accept_pyjwts_token() -> None:
    claims = {"sub": "Zoé/ß", "iat": int(time.time()), "nbf": int(time.time()), "exp": int(time.time()) + 60}
    token = jwt.encode(claims, JWT_SECRET, algorithm="HS256")
    assert php_jwt("decode", token) == {"ok": claims}


def test_the_login_cookie_is_a_token_for_pyjwt_and_back(browser: Browser) -> None:
    browser.login("ada")
    claims = jwt.decode(browser.cookies["AUTH_TOKEN"], JWT_SECRET, algorithms=["HS256"])
    assert claims["sub"] == "ada"
    browser.cookies["AUTH_TOKEN"] = jwt.encode(
        {"sub": "grace", "exp": int(time.time()) + 60}, JWT_SECRET, algorithm="HS256"
    )
    assert browser.get("/auth.php").json()["id"] == "grace"


def test_a_token_ends_in_the_very_second_it_names() -> None:
    token = signed(GOOD_HEADER, {"exp": 1000})
    assert php_jwt("decode", token, now=999) == {"ok": {"exp": 1000}}
    assert php_jwt("decode", token, now=1000) == {"refused": "expired"}


@pytest.mark.parametrize("name", ["nbf", "iat"])
def test_a_token_begins_in_the_second_it_names(name: str) -> None:
    token = signed(GOOD_HEADER, GOOD | {name: 1000})
    assert "ok" in php_jwt("decode", token, now=1000)
    assert php_jwt("decode", token, now=999) == {"refused": "not valid yet"}


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("", "not a token"),
        ("a.b", "not a token"),
        ("a.b.c.d", "not a token"),
        ("x" * 5000 + ".b.c", "not a token"),
        ("{}.{}.x", "not a token"),
        (signed(GOOD_HEADER, GOOD, secret="another-secret-that-is-long-enough-too"), "wrong signature"),
        (signed(GOOD_HEADER, GOOD)[:-1], "wrong signature"),
        (signed(GOOD_HEADER, GOOD) + "=", "wrong signature"),
        (signed(GOOD_HEADER, GOOD).rsplit(".", 1)[0] + ".", "wrong signature"),
        (f"{part({'alg': 'none'})}.{part(GOOD)}.", "not signed with HS256"),
        (signed({"alg": "none", "typ": "JWT"}, GOOD), "not signed with HS256"),
        (signed({"alg": "hs256"}, GOOD), "not signed with HS256"),
        (signed({"alg": ["HS256"]}, GOOD), "not signed with HS256"),
        (signed({"alg": "HS512"}, GOOD, "sha512"), "not signed with HS256"),
        (signed({"typ": "JWT"}, GOOD), "not signed with HS256"),
        (signed(["HS256"], GOOD), "not a token"),
        (signed(GOOD_HEADER | {"crit": ["b64"]}, GOOD), "not a token of a known kind"),
        (signed(GOOD_HEADER | {"typ": "at+jwt"}, GOOD), "not a token of a known kind"),
        (signed(GOOD_HEADER | {"typ": []}, GOOD), "not a token of a known kind"),
        (signed(GOOD_HEADER, [GOOD]), "not a token"),
        (signed(GOOD_HEADER, "text"), "not a token"),
        (signed(GOOD_HEADER, b"\xff{"), "not a token"),
        (signed(GOOD_HEADER, {"sub": "a"}), "no usable exp"),
        (signed(GOOD_HEADER, {"exp": None}), "no usable exp"),
        (signed(GOOD_HEADER, {"exp": str(FUTURE)}), "no usable exp"),
        (signed(GOOD_HEADER, {"exp": True}), "no usable exp"),
        (signed(GOOD_HEADER, GOOD | {"nbf": "soon"}), "no usable nbf"),
    ],
)
def test_what_is_no_token_of_ours(token: str, reason: str) -> None:
    assert php_jwt("decode", token) == {"refused": reason}


def test_another_alphabet_or_spelling_of_the_same_signature_is_refused() -> None:
    # The last character of a 32-byte signature carries two bits that mean nothing: they must be zero.
    token = signed(GOOD_HEADER, GOOD)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    sibling = alphabet[alphabet.index(token[-1]) + 1]
    assert php_jwt("decode", token[:-1] + sibling) == {"refused": "wrong signature"}


def test_a_short_key_is_refused() -> None:
    done = run_php("-r", "require 'src/bootstrap.php'; new RealtimeDemo\\Jwt(str_repeat('k', 31));")
    assert done.returncode == 255
    assert "32 bytes" in done.stderr


@pytest.mark.parametrize("claims", [{}, {"sub": ""}, {"sub": 7}, {"sub": ["ada"]}, {"sub": "a\nb"}])
def test_a_genuine_token_without_a_usable_name_logs_nobody_in(
    browser: Browser, claims: dict[str, Any]
) -> None:
    browser.cookies["AUTH_TOKEN"] = signed(GOOD_HEADER, {"exp": FUTURE} | claims)
    assert browser.get("/auth.php").status == 401
