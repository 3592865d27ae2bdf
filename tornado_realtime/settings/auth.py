"""Who is let in: the options of the login."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tornado_realtime.settings.option import Block, Option, duration, no_words, url
from tornado_realtime.settings.values import DEFAULT_AUTH_ENDPOINT

JWT_SECRET_BYTES = 32


def _jwt_secret(words: Sequence[str]) -> dict[str, Any]:
    if len(words[0].encode()) < JWT_SECRET_BYTES:
        raise ValueError(
            f"needs at least {JWT_SECRET_BYTES} bytes for HS256 (RFC 7518 section 3.2); "
            "make one with: openssl rand -hex 32"
        )
    return {"jwt_secret": words[0]}


def _jwt(words: Sequence[str], values: Mapping[str, Any]) -> dict[str, Any]:
    return dict(values)


AUTH_OPTIONS: tuple[Option, ...] = (
    Option(
        "auth_endpoint",
        url("auth_endpoint"),
        "URL",
        DEFAULT_AUTH_ENDPOINT,
        "Asked with a GET who the visitor is, before every WebSocket handshake; 200 and "
        '`{"id": "..."}` lets them in.',
    ),
    Option(
        "auth_timeout",
        duration("auth_timeout"),
        "DURATION",
        "5s",
        "How long the auth endpoint may take, redirects included; then the visitor gets 504.",
    ),
    Option(
        "jwt",
        no_words,
        "{ secret SECRET }",
        "",
        "Reads the login here instead of asking `auth_endpoint`: a JWT (HS256) in the cookie `AUTH_TOKEN` or "
        "after `Authorization: Bearer`; `sub` is the user, `exp` ends the connection.",
        block=Block(
            (
                Option(
                    "secret",
                    _jwt_secret,
                    "SECRET",
                    "",
                    "The key the token is signed with, at least 32 bytes.",
                    required=True,
                ),
            ),
            _jwt,
        ),
    ),
)
