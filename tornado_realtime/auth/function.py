"""Authentication by a Python function of the application."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from tornado.httputil import HTTPServerRequest

from tornado_realtime.auth.credentials import shows_nothing
from tornado_realtime.auth.user import ANONYMOUS, User, checked_user, user_from_answer
from tornado_realtime.errors import AuthError, AuthInvalidError, AuthRefusedError, AuthTimeoutError
from tornado_realtime.peers import HeaderLines

logger = logging.getLogger(__name__)

Answer = User | Mapping[str, Any] | str | None
Authenticate = Callable[[HTTPServerRequest], Answer | Awaitable[Answer]]


class FunctionAuthenticator:
    """Asks ``function(request)``, plain or async, who it is.

    The function returns a user id, a ``User``, ``ANONYMOUS``, a mapping ``{"id", "info"?, "exp"?, "ttl"?}``,
    or None for "nobody". A plain function runs on the loop: it must not wait for anything.

    Args:
        function: The application's.
        timeout: Seconds an async one may take.
        anonymous: Whether "nobody" is anonymous, where the request shows nothing.
        claims: Names of what users keep of a mapping.
    """

    def __init__(
        self, function: Authenticate, timeout: float, anonymous: bool = False, claims: Collection[str] = ()
    ) -> None:
        self._function = function
        self._claims = claims
        self._anonymous = anonymous
        self._timeout = timeout

    async def authenticate(self, request: HTTPServerRequest) -> User:
        """See Authenticator."""
        try:
            answer = self._function(request)
            if inspect.isawaitable(answer):
                answer = await asyncio.wait_for(answer, self._timeout)
        except TimeoutError as error:
            raise AuthTimeoutError("the authenticate function took too long") from error
        except AuthError:
            raise
        except Exception as error:
            logger.exception("the authenticate function failed")
            raise AuthInvalidError("the authenticate function failed") from error
        if answer is None and self._anonymous and shows_nothing(request.headers):
            return ANONYMOUS
        return _user(answer, self._claims)

    def authenticate_now(self, headers: HeaderLines, peer: str) -> User | None:
        """None: somebody has to be asked."""
        return None

    def forget(self, user: str) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Nothing is kept."""


def _user(answer: object, claims: Collection[str]) -> User:
    if answer is None:
        raise AuthRefusedError("nobody is logged in", "missing")
    if isinstance(answer, User):
        return answer if answer is ANONYMOUS else checked_user(answer)
    if isinstance(answer, str):
        return user_from_answer({"id": answer})
    if isinstance(answer, Mapping):
        return user_from_answer(answer, claims=claims)
    raise AuthInvalidError(
        f"authenticate returned {type(answer).__name__}, not a user id, User, mapping or None"
    )
