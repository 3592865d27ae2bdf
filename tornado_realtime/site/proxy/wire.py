"""HTTP/1.1 as a client speaks it, without input or output (RFC 9112)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from tornado.httputil import HTTPHeaders, HTTPInputError, parse_response_start_line

from tornado_realtime.errors import GatewayError
from tornado_realtime.site.responder import bodiless, clean_headers

MAX_HEAD_BYTES = 64 * 1024
MAX_LINE_BYTES = 256

# RFC 9110 section 7.6.1: these speak of one connection only; what Connection names beside them does, too.
_HOP_BY_HOP = frozenset(
    (
        "Connection",
        "Keep-Alive",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "Proxy-Connection",
        "Te",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
    )
)
_LENGTH = re.compile(r"[0-9]{1,18}")
_CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")


class Framing(Enum):
    """How the end of a body is told."""

    NONE = "none"
    LENGTH = "length"
    CHUNKED = "chunked"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class UpstreamHead:
    """The head of an upstream's answer.

    Attributes:
        status: 101, or 200..999.
        headers: As sent.
        framing: How the end of the body is told.
        length: Bytes, for `Framing.LENGTH`.
        keeps_alive: Whether another request may follow on this connection.
    """

    status: int
    headers: HTTPHeaders
    framing: Framing
    length: int
    keeps_alive: bool


def end_to_end(headers: HTTPHeaders) -> HTTPHeaders:
    """A clean copy without the fields that speak of one connection only."""
    options = {word.strip().lower() for line in headers.get_list("Connection") for word in line.split(",")}
    kept = HTTPHeaders()
    for name, value in clean_headers(headers).get_all():
        if name not in _HOP_BY_HOP and name.lower() not in options:
            kept.add(name, value)
    return kept


def is_upgrade(headers: HTTPHeaders) -> bool:
    """Whether a request or an answer speaks of an upgrade (RFC 9110 section 7.8)."""
    options = {word.strip().lower() for line in headers.get_list("Connection") for word in line.split(",")}
    return "upgrade" in options and bool(headers.get("Upgrade"))


def encode_request(method: str, target: str, headers: HTTPHeaders) -> bytes:
    """The head of a request; ``headers`` must be clean and tell how the body is framed."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.get_all())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def encode_chunk(piece: bytes) -> bytes:
    """A piece of a body without announced length; an empty one ends it."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)


def parse_chunk_size(line: bytes) -> int:
    """Size of the chunk that follows; 0 at the end.

    Raises:
        GatewayError: 502, if the line is none.
    """
    found = _CHUNK_SIZE.fullmatch(line)
    if found is None:
        raise GatewayError(502, "the upstream sent a chunk without a size")
    return int(found.group(1), 16)


def parse_head(data: bytes, method: str) -> UpstreamHead:
    """Read an answer's head.

    Args:
        data: Up to and including the empty line.
        method: Of the request.

    Raises:
        GatewayError: 502, if it is not one, or contradicts itself about the body's length.
    """
    first, _, rest = data.decode("latin-1").lstrip("\r\n").partition("\n")
    try:
        line = parse_response_start_line(first.rstrip("\r"))
        headers = HTTPHeaders.parse(rest)
    except HTTPInputError as exc:
        raise GatewayError(502, "the upstream's answer is not HTTP") from exc
    framing, length = _framing(method, line.code, headers)
    alive = framing is not Framing.CLOSE and _keeps_alive(line.version, headers)
    return UpstreamHead(line.code, headers, framing, length, alive)


def _framing(method: str, status: int, headers: HTTPHeaders) -> tuple[Framing, int]:
    """RFC 9112 section 6.3, but whoever says two things at once is not believed."""
    codings, lengths = headers.get_list("Transfer-Encoding"), headers.get_list("Content-Length")
    if codings and (lengths or [coding.lower() for coding in codings] != ["chunked"]):
        raise GatewayError(502, "the upstream's answer has an unclear length")
    if bodiless(method, status):
        return Framing.NONE, 0
    if codings:
        return Framing.CHUNKED, 0
    if not lengths:
        return Framing.CLOSE, 0
    values = {value.strip() for line in lengths for value in line.split(",")}
    if len(values) != 1 or not all(_LENGTH.fullmatch(value) for value in values):
        raise GatewayError(502, "the upstream's answer has an unclear length")
    return Framing.LENGTH, int(values.pop())


def _keeps_alive(version: str, headers: HTTPHeaders) -> bool:
    options = {word.strip().lower() for line in headers.get_list("Connection") for word in line.split(",")}
    return "close" not in options if version == "HTTP/1.1" else "keep-alive" in options
