"""Every error this package raises on purpose, as one tree.

::

    RealtimeError
    ├── ConfigError               a configuration that cannot be used: file, line, message
    ├── ProtocolError             the peer broke the protocol: carries the close code to answer with
    ├── HandshakeError            an upgrade request that is refused: carries the HTTP answer
    ├── AuthError                 who is this?
    │   ├── AuthRefusedError        the application said no (401)
    │   ├── AuthUnavailableError    the application could not be asked (502)
    │   ├── AuthTimeoutError        the application took too long (504)
    │   ├── AuthBusyError           the application is spared now, try again (503)
    │   └── AuthInvalidError        the application's answer makes no sense (500)
    ├── PublishError              a publication that was not taken
    │   ├── PublicationTooLargeError  above max_publication_size (413)
    │   └── InvalidPublicationError   no channel, no message, not UTF-8 (400)
    ├── QuestionError             what an application asks for makes no sense, or is not there (400, 404, 410)
    ├── BrokerError
    │   ├── BrokerUnavailableError  cannot publish now, try again (503)
    │   └── BrokerClosedError       publishing after close
    ├── ListenError               an address that cannot be listened on (server only)
    ├── BenchError                a measurement that could not be made (bench only)
    ├── ClientError               a client of a server (tornado_realtime.client)
    │   ├── ConnectError            the server cannot be reached, or is none
    │   ├── ConnectRefusedError     it does not let this client in: carries the HTTP status
    │   ├── RequestError            it answered with an error: carries its code
    │   ├── NoAnswerError           the answer did not come in time: perhaps it was done
    │   └── DisconnectedError       it ended the connection for good: carries the close code
    ├── ConnectionClosedError     writing to a connection that is closing or closed
    └── HandlerError              a step of a site's chain failed with an HTTP status (site only)
        └── GatewayError            PHP or another upstream did not answer properly
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

Outcome = Literal["rejected", "unknown"]

_CONTROLS = {code: ascii(chr(code))[1:-1] for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)}


class RealtimeError(Exception):
    """Base of all errors of this package."""


class ConfigError(RealtimeError):
    """A configuration that cannot be used.

    Args:
        message: What is wrong and, where there is one, the way out. No full stop needed. It is kept as one
            line: control characters, which a word of the file may have, are escaped.
        file: File as the user named it; empty when the setting did not come from a file.
        line: 1-based line in ``file``, 0 when unknown.
        chain: Where the text was imported from, nearest first, each as ``FILE:LINE (import NAME)``.
    """

    def __init__(self, message: str, file: str = "", line: int = 0, chain: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message.translate(_CONTROLS)
        self.file = file
        self.line = line
        self.chain = tuple(chain)

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.line else f"{self.file}: "
        chain = "".join(f"\n  imported at {link}" for link in self.chain)
        return (place if self.file else "") + self.message + chain


class ProtocolError(RealtimeError):
    """The peer broke the WebSocket protocol (RFC 6455).

    Args:
        code: Close code to answer with (RFC 6455 section 7.4.1): 1002, 1007 or 1009.
        reason: For our log; nothing of it is sent.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


