"""Who is let in: the options of the login."""

from __future__ import annotations

from tornado_realtime.settings.jwt import JWT_BLOCK
from tornado_realtime.settings.option import Option, duration, no_words, url
from tornado_realtime.settings.values import DEFAULT_AUTH_ENDPOINT

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
        "{ KEY; OPTIONS }",
        "",
        "Reads the login here instead of asking `auth_endpoint`: a signed token (JWT) in the cookie "
        "`AUTH_TOKEN` or after `Authorization: Bearer`; `exp` ends the connection. KEY is `secret SECRET`, "
        "`secret_file FILE`, `public_key FILE` or `jwks_url URL`.",
        block=JWT_BLOCK,
    ),
)
