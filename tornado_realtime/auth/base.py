"""The one question that is asked before a handshake, whoever answers it."""

from __future__ import annotations

from typing import Protocol

from tornado.httputil import HTTPServerRequest

from tornado_realtime.auth.user import User


class Authenticator(Protocol):
    """Tells who sent a request."""

    async def authenticate(self, request: HTTPServerRequest) -> User:
        """The user behind ``request``.

        Raises:
            AuthRefusedError: Nobody that the application knows (401).
            AuthUnavailableError: The application could not be asked (502).
            AuthTimeoutError: It took too long (504).
            AuthInvalidError: Its answer makes no sense (500).
        """
        ...

    def close(self) -> None:
        """Release what is kept between questions; those under way may still end well. Idempotent."""
