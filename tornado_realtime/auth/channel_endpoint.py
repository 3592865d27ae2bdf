"""An endpoint of the application that is asked about channels."""

from __future__ import annotations

import logging
from urllib.parse import urlencode, urlsplit

from tornado.httputil import HTTPHeaders

from tornado_realtime.auth.backend import Backend, Care
from tornado_realtime.auth.endpoint import basic_credentials
from tornado_realtime.auth.shared import Memory, Shared
from tornado_realtime.auth.user import User
from tornado_realtime.errors import AuthBusyError, AuthError, AuthTimeoutError, AuthUnavailableError
from tornado_realtime.metrics import Counters

logger = logging.getLogger(__name__)

_YES = frozenset({200, 204})


class ChannelEndpoint:
    """Asks ``url`` with ``channel``, ``action`` and ``user`` in its query, and the visitor's own headers.

    200 and 204 are a yes, any other status below 500 a no.

    Args:
        url: http or https.
        care: How much is asked of it; the same as of the auth endpoint.
        remembered: Seconds for which a yes is remembered.
    """

    def __init__(self, url: str, care: Care, remembered: float = 0.0) -> None:
        self._url = urlsplit(url)
        self._name = f"{self._url.scheme}://{self._url.netloc.rpartition('@')[2]}{self._url.path}"
        self._backend = Backend(self._name, care, Counters())
        self._memory = Memory(remembered)
        self._shared: Shared[bool] = Shared()

    def remembers(self, user: User, channel: str, action: str) -> bool:
        """Whether it said yes a moment ago."""
        return bool(len(self._memory)) and self._memory.find(self._digest(user, channel, action)) is not None

    async def allows(self, user: User, channel: str, action: str) -> bool:
        """Whether the application lets ``user`` do this.

        Raises:
            AuthError: It did not say.
        """
        digest = self._digest(user, channel, action)
        return await self._shared.ask(digest, lambda: self._ask(digest, user, channel, action))

    def close(self) -> None:
        """Keep nothing; what is under way goes on. Idempotent."""
        self._memory.clear()
        self._backend.close()

    def _digest(self, user: User, channel: str, action: str) -> bytes:
        told = user.visitor.headers if user.visitor is not None else ()
        return self._memory.digest([("user", user.id), ("channel", channel), ("action", action), *told])

    async def _ask(self, digest: bytes, user: User, channel: str, action: str) -> bool:
        asked = urlencode({"channel": channel, "action": action, "user": user.id})
        query = f"{self._url.query}&{asked}" if self._url.query else asked
        headers, address = HTTPHeaders(), ""
        if user.visitor is not None:
            address = user.visitor.address
            for name, value in user.visitor.headers:
                headers[name] = value
        if self._url.username is not None and "Authorization" not in headers:
            headers["Authorization"] = basic_credentials(self._url)
        try:
            answer = await self._backend.ask(self._url._replace(query=query), headers, address)
            if answer.status >= 500:
                raise AuthUnavailableError(f"it answered {answer.status}")
        except (AuthBusyError, AuthTimeoutError):
            raise
        except AuthError as error:
            logger.error("channel endpoint %s: %s", self._name, error)
            raise
        if answer.status in _YES:
            self._memory.keep(digest, user)
        return answer.status in _YES
