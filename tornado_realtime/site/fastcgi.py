"""What a FastCGI responder answers, as events: head, body, log lines, end; no input or output here.

The content of STDOUT is a CGI answer: header lines, an empty line, the body (RFC 3875 section 6).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from tornado_realtime.errors import GatewayError
from tornado_realtime.site.fastcgi_wire import EndStatus, Record, RecordDecoder, RecordKind, decode_end
from tornado_realtime.site.php_log import LineSplitter

MAX_HEAD_BYTES = 64 * 1024

_HEAD_END = re.compile(rb"\r?\n\r?\n")
_HEAD_END_BYTES = 4
_FIELD = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")
_STATUS = re.compile(r"([2-5][0-9][0-9])(?: .*)?")
_LENGTH = re.compile(r"[0-9]{1,18}")
# RFC 3875 section 6.3.4 and RFC 9110 section 7.6.1: these speak of the connection, which is ours.
_CONNECTION_FIELDS = frozenset(
    ("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade")
)


@dataclass(frozen=True, slots=True)
class CgiHead:
    """The head of an answer.

    Attributes:
        status: 200..599.
        fields: Header fields in order, repeated ones repeated; ``Status``, ``Content-Length`` and what speaks
            of the connection are left out. Values are text in ISO 8859-1.
        content_length: Length of the body in bytes as the script announced it, else None.
    """

    status: int
    fields: tuple[tuple[str, str], ...]
    content_length: int | None = None


@dataclass(frozen=True, slots=True)
class CgiBody:
    """A piece of the body, not empty."""

    data: bytes


@dataclass(frozen=True, slots=True)
class CgiLogLine:
    """A line that the script, or PHP about it, wrote to the error stream."""

    text: str


@dataclass(frozen=True, slots=True)
class CgiEnd:
    """The answer is complete; nothing follows."""

    app_status: int


CgiEvent: TypeAlias = CgiHead | CgiBody | CgiLogLine | CgiEnd


def parse_head(text: bytes) -> CgiHead:
    """Read the header lines of a CGI answer (RFC 3875 section 6.2 and 6.3).

    ``Location`` without ``Status`` means 302 (6.2.3); no ``Status`` otherwise means 200.

    Raises:
        GatewayError: 502 when a line is no header field, a status is not 200..599, or lengths contradict.
    """
    fields = [_parse_field(line.removesuffix("\r")) for line in text.decode("latin-1").split("\n")]
    kept = tuple(field for field in fields if field[0].lower() not in _OURS)
    return CgiHead(_status(fields), kept, _content_length(fields))


_OURS = _CONNECTION_FIELDS | {"status", "content-length"}


def _parse_field(line: str) -> tuple[str, str]:
    match = _FIELD.fullmatch(line)
    if match is None:
        raise GatewayError(502, "PHP sent a broken header line")
    return match[1], match[2].rstrip(" \t")


def _values(fields: list[tuple[str, str]], name: str) -> list[str]:
    return [value for key, value in fields if key.lower() == name]


def _status(fields: list[tuple[str, str]]) -> int:
    stated = _values(fields, "status")
    if not stated:
        return 302 if _values(fields, "location") else 200
    match = _STATUS.fullmatch(stated[0])
    if match is None or len(stated) > 1:
        raise GatewayError(502, "PHP sent a status that is none")
    return int(match[1])


def _content_length(fields: list[tuple[str, str]]) -> int | None:
    stated = set(_values(fields, "content-length"))
    if not stated:
        return None
    value = stated.pop()
    if stated or not _LENGTH.fullmatch(value):
        raise GatewayError(502, "PHP sent a Content-Length that is none")
    return int(value)


class CgiReader:
    """Bytes from a FastCGI responder to events, in the order in which they came.

    Holds at most a record, a head (64 KiB) and a log line between calls.
    """

    def __init__(self) -> None:
        self._records = RecordDecoder()
        self._lines = LineSplitter()
        self._head = bytearray()
        self._head_done = False
        self._ended = False

    @property
    def ended(self) -> bool:
        """Whether the answer is complete."""
        return self._ended

    def feed(self, data: bytes) -> list[CgiEvent]:
        """The events that ``data`` completes; exactly one CgiHead comes before the first CgiBody.

        Raises:
            GatewayError: 502 when it is no valid answer; 503 when the responder says that it is overloaded.
        """
        events: list[CgiEvent] = []
        for record in self._records.feed(data):
            self._take(record, events)
        return events

    def feed_eof(self) -> None:
        """The connection ended.

        Raises:
            GatewayError: 502 when the answer was not complete.
        """
        if not self._ended:
            raise GatewayError(502, "PHP closed the connection in the middle of its answer")

    def _take(self, record: Record, events: list[CgiEvent]) -> None:
        if self._ended:
            raise GatewayError(502, "PHP went on after the end of its answer")
        if record.kind is RecordKind.STDOUT:
            self._take_output(record.content, events)
        elif record.kind is RecordKind.STDERR:
            events += map(CgiLogLine, self._lines.feed(record.content))
        else:
            self._take_end(record.content, events)

    def _take_output(self, content: bytes, events: list[CgiEvent]) -> None:
        body = content if self._head_done else self._take_head(content, events)
        if body:
            events.append(CgiBody(body))

    def _take_head(self, content: bytes, events: list[CgiEvent]) -> bytes:
        seen = max(0, len(self._head) - _HEAD_END_BYTES + 1)
        self._head += content
        end = _HEAD_END.search(self._head, seen)
        if (end.start() if end else len(self._head)) > MAX_HEAD_BYTES:
            raise GatewayError(502, f"PHP sent more than {MAX_HEAD_BYTES} bytes of headers")
        if end is None:
            return b""
        events.append(parse_head(bytes(self._head[: end.start()])))
        body = bytes(self._head[end.end() :])
        self._head_done = True
        self._head.clear()
        return body

    def _take_end(self, content: bytes, events: list[CgiEvent]) -> None:
        app_status, protocol_status = decode_end(content)
        if protocol_status == EndStatus.OVERLOADED:
            raise GatewayError(503, "PHP is overloaded")
        if protocol_status != EndStatus.COMPLETE:
            raise GatewayError(502, f"PHP refused the request (FastCGI status {protocol_status})")
        if not self._head_done:
            raise GatewayError(502, "PHP answered without a head")
        events += map(CgiLogLine, self._lines.flush())
        events.append(CgiEnd(app_status))
        self._ended = True
