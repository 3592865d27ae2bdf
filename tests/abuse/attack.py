"""Sockets that send exactly the bytes they are told to, in any state of disorder."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache

from tests.abuse.victim import Victim

PATIENCE = 15.0
"""Longer than any time limit of the victim."""


def dial(victim: Victim, *, tls: bool = False, buffer_bytes: int = 0) -> socket.socket:
    """A connected socket; with small buffers, if asked for."""
    sock = socket.socket()
    sock.settimeout(PATIENCE)
    if buffer_bytes:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
    sock.connect(("127.0.0.1", victim.tls if tls else victim.plain))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return _context().wrap_socket(sock, server_hostname="localhost") if tls else sock


@cache
def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@contextmanager
def dialled(victim: Victim, *, tls: bool = False, buffer_bytes: int = 0) -> Iterator[socket.socket]:
    """The same, closed at the end."""
    with dial(victim, tls=tls, buffer_bytes=buffer_bytes) as sock:
        yield sock


def send(sock: socket.socket, data: bytes) -> bool:
    """Send all of it; False if the server had enough before."""
    try:
        sock.sendall(data)
    except (ConnectionError, ssl.SSLError):
        return False
    return True


def hear(sock: socket.socket) -> bytes:
    """Everything up to the end of the connection, which the server makes."""
    heard = b""
    with suppress(ConnectionError, ssl.SSLError):
        while data := sock.recv(65536):
            heard += data
    return heard


def say(victim: Victim, *pieces: bytes, tls: bool = False) -> bytes:
    """Everything that comes back for these pieces on one connection."""
    with dialled(victim, tls=tls) as sock:
        for piece in pieces:
            if not send(sock, piece):
                break
        return hear(sock)


def reset(sock: socket.socket) -> None:
    """End the connection with a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def statuses(heard: bytes) -> list[int]:
    """The status of each answer; the last one may end with the connection."""
    found = []
    while heard:
        head, _, rest = heard.partition(b"\r\n\r\n")
        version, status = head.split(b" ", 2)[:2]
        assert version == b"HTTP/1.1", heard
        found.append(int(status))
        length = _length(head, int(status))
        heard = b"" if length is None else rest[length:]
    return found


def _length(head: bytes, status: int) -> int | None:
    """How long the body is; None for up to the end of the connection."""
    lengths = [
        int(line.partition(b":")[2])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    ]
    assert len(lengths) <= 1, head
    return lengths[0] if lengths else 0 if status == 100 else None
