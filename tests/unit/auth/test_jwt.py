"""Logins that are read from a token."""

from __future__ import annotations

import asyncio
import base64
import time
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from tornado.httputil import HTTPHeaders

from tornado_realtime.auth import Login, TokenReader, TokenRule, User
from tornado_realtime.auth.keys import Key, OneKey
from tornado_realtime.errors import AuthRefusedError

SECRET = "k" * 32


def token(key: str = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    return jwt.encode(claims, key, algorithm)


def login(**rule: Any) -> Login:
    return Login(TokenReader(OneKey(Key(SECRET, ("HS256",))), TokenRule(**rule)), None)


def who(headers: dict[str, str] | None = None, **rule: Any) -> User:
    user = login(**rule).authenticate_now(HTTPHeaders(headers or {}), "")
    assert user is not None
    return user


def cookie(token: str) -> dict[str, str]:
    return {"Cookie": f"AUTH_TOKEN={token}"}


def test_the_cookie_and_the_header_name_the_user() -> None:
    good = token(sub="u1")
    u1 = User("u1", issued=0)
    assert who({"Cookie": f"a=b; AUTH_TOKEN={good}; c=d"}) == u1
    assert who({"Authorization": f"Bearer {good}"}) == u1
    assert who({"Authorization": f"bearer {good}"} | cookie("rubbish")) == u1
    assert who({"Sec-WebSocket-Protocol": f"chat, bearer.{good}"} | cookie("rubbish")) == u1
    assert who({"Sec-WebSocket-Protocol": "bearer.rubbish", "Authorization": f"Bearer {good}"}) == u1


def test_a_token_may_say_what_others_are_told_of_its_user() -> None:
    assert who(cookie(token(sub="u1", info={"name": "Zoé"}))).info == {"name": "Zoé"}


def test_a_request_is_answered_without_asking() -> None:
    request: Any = SimpleNamespace(
        connection=None, headers=HTTPHeaders({"Cookie": f"AUTH_TOKEN={token(sub='u1')}"})
    )
    assert asyncio.run(login().authenticate(request)).id == "u1"


def test_the_end_of_the_login_is_known() -> None:
    end = int(time.time()) + 100
    assert who(cookie(token(sub="u1", exp=end))).expires == end


def test_audience_and_issuer_are_not_asked_for() -> None:
    assert who(cookie(token(sub="u1", aud="app", iss="me"))).id == "u1"


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
        who(cookie(bad))
    if bad:
        with pytest.raises(AuthRefusedError):
            who({"Authorization": f"Bearer {bad}"} | cookie(token(sub="u1")))
        with pytest.raises(AuthRefusedError):
            who({"Sec-WebSocket-Protocol": f"bearer.{bad}"} | cookie(token(sub="u1")))


def test_no_token_is_nobody() -> None:
    with pytest.raises(AuthRefusedError):
        who()


def test_a_token_that_was_good_is_refused_once_it_has_run_out(monkeypatch: pytest.MonkeyPatch) -> None:
    authenticator = login()
    headers = HTTPHeaders({"Cookie": f"AUTH_TOKEN={token(sub='u1', exp=int(time.time()) + 100)}"})
    assert authenticator.authenticate_now(headers, "") is not None
    later = time.time() + 101
    monkeypatch.setattr(time, "time", lambda: later)
    with pytest.raises(AuthRefusedError, match="run out"):
        authenticator.authenticate_now(headers, "")


def test_a_good_token_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    authenticator = login()
    headers = HTTPHeaders({"Cookie": f"AUTH_TOKEN={token(sub='u1')}"})
    authenticator.authenticate_now(headers, "")
    monkeypatch.setattr(jwt.PyJWS, "decode", None)
    assert authenticator.authenticate_now(headers, "") == User("u1", issued=0)
    authenticator.close()
    with pytest.raises(AuthRefusedError):
        authenticator.authenticate_now(headers, "")


def test_a_very_long_token_is_read_but_not_kept() -> None:
    assert who({"Authorization": f"Bearer {token(sub='u1', padding='x' * 4000)}"}).id == "u1"


# -- the rule ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "claims", "good"),
    [
        ({"issuer": ("a", "b")}, {"iss": "b"}, True),
        ({"issuer": ("a", "b")}, {"iss": "c"}, False),
        ({"issuer": ("a",)}, {}, False),
        ({"audience": ("a", "b")}, {"aud": ["x", "b"]}, True),
        ({"audience": ("a",)}, {"aud": "a"}, True),
        ({"audience": ("a",)}, {"aud": "aa"}, False),
        ({"audience": ("a",)}, {}, False),
        ({"user_claim": "uid"}, {"uid": "u1"}, True),
        ({"user_claim": "uid"}, {"uid": 1}, True),
        ({"user_claim": "uid"}, {"uid": True}, False),
        ({"user_claim": "uid"}, {"uid": 1.5}, False),
        ({"user_claim": "uid"}, {"sub": "u1"}, False),
        ({}, {"exp": float("inf")}, False),
        ({}, {"exp": None}, False),
        ({}, {"iat": None}, False),
        ({}, {"iat": "x"}, False),
    ],
)
def test_what_a_token_must_say(rule: dict[str, Any], claims: dict[str, Any], good: bool) -> None:
    claims = claims if "user_claim" in rule else {"sub": "u1", **claims}
    shown = cookie(token(**claims))
    if good:
        assert who(shown, **rule).id in ("u1", "1")
    else:
        with pytest.raises(AuthRefusedError) as caught:
            who(shown, **rule)
        assert caught.value.kind == "token"


def test_clocks_may_differ_by_the_leeway() -> None:
    now = int(time.time())
    late = cookie(token(sub="u1", exp=now - 20, nbf=now + 20, iat=now + 20))
    assert who(late, leeway=60.0).expires == now + 40
    with pytest.raises(AuthRefusedError):
        who(late, leeway=10.0)


def test_when_it_was_issued_and_the_claims_that_are_asked_for() -> None:
    shown = cookie(token(sub="u1", iat=1000, rooms=["a*"], mail="x"))
    assert who(shown, claims={"rooms", "grade"}) == User("u1", issued=1000, claims={"rooms": ["a*"]})
    assert who(shown).claims is None
    assert (who(shown).issued, who(cookie(token(sub="u1"))).issued) == (1000, 0)


@pytest.mark.parametrize(
    "header", ["[" * 5000, '{"alg":' * 5000, "{}", "1", "\udcff", '{"alg":["HS256"]}', '{"alg":{}}']
)
def test_headers_that_choke_a_reader(header: str) -> None:
    part = base64.urlsafe_b64encode(header.encode("utf-8", "surrogateescape")).decode().rstrip("=")
    with pytest.raises(AuthRefusedError):
        who(cookie(f"{part}.e30.e30"))


def test_a_bad_token_is_never_passed_on() -> None:
    asked: list[Any] = []
    application: Any = SimpleNamespace(authenticate_now=lambda headers, peer: asked.append(peer))
    both = Login(TokenReader(OneKey(Key(SECRET, ("HS256",)))), application)
    with pytest.raises(AuthRefusedError):
        both.authenticate_now(HTTPHeaders(cookie(token(sub="u1", exp=1))), "")
    assert asked == []
    both.authenticate_now(HTTPHeaders({"Cookie": "PHPSESSID=x"}), "")
    assert len(asked) == 1
