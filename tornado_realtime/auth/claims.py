"""What a token's signature and its registered claims must be (RFC 7515, RFC 7519 section 4.1).

Signatures are the JWT library's affair. Its ``decode`` would do all of it, but examines the secret anew for
every token, which costs as much as everything else together; so a secret is examined once, and the five
claims are checked here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from jwt.algorithms import HMACAlgorithm

CHANNEL_CLAIM = "channel"
"""What makes a token one for a channel."""


@dataclass(frozen=True, slots=True)
class TokenRule:
    """What a token must say.

    Attributes:
        issuer: One of these; empty for anything.
        audience: One of these; empty for anything.
        leeway: Seconds that clocks may differ.
        user_claim: Which claim names the user.
        claims: Names of the claims that the user keeps.
        channel_tokens: Whether the same key signs tokens for channels; those are no logins.
    """

    issuer: tuple[str, ...] = ()
    audience: tuple[str, ...] = ()
    leeway: float = 0.0
    user_claim: str = "sub"
    claims: Collection[str] = ()
    channel_tokens: bool = False


class _KnownSecret(HMACAlgorithm):
    """HMAC with a secret that was examined when it was configured."""

    def prepare_key(self, key: str | bytes) -> bytes:
        return key if isinstance(key, bytes) else key.encode()


_HASHES = {"HS256": HMACAlgorithm.SHA256, "HS384": HMACAlgorithm.SHA384, "HS512": HMACAlgorithm.SHA512}


def signatures() -> jwt.PyJWS:
    """A reader of signed tokens to which an HMAC key may be given as it is, once ``examined``."""
    reader = jwt.PyJWS()
    for name, digest in _HASHES.items():
        reader.unregister_algorithm(name)
        reader.register_algorithm(name, _KnownSecret(digest))
    return reader


def examined(secret: bytes) -> bytes:
    """``secret``, if it is one.

    Raises:
        jwt.InvalidKeyError: It is something that is public, such as a certificate or a public key.
    """
    return HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(secret)


def read_claims(payload: bytes, rule: TokenRule, now: float) -> dict[str, Any]:
    """The claims of a token whose signature is good.

    Args:
        payload: What was signed.
        rule: What it must say.
        now: Unix time.

    Raises:
        jwt.InvalidTokenError: It does not say that, or not now.
        ValueError: It is no JSON.
        RecursionError: It is nested too deeply.
    """
    claims = json.loads(payload)
    if not isinstance(claims, dict):
        raise jwt.DecodeError("the payload is no object")
    _check_times(claims, rule.leeway, now)
    if rule.issuer and not _names_one_of(rule.issuer, claims.get("iss")):
        raise jwt.InvalidIssuerError("the issuer is another one")
    if rule.audience and not _is_for_one_of(rule.audience, claims.get("aud")):
        raise jwt.InvalidAudienceError("the token is for somebody else")
    return claims


def _check_times(claims: Mapping[str, Any], leeway: float, now: float) -> None:
    """Sections 4.1.4 to 4.1.6; a token from the future is as little to be believed as an old one."""
    if "exp" in claims and _seconds(claims["exp"]) <= now - leeway:
        raise jwt.ExpiredSignatureError("the token has run out")
    for name in ("nbf", "iat"):
        if name in claims and _seconds(claims[name]) > now + leeway:
            raise jwt.ImmatureSignatureError("the token is not valid yet")


def _seconds(value: object) -> float:
    """A NumericDate (section 2)."""
    if type(value) not in (int, float) or not math.isfinite(value):  # type: ignore[arg-type]
        raise jwt.DecodeError("a time in the token is no number")
    return float(value)  # type: ignore[arg-type]


def _names_one_of(wanted: Collection[str], claim: object) -> bool:
    """Section 4.1.1."""
    return isinstance(claim, str) and claim in wanted


def _is_for_one_of(wanted: Collection[str], claim: object) -> bool:
    """Section 4.1.3: one string or several."""
    if not isinstance(claim, list):
        return _names_one_of(wanted, claim)
    return all(isinstance(each, str) for each in claim) and any(each in wanted for each in claim)
