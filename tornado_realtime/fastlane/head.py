"""The head of a request, read strictly: what is odd in any way is not for the lane.

Nothing here refuses a request. Whatever is not plainly one of the shapes that the lane serves is left,
unread byte for unread byte, to Tornado's HTTP server, which is the one that knows RFC 9112 as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

LINE = b"\r\n"
_CR, _LF = LINE
END = b"\r\n\r\n"

# Any other control character, and every byte above ASCII, makes a head odd.
_PLAIN = b"\t\r\n" + bytes(range(0x20, 0x7F))
# The plainest of what RFC 3986 section 3.2.2 allows: a name or IPv4 address, or a bracketed IPv6 one.
_HOST = re.compile(r"(?:[A-Za-z0-9.\-]+|\[[0-9a-fA-F:.]+\])(?::[0-9]{1,5})?")
_LENGTH = re.compile(r"[0-9]{1,8}")

_COMMON = frozenset(
    {"host", "user-agent", "accept", "accept-encoding", "accept-language", "cache-control", "pragma"}
)
PUBLISH_FIELDS = _COMMON | {"content-length", "content-type", "connection", "x-broadcast-secret"}
"""What a publish request may carry; fields of proxies and browsers, above all, are for Tornado."""

UPGRADE_FIELDS = _COMMON | {
    "authorization",
    "connection",
    "cookie",
    "dnt",
    "origin",
    "priority",
    "sec-ch-ua",
    "sec-ch-ua-mobile",
    "sec-ch-ua-platform",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "sec-gpc",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
    "upgrade",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
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

    @property
    def has_plain_host(self) -> bool:
        """Whether Host is there and of the plainest form."""
        return _HOST.fullmatch(self.get("host")) is not None

    @property
    def has_length(self) -> bool:
        """Whether Content-Length is there and plainly a number below 10^8."""
        return _LENGTH.fullmatch(self.get("content-length")) is not None


def read_fields(lines: bytes, known: frozenset[str]) -> Fields | None:
    """Read the header lines of a head, request line and final empty line taken off.

    Args:
        lines: Lines joined by CR LF.
        known: Names of the fields that may occur, in lower case.

    Returns:
        None if anything is odd: a byte that is no visible ASCII, a bare CR or LF, a field that is
        unknown or there twice, white space before a colon, a folded line.
    """
    if lines.translate(None, _PLAIN) or not _has_whole_line_ends(lines):
        return None
    values: dict[str, str] = {}
    for line in lines.decode("ascii").split("\r\n"):
        name, colon, value = line.partition(":")
        name = name.lower()
        if not colon or name not in known or name in values:
            return None
        values[name] = value.strip(" \t")
    return Fields(values)


def _has_whole_line_ends(lines: bytes) -> bool:
    return lines.count(_CR) == lines.count(_LF) == lines.count(LINE)


def may_go_on(begun: bytes, known: frozenset[str]) -> bool:
    """Whether header lines that break off anywhere may still become such as ``read_fields`` reads.

    Args:
        begun: What is there of them.
        known: Names of the fields that may occur, in lower case.
    """
    lines, _, rest = begun.rpartition(LINE)
    last = rest.removesuffix(b"\r")
    if b":" in last:
        return read_fields(begun.removesuffix(b"\r"), known) is not None
    if last and (last != rest or not _begins_one(last.decode("latin-1").lower(), known)):
        return False
    return not lines or read_fields(lines, known) is not None


def _begins_one(start: str, known: frozenset[str]) -> bool:
    return any(name.startswith(start) for name in known)
