"""The registered claims, beside what the JWT library says of the same tokens."""

from __future__ import annotations

import json
import time
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_realtime.auth.claims import TokenRule, examined, read_claims, signatures

SECRET = b"k" * 64
NOW = time.time()
PEM = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
RULES = (TokenRule(), TokenRule(leeway=3000.0), TokenRule(issuer=("a", "b")), TokenRule(audience=("x", "y")))

# Around the edges of now, of the leeway, and of what a number is; further from them than a whole run takes.
times: st.SearchStrategy[Any] = st.sampled_from(
    [NOW + step for step in (-1e6, -6000, -2000, 2000, 6000, 1e6)]
) | st.sampled_from([0, -1, int(NOW) + 500, 1e300, float("inf"), float("nan"), None, [], {}, "soon"])
names: st.SearchStrategy[Any] = st.sampled_from(
    ["a", "b", "c", "x", "", None, 1, ["x"], ["c", "y"], ["c"], [], ["x", 1], {"x": 1}]
)
claim_sets = st.fixed_dictionaries(
    {}, optional={"exp": times, "nbf": times, "iat": times, "iss": names, "aud": names, "sub": names}
)


def by_library(token: str, rule: TokenRule) -> bool:
    options: Any = {
        "verify_aud": bool(rule.audience),
        "verify_iss": bool(rule.issuer),
        "verify_sub": False,
        "verify_jti": False,
    }
    try:
        jwt.decode(
            token,
            SECRET,
            ["HS256"],
            options=options,
            audience=list(rule.audience) or None,
            issuer=list(rule.issuer) or None,
            leeway=rule.leeway,
        )
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError):
        return False
    return True


def by_us(token: str, rule: TokenRule) -> bool:
    try:
        read_claims(signatures().decode(token, SECRET, ["HS256"]), rule, time.time())
    except (jwt.PyJWTError, ValueError):
        return False
    return True


def signed(payload: bytes) -> str:
    return jwt.PyJWS().encode(payload, SECRET, "HS256")


@given(claim_sets, st.sampled_from(RULES))
def test_the_library_says_the_same(claims: dict[str, Any], rule: TokenRule) -> None:
    token = signed(json.dumps(claims).encode())
    assert by_us(token, rule) == by_library(token, rule)


@pytest.mark.parametrize("claims", [{"exp": "9999999999"}, {"exp": True, "nbf": True}, {"iat": False}])
def test_a_time_is_a_number_here_even_where_the_library_would_take_what_looks_like_one(
    claims: dict[str, Any],
) -> None:
    assert not by_us(signed(json.dumps(claims).encode()), TokenRule())


@pytest.mark.parametrize("payload", [b"", b"[]", b"1", b"null", b"{", b"\xff", b'"sub"'])
def test_what_is_no_object_is_no_token(payload: bytes) -> None:
    assert not by_us(signed(payload), TokenRule())


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_signatures_are_verified(algorithm: str) -> None:
    token = jwt.encode({"sub": "u1"}, SECRET, algorithm)
    assert json.loads(signatures().decode(token, SECRET, [algorithm])) == {"sub": "u1"}
    for other in (SECRET + b"x", b"x" * 64):
        with pytest.raises(jwt.InvalidTokenError):
            signatures().decode(token, other, [algorithm])
    with pytest.raises(jwt.InvalidTokenError):
        signatures().decode(token, SECRET, [name for name in ("HS256", "HS384") if name != algorithm])


def test_the_library_itself_is_as_it_was() -> None:
    signatures()
    with pytest.raises(jwt.InvalidKeyError):
        jwt.decode(jwt.encode({}, SECRET), PEM, ["HS256"])


@pytest.mark.parametrize(
    "public",
    [PEM, b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA", b'{"kty":"RSA","n":"x"}'],
)
def test_a_secret_is_no_public_key(public: bytes) -> None:
    with pytest.raises(jwt.InvalidKeyError):
        examined(public)
    assert examined(SECRET) == SECRET
