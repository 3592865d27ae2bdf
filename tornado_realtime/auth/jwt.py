"""Authentication by a signed token that the application gave the visitor: nobody is asked."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Any

import jwt
from tornado.httputil import HTTPServerRequest, parse_cookie

from tornado_realtime.auth.base import HeaderLines
from tornado_realtime.auth.user import User, user_from_answer
from tornado_realtime.errors import AuthRefusedError

COOKIE = "AUTH_TOKEN"
# Tokens that are remembered as good until they run out, so that a storm of reconnects costs little.
KEPT_TOKENS_SIZE = 4096
KEPT_TOKEN_BYTES = 2048
_ALGORITHMS = ["HS256"]
_BEARER = "bearer "


class JwtAuthenticator:
    """Reads who it is from a JWT (RFC 7519): ``sub`` is the user, ``exp`` the end of the login.

    The token is taken from ``Authorization: Bearer``, else from the cookie ``AUTH_TOKEN``. A token
    that is there and bad is a refusal, whatever else is there.

    Args:
        secret: Key of HS256, the one algorithm that is accepted.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret
        # Whoever reconnects brings the same token. Only good ones are kept: a refusal is an exception.
        self._verified = lru_cache(maxsize=KEPT_TOKENS_SIZE)(self._verify)

    async def authenticate(self, request: HTTPServerRequest) -> User:
        """See Authenticator."""
        return self.authenticate_now(request.headers)

    def authenticate_now(self, headers: HeaderLines) -> User:
        """See Authenticator; this one never has to ask."""
        token = _token(headers)
        if not token:
            raise AuthRefusedError("there is no token")
        user = self._verified(token) if len(token) <= KEPT_TOKEN_BYTES else self._verify(token)
        if user.expires is not None and user.expires <= time.time():
            raise AuthRefusedError("the login has run out")
        return user

    def _verify(self, token: str) -> User:
        try:
            claims = jwt.decode(token, self._secret, _ALGORITHMS, options=_OPTIONS)
        except jwt.InvalidTokenError as error:
            raise AuthRefusedError(f"the token is not valid: {type(error).__name__}") from error
        subject = claims.get("sub")
        if not isinstance(subject, str) or not subject:
            raise AuthRefusedError("the token names no user")
        return user_from_answer({"id": subject, "exp": claims.get("exp")})

    def close(self) -> None:
        """Forget the tokens that were seen."""
        self._verified.cache_clear()


# Audience and issuer are not configured, so a token that has them is not refused for it.
_OPTIONS: Any = {"verify_aud": False, "verify_iss": False}


def _token(headers: HeaderLines) -> str:
    authorization = headers.get_list("Authorization")
    if authorization and authorization[0][: len(_BEARER)].lower() == _BEARER:
        return authorization[0][len(_BEARER) :].strip()
    for line in headers.get_list("Cookie"):
        token = parse_cookie(line).get(COOKIE)
        if token:
            return token
    return ""