class HandshakeError(RealtimeError):
    """An upgrade request that cannot be accepted.

    Args:
        status: HTTP status to answer with: 400, 403 or 405.
        reason: For our log and for whoever reads the answer's body.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason


class AuthError(RealtimeError):
    """It is not known who this is; ``status`` is the HTTP answer."""

    status = 500


class AuthRefusedError(AuthError):
    """The application does not know this visitor.

    Args:
        reason: For our log.
        kind: For what is counted: ``missing`` (nothing was shown), ``token`` (a bad one), ``expired``,
            ``revoked``, or ``application`` (it said no).
    """

    status = 401

    def __init__(self, reason: str, kind: str = "application") -> None:
        super().__init__(reason)
        self.kind = kind


class AuthUnavailableError(AuthError):
    """The application could not be asked."""

    status = 502


class AuthTimeoutError(AuthError):
    """The application took longer than ``auth_timeout``."""

    status = 504


class AuthBusyError(AuthError):
    """The application is spared now: it is down, or too many wait.

    Args:
        reason: For our log.
        retry_after: Seconds from now on.
    """

    status = 503

    def __init__(self, reason: str, retry_after: float) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class AuthInvalidError(AuthError):
    """The application answered, but not with a user."""

    status = 500


class PublishError(RealtimeError):
    """A publication that was not taken; nobody got it."""


class InvalidPublicationError(PublishError):
    """No channel, no message, or text that is not UTF-8."""


class PublicationTooLargeError(PublishError):
    """A message longer than ``max_publication_size``."""


class BrokerError(RealtimeError):
    """A broker cannot do what it was asked.

    Attributes:
        outcome: What became of the publication. ``rejected``: nobody got it, and nobody will.
            ``unknown``: it may have arrived or may still arrive, at most once.
    """

    outcome: Outcome = "rejected"


class BrokerUnavailableError(BrokerError):
    """The broker cannot take publications now; ``retry_after`` seconds from now it may.

    Args:
        reason: For whoever published, and for the log.
        retry_after: Seconds.
        outcome: See BrokerError.
    """

    def __init__(self, reason: str, retry_after: float = 1.0, outcome: Outcome = "rejected") -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after
        self.outcome = outcome


class BrokerClosedError(BrokerError):
    """The broker was closed, or not started yet."""


class ListenError(RealtimeError):
    """An address that cannot be listened on."""


class BenchError(RealtimeError):
    """A measurement that could not be made, or does not count."""


class ClientError(RealtimeError):
    """Something that a client of a server was asked for cannot be done."""


class ConnectError(ClientError):
    """The server cannot be reached, or what answers there is none."""


class ConnectRefusedError(ClientError):
    """The server does not let this client in.

    Args:
        status: HTTP status: 401 for the login, 403 for the origin, 429 and 503 where there is no room.
        reason: The server's words.
        url: Whose.
        retry_after: Seconds after which it is worth to try again; 0 if the server did not say.
    """

    def __init__(self, status: int, reason: str, url: str, retry_after: float = 0.0) -> None:
        super().__init__(f"{url} answered {status} {reason}".rstrip())
        self.status = status
        self.reason = reason
        self.url = url
        self.retry_after = retry_after


class RequestError(ClientError):
    """The server answered a request with an error, or ended a subscription.

    Args:
        code: What it is (docs/realtime-v1.md V7, and V4 for subscriptions that ended).
        reason: The server's words.
        channel: About which; empty for none.
        retry: Whether the same request may succeed later.
        after: Seconds after which that is worth a try; 0 if the server did not say.
    """

    def __init__(
        self, code: int, reason: str, channel: str = "", *, retry: bool = False, after: float = 0.0
    ) -> None:
        super().__init__(f"{reason} ({code})" + (f" on channel {channel}" if channel else ""))
        self.code = code
        self.reason = reason
        self.channel = channel
        self.retry = retry
        self.after = after


class NoAnswerError(ClientError):
    """The answer did not come in time: what was asked for may have been done, or not."""


class DisconnectedError(ClientError):
    """The server ended the connection and does not want this client back.

    Args:
        code: Of its close frame (docs/realtime-v1.md V8).
        reason: The server's words.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"the server ended the connection: {reason} ({code})")
        self.code = code
        self.reason = reason


class QuestionError(RealtimeError):
    """A question of the application that cannot be answered.

    Args:
        reason: For whoever asks.
        status: HTTP status of the answer.
        more: What the answer says beside the reason.
    """

    def __init__(self, reason: str, status: int = 400, **more: object) -> None:
        super().__init__(reason)
        self.status = status
        self.more = more


class ConnectionClosedError(RealtimeError):
    """The connection is closing or closed."""


class HandlerError(RealtimeError):
    """A step of a site's chain failed; ``handle_errors`` or an empty answer follows.

    Args:
        status: HTTP status for the visitor, 400..599.
        reason: For the log and ``{err.message}``.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class GatewayError(HandlerError):
    """An upstream of the site (PHP, a proxied server) failed with 502, 503 or 504."""
