"""Tokens that are read here: the block ``jwt``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tornado_realtime.settings.option import Block, Option, did_you_mean, duration, text, url

HMAC_BYTES: Mapping[str, int] = {"HS256": 32, "HS384": 48, "HS512": 64}
"""Shortest secret of each algorithm that signs with one (RFC 7518 section 3.2)."""

PUBLIC_ALGORITHMS = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
)
"""Those that are verified with a public key."""

_SOURCES = ("secret", "secret_file", "public_key", "jwks_url")


@dataclass(frozen=True, slots=True)
class JwtRule:
    """How tokens are read. One of the first four says where the key is.

    Attributes:
        secret: Key of HS256 and its like.
        secret_file: File that holds it.
        public_key: PEM file with a public key or a certificate.
        jwks_url: Where the issuer publishes its keys.
        algorithms: Those that are accepted; empty for the usual ones of the key.
        issuer: What ``iss`` may be; empty for anything.
        audience: What ``aud`` must name one of; empty for anything.
        leeway: Seconds that clocks may differ.
        user_claim: Which claim names the user.
        asks_endpoint: Whether the auth endpoint is asked about requests without a token.
    """

    secret: str = field(default="", repr=False)
    secret_file: str = ""
    public_key: str = ""
    jwks_url: str = ""
    algorithms: tuple[str, ...] = ()
    issuer: tuple[str, ...] = ()
    audience: tuple[str, ...] = ()
    leeway: float = 0.0
    user_claim: str = "sub"
    asks_endpoint: bool = False


def _algorithms(words: Sequence[str]) -> dict[str, Any]:
    known = (*HMAC_BYTES, *PUBLIC_ALGORITHMS)
    for word in words:
        if word.lower() == "none":
            raise ValueError("never has none: anybody can make a token that nobody signed")
        if word not in known:
            raise ValueError(f"has {word!r}, not one of {', '.join(known)}{did_you_mean(word, known)}")
    return {"algorithms": tuple(words)}


def _several(name: str) -> Any:
    def convert(words: Sequence[str]) -> dict[str, Any]:
        if not all(words):
            raise ValueError("is empty; set the variable it comes from, or leave the option out")
        return {name: tuple(words)}

    return convert


def _one(name: str) -> Any:
    def convert(words: Sequence[str]) -> dict[str, Any]:
        if not words[0]:
            raise ValueError("is empty; set the variable it comes from")
        return text(name)(words)

    return convert


def _leeway(words: Sequence[str]) -> dict[str, Any]:
    return {"leeway": 0.0} if words[0] == "0" else duration("leeway")(words)


def _assemble(words: Sequence[str], values: Mapping[str, Any]) -> dict[str, Any]:
    values = dict(values)
    endpoint = values.pop("auth_endpoint", None)
    rule = JwtRule(**values, asks_endpoint=endpoint is not None)
    _check_source([name for name in _SOURCES if name in values])
    _check_algorithms(rule)
    if rule.secret:
        check_secret(rule.secret.encode(), rule.algorithms)
    return {"jwt": rule} | ({"auth_endpoint": endpoint} if endpoint is not None else {})


def _check_source(given: Sequence[str]) -> None:
    if not given:
        raise ValueError(
            "needs a key: write secret SECRET, secret_file FILE, public_key FILE or jwks_url URL"
        )
    if len(given) > 1:
        raise ValueError(f"takes one key only, not {' and '.join(given)}")


def _check_algorithms(rule: JwtRule) -> None:
    has_secret = bool(rule.secret or rule.secret_file)
    for name in rule.algorithms:
        if has_secret and name not in HMAC_BYTES:
            raise ValueError(
                f"has algorithm {name}, which is verified with public_key or jwks_url, not a secret"
            )
        if not has_secret and name in HMAC_BYTES:
            raise ValueError(
                f"has algorithm {name}, which needs a secret: a public key is known to everybody"
            )


def check_secret(secret: bytes, algorithms: Sequence[str]) -> None:
    """Make sure that a secret is long enough for what it signs with.

    Raises:
        ValueError: It is not.
    """
    if secret.startswith(b"-----BEGIN "):
        raise ValueError("has a key in PEM as its secret; write public_key FILE")
    least = max(HMAC_BYTES[name] for name in algorithms or ("HS256",))
    if len(secret) < least:
        raise ValueError(
            f"needs a secret of at least {least} bytes (RFC 7518 section 3.2); "
            f"make one with: openssl rand -hex {least}"
        )


JWT_BLOCK = Block(
    (
        Option("secret", _one("secret"), "SECRET", "", "The key that signs, at least 32 bytes."),
        Option(
            "secret_file", _one("secret_file"), "FILE", "", "The same, in a file that not everybody may read."
        ),
        Option("public_key", _one("public_key"), "FILE", "", "PEM file with a public key or a certificate."),
        Option(
            "jwks_url",
            url("jwks_url"),
            "URL",
            "",
            "Where the issuer publishes its keys (RFC 7517); kept, and fetched anew now and then, and when a "
            "token names a key that is not known yet.",
        ),
        Option(
            "algorithms",
            _algorithms,
            "NAME...",
            "",
            "What may sign. Without it: `HS256` for a secret, the usual one of the key for `public_key`, "
            "`RS256`, `ES256` and `EdDSA` for `jwks_url`.",
            most=0,
        ),
        Option("issuer", _several("issuer"), "NAME...", "", "What `iss` must be one of.", most=0),
        Option("audience", _several("audience"), "NAME...", "", "What `aud` must name one of.", most=0),
        Option("leeway", _leeway, "DURATION", "0", "How far clocks may differ, for `exp`, `nbf` and `iat`."),
        Option("user_claim", _one("user_claim"), "NAME", "sub", "The claim that names the user."),
        Option(
            "auth_endpoint",
            url("auth_endpoint"),
            "URL",
            "",
            "Asked about visitors who show no token. Without it they are refused.",
        ),
    ),
    _assemble,
)
