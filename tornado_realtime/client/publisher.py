"""Publishing as an application does, over HTTP (docs/protocol.md, ``POST /internal/broadcast``)."""

from __future__ import annotations

import json
import secrets
import ssl
from dataclasses import dataclass
from typing import Any, Self

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest, HTTPResponse
from tornado.iostream import StreamClosedError

from tornado_realtime.client.address import site_url
from tornado_realtime.client.dialing import reason_of, retry_after, why
from tornado_realtime.errors import (
    BrokerUnavailableError,
    ConnectError,
    ConnectRefusedError,
    InvalidPublicationError,
    NoAnswerError,
    PublicationTooLargeError,
)
from tornado_realtime.publication import Position

PATH = "/internal/broadcast"


@dataclass(frozen=True, slots=True)
class Published:
    """What became of a publication.

    Attributes:
        position: Where it stands in the channel's stream; None where nothing is kept.
        written: Subscribers of the node that took it whose sockets took it, too.
        queued: Those for whom it waits.
        repeated: Whether it was published before, under the same key.
    """

    position: Position | None
    written: int
    queued: int
    repeated: bool


class Publisher:
    """Publishes for an application.

    Args:
        url: Of the server, or of the listener that ``broadcast_listen`` names, such as
            ``http://localhost:8080``.
        secret: The server's ``broadcast_secret``; None if it has none, and is on this host.
        path: Where it takes publications.
        tls: What is trusted, for ``https``; the system's authorities when left out.
        timeout: Seconds that a publication may take.

    Raises:
        ValueError: The URL cannot be used.
    """

    def __init__(
        self,
        url: str,
        secret: str | None = None,
        *,
        path: str = PATH,
        tls: ssl.SSLContext | None = None,
        timeout: float = 10.0,
    ) -> None:
        self._url = site_url(url) + path
        self._secret = secret
        self._tls = tls
        self._timeout = timeout
        self._http: AsyncHTTPClient | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the connections. Idempotent."""
        if self._http is not None:
            self._http.close()
            self._http = None

    async def publish(
        self, channel: str, message: str | bytes, *, key: str = "", exclude: str = ""
    ) -> Published:
        """Publish ``message`` on ``channel``; returning means that the server took it.

        Args:
            channel: Where.
            message: UTF-8 text, JSON or not.
            key: Names the publication: under the same key it is made once only, however often it is tried
                within five minutes. One is made up when there is none.
            exclude: The public name of a client that does not get it.

        Raises:
            ConnectError: The server cannot be reached.
            ConnectRefusedError: It does not let this publisher publish, or is no realtime server.
            InvalidPublicationError: No message, no channel of such a name, or text that is not UTF-8.
            PublicationTooLargeError: The message is longer than the server takes.
            BrokerUnavailableError: The server could not publish it; see its ``outcome``.
            NoAnswerError: Nobody knows whether it was published; under the same key it may be tried again.
        """
        body: dict[str, Any] = {"channel": channel, "message": _text(message)}
        body["key"] = key or secrets.token_urlsafe(12)
        if exclude:
            body["exclude"] = exclude
        response = await self._post(json.dumps(body).encode())
        if response.code != 202:
            raise self._error(response)
        receipt = json.loads(response.body)
        position = Position(receipt["epoch"], receipt["offset"]) if "offset" in receipt else None
        return Published(position, receipt["written"], receipt["queued"], bool(receipt.get("repeated")))

    async def _post(self, body: bytes) -> HTTPResponse:
        if self._http is None:
            self._http = AsyncHTTPClient(force_instance=True)
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._secret:
            headers["X-Broadcast-Secret"] = self._secret
        request = HTTPRequest(
            self._url,
            "POST",
            headers,
            body,
            connect_timeout=self._timeout,
            request_timeout=self._timeout,
            follow_redirects=False,
            ssl_options=self._tls,
        )
        try:
            return await self._http.fetch(request, raise_error=False)
        except HTTPClientError as error:
            raise NoAnswerError(f"{self._url} did not answer: {error.message}") from error
        except (OSError, StreamClosedError) as error:
            raise ConnectError(f"{self._url} cannot be reached: {why(error)}") from error

    def _error(self, response: HTTPResponse) -> Exception:
        """What an answer means that is not 202."""
        told = _told(response)
        reason = told.get("reason", "") or reason_of(response)
        if response.code == 400:
            return InvalidPublicationError(reason)
        if response.code == 413:
            return PublicationTooLargeError(reason)
        seconds = retry_after(response)
        if response.code == 503 and "outcome" in told:
            return BrokerUnavailableError(reason, seconds or 1.0, told["outcome"])
        return ConnectRefusedError(response.code, reason, self._url, seconds)


def _text(message: str | bytes) -> str:
    try:
        return message if isinstance(message, str) else message.decode()
    except UnicodeDecodeError:
        raise InvalidPublicationError("the message is not UTF-8") from None


def _told(response: HTTPResponse) -> dict[str, Any]:
    try:
        found = json.loads(response.body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
