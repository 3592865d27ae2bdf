"""Logins by token: an AuthError, or a user whose token was signed with our key, and is in force.

The input is either a token's header and claims with a zero byte between them, which get a good signature;
or, without one, the header lines of a request.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import time
from typing import Any

from tornado.httputil import HTTPHeaders

from tornado_realtime.auth import Login, TokenReader
from tornado_realtime.auth.keys import OneKey, secret_key
from tornado_realtime.auth.user import User
from tornado_realtime.errors import AuthError

SECRET = "a secret of at least thirty-two bytes"
AUTHENTICATOR = Login(TokenReader(OneKey(secret_key(SECRET.encode(), ()))), None)
_TOKEN = re.compile(r"[^\s.]*\.[^\s.]*\.[^\s.;]*")


def run(data: bytes) -> None:
    """Log in."""
    header, zero, claims = data.partition(b"\0")
    headers = HTTPHeaders()
    if zero:
        headers.add("Authorization", f"Bearer {signed(header, claims)}")
    else:
        for line in data.decode("latin-1").split("\n"):
            name, _, value = line.partition(":")
            if name.lower() in ("authorization", "cookie") and not re.search(
                r"[\x00-\x08\x0a-\x1f\x7f]", value
            ):
                headers.add(name, value.strip())
    try:
        user = AUTHENTICATOR.authenticate_now(headers, "")
    except AuthError:
        return
    finally:
        AUTHENTICATOR.close()
    assert user is not None, "the key is known"
    _check(user, " ".join(value for _, value in headers.get_all()))


def signed(header: bytes, claims: bytes) -> str:
    """A token with a good signature, whatever it says."""
    text = f"{_encoded(header)}.{_encoded(claims)}"
    return f"{text}.{_encoded(_signature(text))}"


def _check(user: User, text: str) -> None:
    """One of the tokens in the request says so, and is ours and in force."""
    user.id.encode()
    claims = [
        found
        for token in _TOKEN.findall(text.replace("AUTH_TOKEN=", " "))
        if (found := _claims(token)) is not None
    ]
    assert any(_subject(each) == user.id for each in claims), "nobody signed this"
    for each in claims:
        if _subject(each) == user.id:
            assert not (each.get("exp") or 0) or each["exp"] > time.time(), "it has run out"
            assert not (each.get("nbf") or 0) or float(each["nbf"]) <= time.time(), "it is not in force yet"


def _subject(claims: dict[str, Any]) -> object:
    """Whom they name: text, or a whole number."""
    found = claims.get("sub")
    return str(found) if isinstance(found, int) and not isinstance(found, bool) else found


def _claims(token: str) -> dict[str, Any] | None:
    """The claims of a token that is signed with our key by the one algorithm there is."""
    signed_part, _, signature = token.rpartition(".")
    header, _, claims = signed_part.partition(".")
    try:
        if not hmac.compare_digest(_signature(signed_part), _decoded(signature)):
            return None
        assert json.loads(_decoded(header))["alg"] == "HS256"
        found = json.loads(_decoded(claims))
    except (ValueError, binascii.Error):
        return None
    return found if isinstance(found, dict) else None


def _signature(text: str) -> bytes:
    return hmac.digest(SECRET.encode(), text.encode(), hashlib.sha256)


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
