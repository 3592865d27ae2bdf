"""Authentication by the application's own endpoint: one GET with the visitor's cookies."""

from __future__ import annotations

import json
import logging
import time
from base64 import b64encode
from collections.abc import Collection, Sequence
from dataclasses import replace
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

from tornado.httputil import HTTPHeaders, HTTPServerRequest

from tornado_realtime.auth.backend import Backend, Care
from tornado_realtime.auth.shared import Memory, Shared
from tornado_realtime.auth.user import ANONYMOUS, User, user_from_answer
from tornado_realtime.auth.visitor import visitor_headers
from tornado_realtime.errors import (
    AuthBusyError,
    AuthError,
    AuthInvalidError,
    AuthRefusedError,
    AuthTimeoutError,
)
from tornado_realtime.metrics import Counters
from tornado_realtime.peers import HeaderLines, Network, client_address

logger = logging.getLogger(__name__)


class EndpointAuthenticator:
    """Asks ``url`` who the visitor is (wire.md A3).

    200 with ``{"id": "..."}`` is a yes, any other status a no. Redirects are followed within the same
    origin only: elsewhere the visitor's cookies have no business.

    Two visitors share an answer, at the same time or out of memory, only if the endpoint is told exactly the
    same of both, their addresses included: it may look at any of it.

    Args:
        url: http or https.
        care: How much is asked of it.
        trusted_proxies: Peers whose X-Forwarded-For is passed on; everybody else's is discarded.
        remembered: Seconds for which a yes is remembered.
        claims: Names of what users keep of the answer.
        counters: Where questions are counted; its own when left out.
    """

    def __init__(
        self,
        url: str,
        care: Care | None = None,
        trusted_proxies: Sequence[Network] = (),
        *,
        remembered: float = 0.0,
        claims: Collection[str] = (),
        counters: Counters | None = None,
    ) -> None:
        self._url = urlsplit(url)
        self._trusted = tuple(trusted_proxies)
        self._claims = claims
        self._counters = counters if counters is not None else Counters()
        # For the log: what may be secret is left out.
        self._name = f"{self._url.scheme}://{self._url.netloc.rpartition('@')[2]}{self._url.path}"
        self.backend = Backend(self._name, care if care is not None else Care(), self._counters)
        self._memory = Memory(remembered)
        self._shared: Shared[User] = Shared()
        self._forgotten = 0.0  # when somebody was, last

    async def authenticate(self, request: HTTPServerRequest) -> User:
        """See Authenticator."""
        peer = peer_of(request)
        headers = self._headers(request.headers, peer)
        digest = self._memory.digest(list(headers.get_all()))
        user = self._remembered(digest)
        if user is not None:
            return user
        if self._shared.is_asking(digest):
            self._counters.auth_questions_shared += 1
        client = client_address(peer, request.headers.get_list("X-Forwarded-For"), self._trusted)
        return await self._shared.ask(digest, lambda: self._ask(digest, headers, client))

    def authenticate_now(self, headers: HeaderLines, peer: str) -> User | None:
        """The user who was found a moment ago; None if somebody has to be asked."""
        if not len(self._memory):
            return None
        return self._remembered(self._memory.digest(list(self._headers(headers, peer).get_all())))

    def forget(self, user: str) -> None:
        """See Authenticator."""
        self._memory.forget(user)
        self._forgotten = time.time()

    def close(self) -> None:
        """See Authenticator."""
        self._memory.clear()
        self.backend.close()

    def _remembered(self, digest: bytes) -> User | None:
        user = self._memory.find(digest)
        if user is not None:
            self._counters.auth_cache_hits += 1
        return user

    async def _ask(self, digest: bytes, headers: HTTPHeaders, client: str) -> User:
        asked = time.time()
        try:
            answer = await self.backend.ask(self._url, headers, client)
            if answer.status != 200:
                raise AuthRefusedError(f"the auth endpoint answered {answer.status}")
            user = replace(user_from_answer(_read(answer.body), claims=self._claims), issued=asked)
        except (AuthRefusedError, AuthBusyError, AuthTimeoutError):
            raise
        except AuthError as error:
            logger.error("auth endpoint %s: %s", self._name, error)
            raise
        if user.is_anonymous:
            return ANONYMOUS
        if asked > self._forgotten:  # else this may be whoever was to be forgotten
            self._memory.keep(digest, user)
        return user

    def _headers(self, given: HeaderLines, peer: str) -> HTTPHeaders:
        headers = visitor_headers(given, peer, self._trusted)
        if self._url.username is not None and "Authorization" not in headers:
            headers["Authorization"] = basic_credentials(self._url)
        return headers


def basic_credentials(url: SplitResult) -> str:
    """The value of Authorization for the ``user:password@`` in an address (RFC 7617)."""
    pair = unquote_to_bytes(f"{url.username or ''}:{url.password or ''}")
    return "Basic " + b64encode(pair).decode("ascii")


def _read(body: bytes) -> dict[str, object]:
    """The first JSON value, which must be an object; what follows it is ignored, as in the seed."""
    try:
        answer, _ = json.JSONDecoder().raw_decode(body.decode("utf-8").lstrip(" \t\r\n"))
    except (ValueError, RecursionError) as error:
        raise AuthInvalidError("the answer is no JSON") from error
    if not isinstance(answer, dict):
        raise AuthInvalidError("the answer is no JSON object")
    return answer


def peer_of(request: HTTPServerRequest) -> str:
    """The address of the socket's other end, whatever headers say; empty for a Unix socket."""
    context = getattr(request.connection, "context", None)
    address = getattr(context, "address", None)
    if isinstance(address, tuple) and address:
        return str(address[0])
    return ""
