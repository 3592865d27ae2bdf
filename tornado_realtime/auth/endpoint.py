"""Authentication by the application's own endpoint: one GET with the visitor's cookies."""

from __future__ import annotations

import asyncio
import json
import logging
from base64 import b64encode
from collections.abc import Sequence
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.util import TimeoutError as TornadoTimeoutError

from tornado_realtime.auth.base import HeaderLines
from tornado_realtime.auth.credentials import offered_token
from tornado_realtime.auth.question import Answer, Asker
from tornado_realtime.auth.user import User, user_from_answer
from tornado_realtime.errors import (
    AuthError,
    AuthInvalidError,
    AuthRefusedError,
    AuthTimeoutError,
)
from tornado_realtime.peers import Network, client_address, forwarded_for

logger = logging.getLogger(__name__)

ANSWER_BYTES = 64 * 1024
# Questions under way at once; more wait, within the same time-out.
CONCURRENCY_SIZE = 256
_FORWARDED_HEADERS = ("Authorization", "Cookie", "User-Agent")


class EndpointAuthenticator:
    """Asks ``url`` who the visitor is (wire.md A3).

    200 with ``{"id": "..."}`` is a yes, any other status a no. Redirects are followed within the same
    origin only: elsewhere the visitor's cookies have no business.

    Args:
        url: http or https.
        timeout: Seconds for the whole question, redirects included.
        trusted_proxies: Peers whose X-Forwarded-For is passed on; everybody else's is discarded.
    """

    def __init__(self, url: str, timeout: float, trusted_proxies: Sequence[Network] = ()) -> None:
        self._url = urlsplit(url)
        self._timeout = timeout
        self._trusted = tuple(trusted_proxies)
        self._asker = Asker(ANSWER_BYTES, timeout)
        self._slots = asyncio.Semaphore(CONCURRENCY_SIZE)
        # For the log: what may be secret is left out.
        self._name = f"{self._url.scheme}://{self._url.netloc.rpartition('@')[2]}{self._url.path}"

    async def authenticate(self, request: HTTPServerRequest) -> User:
        """See Authenticator."""
        try:
            answer = await asyncio.wait_for(self._ask(self._headers(request)), self._timeout)
            if answer.status != 200:
                raise AuthRefusedError(f"the auth endpoint answered {answer.status}")
            return user_from_answer(_read(answer.body))
        except (TimeoutError, TornadoTimeoutError) as error:
            logger.warning("auth endpoint %s took longer than %g s", self._name, self._timeout)
            raise AuthTimeoutError("the auth endpoint took too long") from error
        except AuthRefusedError:
            raise
        except AuthError as error:
            logger.error("auth endpoint %s: %s", self._name, error)
            raise

    def authenticate_now(self, headers: HeaderLines) -> User | None:
        """None: somebody has to be asked."""
        return None

    def close(self) -> None:
        """See Authenticator."""
        self._asker.close()

    def _headers(self, request: HTTPServerRequest) -> HTTPHeaders:
        headers = HTTPHeaders()
        for name in _FORWARDED_HEADERS:
            values = request.headers.get_list(name)
            if values and values[0]:
                headers[name] = values[0]
        token = offered_token(request.headers)
        if token and "Authorization" not in headers:
            headers["Authorization"] = f"Bearer {token}"
        if self._url.username is not None and "Authorization" not in headers:
            headers["Authorization"] = _basic(self._url)
        peer = peer_of(request)
        hops = request.headers.get_list("X-Forwarded-For")
        if peer:
            headers["X-Forwarded-For"] = forwarded_for(peer, hops, self._trusted)
            headers["X-Real-IP"] = client_address(peer, hops, self._trusted)
        return headers

    async def _ask(self, headers: HTTPHeaders) -> Answer:
        async with self._slots:
            return await self._asker.ask(self._url, headers)


def _basic(url: SplitResult) -> str:
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
