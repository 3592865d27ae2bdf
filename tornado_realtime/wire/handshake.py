"""The opening handshake (RFC 6455 section 4.2): what is accepted, and the finished head of the 101.

Requests are judged in the order, and refused with the statuses, that clients in the field know.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha1
from typing import Protocol

from tornado_realtime.errors import HandshakeError

VERSION = "13"
"""The only version of the protocol there is; refusals carry it as ``Sec-WebSocket-Version`` (section 4.4)."""

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TOKEN = re.compile(r"[!#$%&'*+\-.0-9A-Z^_`a-z|~]+")  # RFC 9110 section 5.6.2
_KEY = re.compile(r"[0-9A-Za-z+/]{22}==")
"""Base64 of 16 bytes (section 4.1)."""


class Headers(Protocol):
    """What is needed of Tornado's ``HTTPHeaders``."""

    def get_list(self, name: str, /) -> list[str]:
        """All values of the header ``name``, one for each time it was sent."""
        ...


def check_upgrade(method: str, headers: Headers, version: str = "HTTP/1.1") -> str:
    """Judge an upgrade request (sections 4.1 and 4.2.1).

    The origin is not judged here: see ``origins``.

    Args:
        method: The request's method.
        headers: The request's headers.
        version: The request's HTTP version, as in its first line.

    Returns:
        The value of ``Sec-WebSocket-Accept``.

    Raises:
        HandshakeError: 405 for another method than GET, 400 for anything else that is wrong.
    """
    if not _has_token(headers.get_list("Connection"), "upgrade"):
        raise HandshakeError(400, "Connection does not name upgrade")
    if not _has_token(headers.get_list("Upgrade"), "websocket"):
        raise HandshakeError(400, "Upgrade does not name websocket")
    if method != "GET":
        raise HandshakeError(405, f"method is not GET: {method}")
    if version != "HTTP/1.1":
        raise HandshakeError(400, f"HTTP/1.1 is needed, not {version}")
    if not _has_token(headers.get_list("Sec-WebSocket-Version"), VERSION):
        raise HandshakeError(400, f"Sec-WebSocket-Version is not {VERSION}")
    keys = headers.get_list("Sec-WebSocket-Key")
    if len(keys) != 1 or not _KEY.fullmatch(keys[0]):
        raise HandshakeError(400, "Sec-WebSocket-Key is not the base64 of 16 bytes")
    return accept_value(keys[0])


def accept_value(key: str) -> str:
    """The value of ``Sec-WebSocket-Accept`` that proves that ``key`` was understood (section 4.2.2)."""
    return b64encode(sha1((key + _GUID).encode(), usedforsecurity=False).digest()).decode()


def offered_protocols(headers: Headers) -> list[str]:
    """The subprotocols that a client offers (section 4.1), in its order; what is no token is passed over."""
    lines = headers.get_list("Sec-WebSocket-Protocol")
    names = (item.strip(" \t") for line in lines for item in line.split(","))
    return [name for name in names if _TOKEN.fullmatch(name)]


def response_101(accept: str, subprotocol: str | None = None, cookie: str = "") -> bytes:
    """The finished head of the answer that opens a WebSocket; no extension is ever agreed to.

    Args:
        accept: What ``check_upgrade`` returned.
        subprotocol: One of those the client offered; None names none.
        cookie: The value of a Set-Cookie; empty for none.
    """
    protocol = f"Sec-WebSocket-Protocol: {subprotocol}\r\n" if subprotocol else ""
    keep = f"Set-Cookie: {cookie}\r\n" if cookie else ""
    return (
        "HTTP/1.1 101 Switching Protocols\r\n"
        "Upgrade: websocket\r\n"
        "Connection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\n{protocol}{keep}\r\n"
    ).encode("ascii")


def _has_token(lines: Sequence[str], wanted: str) -> bool:
    """Whether a header whose values are ``lines`` lists ``wanted``, in any case of letters.

    A line counts up to the first thing in it that is no token.
    """
    for line in lines:
        if line.lower() == wanted:  # what nearly everybody sends
            return True
        for item in line.split(","):
            token = item.strip(" \t")
            if not _TOKEN.fullmatch(token):
                break
            if token.lower() == wanted:
                return True
    return False
