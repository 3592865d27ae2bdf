"""Who is let in: the options of the login."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tornado_realtime.settings.jwt import JWT_BLOCK
from tornado_realtime.settings.option import Option, duration, no_words, one_of, url
from tornado_realtime.settings.values import DEFAULT_AUTH_ENDPOINT

TICKET_KEY_BYTES = 32


def _anonymous(words: Sequence[str]) -> dict[str, Any]:
    return {"anonymous": one_of("anonymous", "on", "off")(words)["anonymous"] == "on"}


def _concurrency(words: Sequence[str]) -> dict[str, Any]:
    names = ("auth_concurrency", "auth_queue")
    for word in words:
        if not (word.isascii() and word.isdigit() and len(word) <= 5 and int(word) > 0):
            raise ValueError(f"needs a number from 1 to 99999, not {word!r}")
    return dict(zip(names, map(int, words), strict=False))


def _cache(words: Sequence[str]) -> dict[str, Any]:
    return {"auth_cache": 0.0} if words[0] == "0" else duration("auth_cache")(words)


def _resume(words: Sequence[str]) -> dict[str, Any]:
    return {"resume": 0.0} if words[0] == "0" else duration("resume")(words)


def _ticket_key(words: Sequence[str]) -> dict[str, Any]:
    if any(len(word.encode()) < TICKET_KEY_BYTES for word in words):
        raise ValueError(f"needs at least {TICKET_KEY_BYTES} bytes; make one with: openssl rand -hex 32")
    return {"ticket_keys": tuple(words)}


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
        "auth_concurrency",
        _concurrency,
        "N [WAITING]",
        "64 4096",
        "How many questions the auth endpoint gets at once, and how many more wait. Addresses take turns; "
        "beyond the bound: 503.",
        most=2,
    ),
    Option(
        "auth_cache",
        _cache,
        "DURATION",
        "0",
        "How long a yes of the auth endpoint is remembered for the very same question; never beyond the "
        "login's end.",
    ),
    Option(
        "jwt",
        no_words,
        "{ KEY; OPTIONS }",
        "",
        "Reads the login here instead of asking `auth_endpoint`: a signed token (JWT) in the cookie "
        "`AUTH_TOKEN` or after `Authorization: Bearer`; `exp` ends the connection. KEY is `secret SECRET`, "
        "`secret_file FILE`, `public_key FILE` or `jwks_url URL`.",
        block=JWT_BLOCK,
    ),
    Option(
        "anonymous",
        _anonymous,
        "on|off",
        "off",
        "Lets visitors in who show no login at all. One that is shown and bad, or has run out, is refused.",
    ),
    Option(
        "resume",
        _resume,
        "DURATION",
        "0",
        "Gives clients a signed cookie `REALTIME_TICKET`. With it and the same login they come back without "
        "a question, for this long.",
    ),
    Option(
        "ticket_key",
        _ticket_key,
        "KEY...",
        "",
        "What signs tickets, at least 32 bytes and the same on all nodes; the first signs, all verify. "
        "Without it every start makes its own.",
        most=0,
    ),
)
