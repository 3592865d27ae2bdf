"""The request as a site sees it: what was asked, by whom, and what rewrites have made of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from tornado.httputil import HTTPHeaders, HTTPInputError, RequestStartLine

# RFC 3986 section 3.2.2, brackets and colons anywhere; no comma, which only a doubled header would bring.
_HOST = re.compile(r"[A-Za-z0-9\-._~!$&'()*+;=%:\[\]]*")
_ABSOLUTE = re.compile(r"(https?)://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)


@dataclass(slots=True)
class SiteRequest:
    """One request; matchers and placeholders look at it, rewrites change it.

    Attributes:
        method: As sent, or as ``method`` made it.
        target: Current path, percent-encoded, without the query; ``*`` for ``OPTIONS *``.
        query: Current query, percent-encoded, without the question mark.
        headers: A copy of our own: changing it never changes how the body is read.
        version: ``HTTP/1.1`` or ``HTTP/1.0``.
        scheme: ``http`` or ``https``, of the connection to us.
        host: The Host header as sent; empty when an HTTP/1.0 client sent none.
        peer: Address of the socket's peer, never from a header; empty for a unix socket.
        peer_port: Its port; 0 for a unix socket.
        client_ip: ``peer``, or what a trusted proxy said of its own peer.
        server_port: Port the connection came in on; 0 for a unix socket.
        original_method: As sent.
        original_target: As sent.
        original_query: As sent.
    """

    method: str
    target: str
    query: str
    headers: HTTPHeaders
    version: str
    scheme: str
    host: str
    peer: str
    peer_port: int
    client_ip: str
    server_port: int
    original_method: str
    original_target: str
    original_query: str

    @property
    def path(self) -> str:
        """The target percent-decoded (UTF-8, other bytes as surrogate escapes), not cleaned otherwise."""
        return decode_path(self.target)

    @property
    def uri(self) -> str:
        """Target and query as they would stand in a request line."""
        return f"{self.target}?{self.query}" if self.query else self.target

    @property
    def host_name(self) -> str:
        """The host without port and brackets, in lower case."""
        return split_host(self.host)[0]

    def restore(self) -> None:
        """Undo every rewrite of method, path and query."""
        self.method = self.original_method
        self.target = self.original_target
        self.query = self.original_query


def decode_path(target: str) -> str:
    """Percent-decode a raw path; bytes that are not UTF-8 become surrogate escapes."""
    if "%" not in target and target.isascii():
        return target
    raw = unquote_to_bytes(target.encode("latin-1", "replace"))
    return raw.decode("utf-8", "surrogateescape")


def split_host(host: str) -> tuple[str, int | None]:
    """Split a Host header into a lower-case name without brackets and a port (None without one)."""
    name, colon, port = host.rpartition(":")
    if not colon or not (port.isdecimal() and port.isascii()) or (":" in name and not name.endswith("]")):
        name, port = host.rstrip(":") if host.count(":") == 1 else host, ""
    return name.strip("[]").lower(), int(port) if port else None


def parse_target(raw: str) -> tuple[str, str, str | None]:
    """Split a request target (RFC 9112 section 3.2) into path, query and, in absolute form, the authority.

    Raises:
        HTTPInputError: If it is neither a path, an http URL, nor ``*``.
    """
    authority: str | None = None
    if absolute := _ABSOLUTE.fullmatch(raw):
        authority, raw = absolute.group(2), absolute.group(3) or "/"
        raw = raw if raw.startswith("/") else "/" + raw
    if raw != "*" and not raw.startswith("/"):
        raise HTTPInputError("unusable request target")
    path, _, query = raw.partition("?")
    return path, query, authority


def parse_host(headers: HTTPHeaders, version: str, authority: str | None) -> str:
    """The host that is asked for (RFC 9112 section 3.2: a URL in the request line beats the header).

    Raises:
        HTTPInputError: If Host is missing in HTTP/1.1, there twice, or not a host.
    """
    sent = headers.get_list("Host")
    if len(sent) > 1 or (not sent and version != "HTTP/1.0"):
        raise HTTPInputError("exactly one Host header is needed")
    host = authority if authority is not None else (sent[0] if sent else "")
    if not _HOST.fullmatch(host):
        raise HTTPInputError("invalid Host header")
    return host


def read_request(
    start_line: RequestStartLine,
    headers: HTTPHeaders,
    scheme: str,
    peer: tuple[str, int],
    client_ip: str,
    server_port: int,
) -> SiteRequest:
    """Judge a request's head once and make it a SiteRequest with headers of its own.

    Raises:
        HTTPInputError: If the target or the Host header cannot be used.
    """
    target, query, authority = parse_target(start_line.path)
    host = parse_host(headers, start_line.version, authority)
    own = headers.copy()
    if authority is not None:
        own["Host"] = host
    return SiteRequest(
        method=start_line.method,
        target=target,
        query=query,
        headers=own,
        version=start_line.version,
        scheme=scheme,
        host=host,
        peer=peer[0],
        peer_port=peer[1],
        client_ip=client_ip,
        server_port=server_port,
        original_method=start_line.method,
        original_target=target,
        original_query=query,
    )
