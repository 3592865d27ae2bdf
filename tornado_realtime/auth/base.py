"""The one question that is asked before a handshake, whoever answers it."""

from __future__ import annotations

from typing import Protocol

from tornado.httputil import HTTPServerRequest

from tornado_realtime.auth.user import User
from tornado_realtime.peers import HeaderLines


class Authenticator(Protocol):
    """Tells who sent a request."""

    async def authenticate(self, request: HTTPServerRequest) -> User:
        """The user behind ``request``.

        Raises:
            AuthRefusedError: Nobody that the application knows (401).
            AuthUnavailableError: The application could not be asked (502).
            AuthTimeoutError: It took too long (504).
            AuthBusyError: It is spared now (503).
            AuthInvalidError: Its answer makes no sense (500).
        """
        ...

    def authenticate_now(self, headers: HeaderLines, peer: str) -> User | None:
        """The user that these header fields prove, if that can be told without asking anybody; else None.

        Args:
            headers: Of the request.
            peer: Address of the socket's other end; empty for a Unix socket.

        Raises:
            AuthError: They prove that it is nobody.
        """
        ...

    def forget(self, user: str) -> None:
        """Remember nothing of a user any more."""
        ...

    def close(self) -> None:
        """Release what is kept between questions; those under way may still end well. Idempotent."""
