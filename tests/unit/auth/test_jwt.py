"""Logins that are read from a token."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from tornado.httputil import HTTPHeaders

from tornado_realtime.auth import JwtAuthenticator, User
from tornado_realtime.errors import AuthRefusedError, ConfigError
from tornado_realtime.settings import settings_from_options

SECRET = "k" * 32


def token(key: str = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    return jwt.encode(claims, key, algorithm)


def who(**headers: str) -> User:
    return JwtAuthenticator(SECRET).authenticate_now(HTTPHeaders(headers))


def test_the_cookie_and_the_header_name_the_user() -> None:
    good = token(sub="u1")
    assert who(Cookie=f"a=b; AUTH_TOKEN={good}; c=d") == User("u1")
    assert who(Authorization=f"Bearer {good}") == User("u1")
    assert who(Authorization=f"bearer {good}", Cookie="AUTH_TOKEN=rubbish") == User("u1")


def test_a_request_is_answered_without_asking() -> None:
    request: Any = SimpleNamespace(headers=HTTPHeaders({"Cookie": f"AUTH_TOKEN={token(sub='u1')}"}))
    assert asyncio.run(JwtAuthenticator(SECRET).authenticate(request)).id == "u1"


def test_the_end_of_the_login_is_known() -> None:
    end = int(time.time()) + 100
    assert who(Cookie=f"AUTH_TOKEN={token(sub='u1', exp=end)}").expires == end


def test_audience_and_issuer_are_not_asked_for() -> None:
    assert who(Cookie=f"AUTH_TOKEN={token(sub='u1', aud='app', iss='me')}").id == "u1"


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "rubbish",
        token(sub="u1") + "x",
        token("o" * 32, sub="u1"),
        token("k" * 64, "HS512", sub="u1"),
        jwt.encode({"sub": "u1"}, "", "none"),
        token(sub="u1", exp=1),
        token(sub="u1", nbf=4_000_000_000),
        token(sub=""),
        token(name="u1"),
    ],
)
def test_everything_else_is_refused(bad: str) -> None:
    with pytest.raises(AuthRefusedError):
        who(Cookie=f"AUTH_TOKEN={bad}")
    with pytest.raises(AuthRefusedError):
        who(Authorization=f"Bearer {bad}", Cookie=f"AUTH_TOKEN={token(sub='u1')}")


def test_no_token_is_nobody() -> None:
    with pytest.raises(AuthRefusedError):
        who()


def test_the_option() -> None:
    assert settings_from_options(jwt={"secret": SECRET}).jwt_secret == SECRET
    assert SECRET not in repr(settings_from_options(jwt={"secret": SECRET}))
    for wrong, told in {
        "x": "needs a block",
        "short": "at least 32 bytes",
        "empty": "jwt needs secret",
        "unknown": "unknown option secrte of jwt .did you mean secret",
    }.items():
        value: Any = {"x": "x", "short": {"secret": "x"}, "empty": {}, "unknown": {"secrte": SECRET}}[wrong]
        with pytest.raises(ConfigError, match=told):
            settings_from_options(jwt=value)


def test_a_token_that_was_good_is_refused_once_it_has_run_out(monkeypatch: pytest.MonkeyPatch) -> None:
    authenticator = JwtAuthenticator(SECRET)
    headers = HTTPHeaders({"Cookie": f"AUTH_TOKEN={token(sub='u1', exp=int(time.time()) + 100)}"})
    assert authenticator.authenticate_now(headers).id == "u1"
    later = time.time() + 101
    monkeypatch.setattr(time, "time", lambda: later)
    with pytest.raises(AuthRefusedError, match="run out"):
        authenticator.authenticate_now(headers)


def test_a_good_token_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    authenticator = JwtAuthenticator(SECRET)
    headers = HTTPHeaders({"Cookie": f"AUTH_TOKEN={token(sub='u1')}"})
    authenticator.authenticate_now(headers)
    monkeypatch.setattr(jwt, "decode", None)
    assert authenticator.authenticate_now(headers).id == "u1"
    authenticator.close()
    with pytest.raises(TypeError):
        authenticator.authenticate_now(headers)


def test_a_very_long_token_is_read_but_not_kept() -> None:
    assert who(Authorization=f"Bearer {token(sub='u1', padding='x' * 4000)}").id == "u1"
