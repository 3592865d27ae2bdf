"""Clients that go in the middle of anything: half closed, or with a reset."""

from __future__ import annotations

import socket

import pytest

from tests.abuse.attack import dial, reset, send
from tests.abuse.test_smuggling import CHUNKED, HOST
from tests.abuse.victim import Victim, many
from tests.support.lane_requests import PAGE, PUBLISH, UPGRADE, head
from tests.unit.wire.client_frames import TEXT, client_frame

JOIN = client_frame(b'{"action":"subscribe","channel":"steady"}')
STEPS: dict[str, bytes] = {
    "nothing": b"",
    "half a line": PAGE[:9],
    "half a head": PAGE[:-3],
    "a request": PAGE,
    "many requests": PAGE * 20,
    "half a publish request": PUBLISH[:80],
    "half a publish body": PUBLISH[:-5],
    "publish requests": PUBLISH * 20,
    "half a body": head("POST /page HTTP/1.1", HOST, "Content-Length: 100000") + b"x" * 1000,
    "half a chunk": head("POST /up/x HTTP/1.1", HOST, CHUNKED) + b"ff\r\nhello",
    "half a handshake": UPGRADE[:-9],
    "a handshake": UPGRADE,
    "half a frame": UPGRADE + JOIN[:9],
    "half a message": UPGRADE + client_frame(b"{", TEXT, fin=False),
    "subscriptions": UPGRADE + JOIN * 20,
    "bad frames": UPGRADE + b"\xff\xff" * 20,
}


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("half", [False, True], ids=["reset", "half closed"])
def test_gone_in_the_middle(victim: Victim, tls: bool, half: bool) -> None:
    with victim.unharmed():
        for step in STEPS.values():
            for _ in range(many(4)):
                sock = dial(victim, tls=tls)
                send(sock, step)
                leave(sock, half=half)


def leave(sock: socket.socket, *, half: bool) -> None:
    """Go, by an end or by a reset."""
    if half:
        sock.shutdown(socket.SHUT_WR)
        sock.close()
    else:
        reset(sock)


def test_connections_that_say_nothing_come_and_go(victim: Victim) -> None:
    with victim.unharmed():
        for number in range(many(1000)):
            sock = socket.create_connection(("127.0.0.1", victim.tls if number % 2 else victim.plain))
            leave(sock, half=bool(number % 3))
