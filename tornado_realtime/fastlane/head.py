"""The head of a request, read strictly: what is odd in any way is not for the lane.

Nothing here refuses a request. Whatever is not plainly one of the shapes that the lane serves is left,
unread byte for unread byte, to Tornado's HTTP server, which is the one that knows RFC 9112 as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

END = b"\r\n\r\n"
HEAD_BYTES = 16 * 1024

# A control character, a byte above ASCII, or half a line break anywhere makes a head odd.
_ODD = re.compile(rb"[^\t\r\n\x20-\x7e]|\r(?!\n)|(?<!\r)\n")

_COMMON = frozenset(
    {b"host", b"user-agent", b"accept", b"accept-encoding", b"accept-language", b"cache-control", b"pragma"}
)
PUBLISH_FIELDS = _COMMON | {b"content-length", b"content-type", b"connection", b"x-broadcast-secret"}
"""What a publish request may carry; fields of proxies and browsers, above all, are for Tornado."""

UPGRADE_FIELDS = _COMMON | {
    b"authorization",
    b"connection",
    b"cookie",
    b"dnt",
    b"origin",
    b"priority",
    b"sec-ch-ua",
    b"sec-ch-ua-mobile",
    b"sec-ch-ua-platform",
    b"sec-fetch-dest",
    b"sec-fetch-mode",
    b"sec-fetch-site",
    b"sec-gpc",
    b"sec-websocket-extensions",
    b"sec-websocket-key",
    b"sec-websocket-version",
    b"upgrade",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-proto",
    b"x-real-ip",
}
"""What a WebSocket handshake may carry."""


class Fields:
    """Header fields, each at most once; looks to its readers like Tornado's ``HTTPHeaders``.

    Args:
        values: By name in lower case.
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def get_list(self, name: str) -> list[str]:
        """The values of a field: none or one."""
        value = self._values.get(name.lower())
        return [] if value is None else [value]

    def get(self, name: str, default: str = "") -> str:
        """The value of a field."""
        return self._values.get(name.lower(), default)

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)


@dataclass(frozen=True, slots=True)
class Head:
    """A head that is not odd.

    Attributes:
        fields: Its header fields.
        body_bytes: What Content-Length says; 0 without one.
        keeps_alive: Whether another request may follow on this connection.
    """

    fields: Fields
    body_bytes: int
    keeps_alive: bool


def read_head(lines: bytes, known: frozenset[bytes]) -> Head | None:
    """Read the header lines of a head, request line and final empty line taken off.

    Args:
        lines: Lines joined by CR LF.
        known: Names of the fields that may occur, in lower case.

    Returns:
        None if anything is odd: a byte that is no visible ASCII, a bare CR or LF, a field that is
        unknown or there twice, white space before a colon, a folded line, an odd Content-Length.
    """
    if _ODD.search(lines):
        return None
    values: dict[str, str] = {}
    for line in lines.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        name = name.lower()
        if name not in known or not colon:
            return None
        key = name.decode("ascii")
        if key in values:
            return None
        values[key] = value.strip(b" \t").decode("ascii")
    length = values.get("content-length", "0")
    if not (length.isdigit() and len(length) <= 8) or "host" not in values:
        return None
    connection = values.get("connection", "keep-alive").lower()
    return Head(Fields(values), int(length), connection != "close")
