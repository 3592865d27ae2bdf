"""FastCGI records as bytes (FastCGI Specification 1.0, sections 3 to 6); no input or output here.

One request is spoken over one connection and always has the id 1: php-fpm answers one request at a time
anyway (``FCGI_MPXS_CONNS`` is 0), and a connection kept open would pin a worker to us while it is idle.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

from tornado_realtime.errors import GatewayError, HandlerError

VERSION = 1
REQUEST_ID = 1
RESPONDER = 1
MAX_CONTENT_BYTES = 65535

_HEADER = struct.Struct(">BBHHBx")
_BEGIN_BODY = struct.Struct(">HB5x")
_END_BODY = struct.Struct(">IB3x")
_LONG_LENGTH = struct.Struct(">I")
_LONG_BIT = 0x80000000
_SHORT_LENGTH_LIMIT = 0x7F


class RecordKind(IntEnum):
    """The types of section 8; a record of another type that belongs to a request is an error."""

    BEGIN_REQUEST = 1
    ABORT_REQUEST = 2
    END_REQUEST = 3
    PARAMS = 4
    STDIN = 5
    STDOUT = 6
    STDERR = 7


class EndStatus(IntEnum):
    """How the application server ended a request (section 5.5)."""

    COMPLETE = 0
    CANNOT_MULTIPLEX = 1
    OVERLOADED = 2
    UNKNOWN_ROLE = 3


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a request, padding taken off."""

    kind: RecordKind
    content: bytes


def encode_record(kind: RecordKind, content: bytes = b"") -> bytes:
    """One record of request 1; ``content`` is at most 65535 bytes."""
    return _HEADER.pack(VERSION, kind, REQUEST_ID, len(content), 0) + content


def encode_begin() -> bytes:
    """Ask for the role of a responder; the application closes the connection afterwards (5.1)."""
    return encode_record(RecordKind.BEGIN_REQUEST, _BEGIN_BODY.pack(RESPONDER, 0))


def encode_abort() -> bytes:
    """Tell the application that nobody waits for its answer any more (5.4)."""
    return encode_record(RecordKind.ABORT_REQUEST)


def encode_stdin(chunk: bytes) -> bytes:
    """A piece of the request body, of any length; nothing for an empty one, which would end the stream."""
    pieces = (chunk[at : at + MAX_CONTENT_BYTES] for at in range(0, len(chunk), MAX_CONTENT_BYTES))
    return b"".join(encode_record(RecordKind.STDIN, piece) for piece in pieces)


def encode_stdin_end() -> bytes:
    """The end of the request body (3.3: a stream ends with an empty record)."""
    return encode_record(RecordKind.STDIN)


def encode_params(params: Mapping[str, str]) -> bytes:
    """All variables of a request and the end of their stream (3.4, 5.2).

    A pair is never split over two records, because PHP reads each record on its own.

    Args:
        params: Names and values; sent as UTF-8, surrogate escapes as the bytes they stand for.

    Raises:
        HandlerError: 431 when one pair does not fit into a record.
    """
    records = [encode_record(RecordKind.PARAMS, content) for content in _packed(params)]
    return b"".join(records) + encode_record(RecordKind.PARAMS)


def _packed(params: Mapping[str, str]) -> Iterator[bytes]:
    content = bytearray()
    for name, value in params.items():
        pair = _encode_pair(_to_bytes(name), _to_bytes(value))
        if content and len(content) + len(pair) > MAX_CONTENT_BYTES:
            yield bytes(content)
            content.clear()
        content += pair
    if content:
        yield bytes(content)


def _encode_pair(name: bytes, value: bytes) -> bytes:
    pair = _encode_length(len(name)) + _encode_length(len(value)) + name + value
    if len(pair) > MAX_CONTENT_BYTES:
        raise HandlerError(431, "a request header is too long for PHP")
    return pair


def _encode_length(length: int) -> bytes:
    return bytes((length,)) if length <= _SHORT_LENGTH_LIMIT else _LONG_LENGTH.pack(length | _LONG_BIT)


def _to_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def decode_end(content: bytes) -> tuple[int, int]:
    """Exit code of the application and protocol status (5.5) of an END_REQUEST.

    Raises:
        GatewayError: 502 when the record is too short.
    """
    if len(content) < _END_BODY.size:
        raise GatewayError(502, "PHP ended a request with a broken record")
    app_status, protocol_status = _END_BODY.unpack_from(content)
    return app_status, protocol_status


class RecordDecoder:
    """Bytes of an application server to records; holds less than one record (65.8 kB) between calls."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Record]:
        """The records that ``data`` completes.

        Management records (request id 0, section 4) are dropped: we ask nothing, so they say nothing.

        Raises:
            GatewayError: 502 for another version, another request, or a record that only we may send.
        """
        self._buffer += data
        records: list[Record] = []
        at = 0
        while (end := self._record_end(at)) is not None:
            record = self._decode(at)
            if record is not None:
                records.append(record)
            at = end
        del self._buffer[:at]
        return records

    @property
    def pending(self) -> bool:
        """Whether an unfinished record is held."""
        return bool(self._buffer)

    def _record_end(self, at: int) -> int | None:
        if len(self._buffer) - at < _HEADER.size:
            return None
        _, _, _, length, padding = _HEADER.unpack_from(self._buffer, at)
        end: int = at + _HEADER.size + length + padding
        return end if end <= len(self._buffer) else None

    def _decode(self, at: int) -> Record | None:
        version, kind, request_id, length, _ = _HEADER.unpack_from(self._buffer, at)
        if version != VERSION:
            raise GatewayError(502, f"PHP answered with FastCGI version {version}")
        if request_id == 0:
            return None
        if request_id != REQUEST_ID or kind not in _ANSWERS:
            raise GatewayError(502, f"PHP sent a record of type {kind} for request {request_id}")
        start = at + _HEADER.size
        return Record(RecordKind(kind), bytes(self._buffer[start : start + length]))


_ANSWERS = frozenset({RecordKind.STDOUT, RecordKind.STDERR, RecordKind.END_REQUEST})
