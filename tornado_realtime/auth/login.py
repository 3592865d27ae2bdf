"""The whole question of who somebody is: a token if there is one, then the application, then nobody."""

from __future__ import annotations

import logging

from tornado.httputil import HTTPServerRequest

from tornado_realtime.auth.base import Authenticator, HeaderLines
from tornado_realtime.auth.credentials import shown_token
from tornado_realtime.auth.jwt import TokenReader
from tornado_realtime.auth.user import User
from tornado_realtime.errors import AuthRefusedError

logger = logging.getLogger(__name__)


class Login:
    """Asks in order, and stops at the first answer.

    A token that is shown decides alone: a bad one is a refusal, whatever else the request shows.

    Args:
        tokens: Reads tokens; None if they are not read here.
        application: Is asked about requests without a token; None if nobody is.
    """

    def __init__(self, tokens: TokenReader | None, application: Authenticator | None) -> None:
        self._tokens = tokens
        self._application = application

    async def authenticate(self, request: HTTPServerRequest) -> User:
        """See Authenticator."""
        token = self._token(request.headers)
        if self._tokens is not None and token:
            return await self._tokens.read(token)
        if self._application is not None:
            return await self._application.authenticate(request)
        raise AuthRefusedError("there is no token", "missing")

    def authenticate_now(self, headers: HeaderLines) -> User | None:
        """See Authenticator."""
        token = self._token(headers)
        if self._tokens is not None and token:
            return self._tokens.read_now(token)
        if self._application is not None:
            return self._application.authenticate_now(headers)
        raise AuthRefusedError("there is no token", "missing")

    def close(self) -> None:
        """See Authenticator."""
        for part in (self._tokens, self._application):
            if part is not None:
                part.close()

    def _token(self, headers: HeaderLines) -> str:
        return shown_token(headers) if self._tokens is not None else ""
