"""The whole question of who somebody is: a token, else a resume ticket, else the application, else nobody."""

from __future__ import annotations

import logging

from tornado.httputil import HTTPServerRequest

from tornado_realtime.auth.base import Authenticator
from tornado_realtime.auth.credentials import shown_token, shows_nothing
from tornado_realtime.auth.endpoint import peer_of
from tornado_realtime.auth.jwt import TokenReader
from tornado_realtime.auth.renewal import renewal_request
from tornado_realtime.auth.revocations import Revocations
from tornado_realtime.auth.tickets import Tickets
from tornado_realtime.auth.user import ANONYMOUS, User
from tornado_realtime.errors import AuthBusyError, AuthError, AuthRefusedError, AuthUnavailableError
from tornado_realtime.metrics import Counters
from tornado_realtime.peers import HeaderLines

logger = logging.getLogger(__name__)


class Login:
    """Asks in order, and stops at the first answer.

    A token that is shown decides alone: a bad one is a refusal, whatever else the request shows. Nobody who
    shows something and is refused becomes anonymous.

    Args:
        tokens: Reads tokens; None if they are not read here.
        application: Is asked about requests without a token; None if nobody is.
        anonymous: Whether who shows nothing is let in.
        asks_about_all: Whether the application is asked even about those.
        tickets: Reads resume tickets; None if there are none.
        revocations: Whose logins do not count any more; nobody's when left out.
        counters: Where refusals are counted; its own when left out.
        path: Where clients connect; what an application is told that is asked about a later token.
    """

    def __init__(
        self,
        tokens: TokenReader | None,
        application: Authenticator | None,
        *,
        anonymous: bool = False,
        asks_about_all: bool = False,
        tickets: Tickets | None = None,
        revocations: Revocations | None = None,
        counters: Counters | None = None,
        path: str = "/",
    ) -> None:
        self._tokens = tokens
        self._application = application
        self._anonymous = anonymous
        self._asks_about_all = asks_about_all
        self._tickets = tickets
        self._revocations = revocations if revocations is not None else Revocations()
        self._counters = counters if counters is not None else Counters()
        self._path = path

    async def authenticate(self, request: HTTPServerRequest) -> User:
        """See Authenticator."""
        try:
            user = self._admitted(await self._find(request))
        except AuthError as error:
            self._count(error)
            raise
        if user.is_anonymous:
            self._counters.logins_anonymous += 1
        return user

    def authenticate_now(self, headers: HeaderLines, peer: str) -> User | None:
        """See Authenticator. Refusals are not counted: whoever asks has the request asked about in full."""
        user = self._find_now(headers, peer)
        if user is not None and self._admitted(user).is_anonymous:
            self._counters.logins_anonymous += 1
        return user

    def forget(self, user: str) -> None:
        """See Authenticator."""
        if self._application is not None:
            self._application.forget(user)

    async def renew(self, token: str, address: str) -> User:
        """The user that a token names which a client shows later, to prolong its login.

        Where tokens are not read here, the application is asked as it would be about a handshake that shows
        this token and no cookie.

        Args:
            token: As shown.
            address: The visitor's; empty if it is not known.

        Raises:
            AuthError: See Authenticator.
        """
        if self._tokens is not None:
            user = await self._tokens.read(token)
        else:
            assert self._application is not None  # one of the two is there
            user = await self._application.authenticate(renewal_request(token, address, self._path))
        if self._revocations.refuses(user):
            raise AuthRefusedError("the login was revoked", "revoked")
        return user

    def close(self) -> None:
        """See Authenticator."""
        for part in (self._tokens, self._application):
            if part is not None:
                part.close()

    def _find_now(self, headers: HeaderLines, peer: str) -> User | None:
        """The user, in the order that the class describes; None if somebody has to be asked."""
        token = self._token(headers)
        if self._tokens is not None and token:
            return self._tokens.read_now(token)
        user = self._resumed(headers)
        if user is not None:
            return user
        if self._application is None:
            return self._nobody()
        if self._is_nobody(headers):
            return ANONYMOUS
        return self._application.authenticate_now(headers, peer)

    async def _find(self, request: HTTPServerRequest) -> User:
        user = self._find_now(request.headers, peer_of(request))
        if user is not None:
            return user
        token = self._token(request.headers)
        if self._tokens is not None and token:
            return await self._read(self._tokens, token, request.headers)
        assert self._application is not None
        return await self._application.authenticate(request)

    async def _read(self, tokens: TokenReader, token: str, headers: HeaderLines) -> User:
        """The user of a token; while its key cannot be fetched, that of the ticket which was made from it."""
        try:
            return await tokens.read(token)
        except AuthUnavailableError:
            user = self._resumed(headers)
            if user is None:
                raise
            return user

    def _resumed(self, headers: HeaderLines) -> User | None:
        """The user of a good ticket. A bad one is no refusal: it only spares nobody."""
        user = self._tickets.find(headers) if self._tickets is not None else None
        if user is None or self._revocations.refuses(user):
            return None
        self._counters.tickets_taken += 1
        return user

    def _token(self, headers: HeaderLines) -> str:
        return shown_token(headers) if self._tokens is not None else ""

    def _is_nobody(self, headers: HeaderLines) -> bool:
        """Whether there is nothing to ask the application about."""
        return self._anonymous and not self._asks_about_all and shows_nothing(headers)

    def _nobody(self) -> User:
        if self._anonymous:
            return ANONYMOUS
        raise AuthRefusedError("there is no token", "missing")

    def _admitted(self, user: User) -> User:
        if user.is_anonymous and not self._anonymous:
            raise AuthRefusedError("anonymous visitors are let in only with `anonymous on`", "missing")
        if self._revocations.refuses(user):
            raise AuthRefusedError("the login was revoked", "revoked")
        return user

    def _count(self, error: AuthError) -> None:
        if isinstance(error, AuthRefusedError):
            name = f"refused_{error.kind}"
        else:
            name = "busy" if isinstance(error, AuthBusyError) else "failed"
        setattr(self._counters, f"logins_{name}", getattr(self._counters, f"logins_{name}") + 1)
        logger.debug("login refused: %s", error)
