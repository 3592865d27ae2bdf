"""Slow loris: thousands of clients that begin something and never get anywhere."""

from __future__ import annotations

import resource
import select
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

from tests.abuse.attack import PATIENCE, dial, hear, send
from tests.abuse.test_smuggling import CHUNKED, HOST
from tests.abuse.victim import Victim, many
from tests.support.lane_requests import head, publish, upgrade
from tests.unit.wire.client_frames import client_frame

HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
"""The beginning of a TLS handshake."""
UPGRADE = upgrade()
PUBLISH = publish()

# What is said at once, and what then comes byte by byte, at most as much as there is.
PHASES: tuple[tuple[bytes, bytes], ...] = (
    (b"", b""),
    (b"", b"GET /page HTTP/1.1"),
    (b"", PUBLISH[:-1]),
    (PUBLISH[:60], PUBLISH[60:-1]),
    (UPGRADE[:100], UPGRADE[100:-1]),
    (head("GET /page HTTP/1.1", HOST)[:-2], b"X: yyyyyyyyyyyyyyyyyyyy"),
    (PUBLISH[:-20], PUBLISH[-20:-1]),
    (head("POST /page HTTP/1.1", HOST, "Content-Length: 1000"), b"z" * 100),
    (head("POST /up/x HTTP/1.1", HOST, CHUNKED), b"5\r\nhello\r\n5\r\nhel"),
)
HANDSHAKES: tuple[tuple[bytes, bytes], ...] = ((b"", b""), (b"", HELLO), (HELLO[:5], b"\x01\x00"))


@contextmanager
def crowd(dial_one: Callable[[], socket.socket], size: int) -> Iterator[list[socket.socket]]:
    """So many, or as many as descriptors allow."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as stack:
        yield [stack.enter_context(dial_one()) for _ in range(min(size, most // 2))]


def dribble(sockets: Sequence[socket.socket], phases: Sequence[tuple[bytes, bytes]]) -> None:
    """Say something on each, a byte at a time, until the server has hung up on all of them."""
    rests: dict[socket.socket, bytes] = {}
    for number, sock in enumerate(sockets):
        begun, rests[sock] = phases[number % len(phases)]
        send(sock, begun)
    deadline = time.monotonic() + PATIENCE
    while rests:
        assert time.monotonic() < deadline, f"{len(rests)} of {len(sockets)} are still waited for"
        for sock in _readable(list(rests)):
            _listen(sock)
            del rests[sock]
        for sock, rest in rests.items():
            if rest:
                send(sock, rest[:1])
                rests[sock] = rest[1:]


def _readable(sockets: Sequence[socket.socket]) -> Sequence[socket.socket]:
    """Those with an answer, or the end; others get a moment."""
    poll = select.poll()
    found = {sock.fileno(): sock for sock in sockets}
    for descriptor in found:
        poll.register(descriptor, select.POLLIN)
    return [found[descriptor] for descriptor, _ in poll.poll(200)]


def _listen(sock: socket.socket) -> None:
    """The end, after an answer that is a refusal if it is one at all."""
    with suppress(OSError):
        heard = hear(sock)
        assert not heard or heard.split(b" ")[1] in (b"200", b"400", b"401", b"408", b"502"), heard


def test_two_thousand_that_dribble(victim: Victim) -> None:
    """Each is hung up on when its time is over, whatever it is slow at."""
    with victim.unharmed(), crowd(lambda: dial(victim), many(2000)) as sockets:
        dribble(sockets, PHASES)


def test_dribbling_over_tls(victim: Victim) -> None:
    with victim.unharmed(), crowd(lambda: dial(victim, tls=True), many(100)) as sockets:
        dribble(sockets, PHASES)


def test_tls_handshakes_that_never_end(victim: Victim) -> None:
    def dial_without_handshake() -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", victim.tls), PATIENCE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    with victim.unharmed(), crowd(dial_without_handshake, many(500)) as sockets:
        dribble(sockets, HANDSHAKES)


def test_frames_that_come_byte_by_byte(victim: Victim) -> None:
    """Those are clients like any other, however slow: they cost a hundred bytes each, and no time."""
    frame = client_frame(b'{"action":"subscribe","channel":"slow"}')
    with victim.unharmed(), crowd(lambda: dial(victim), many(300)) as sockets:
        for sock in sockets:
            send(sock, UPGRADE)
        for at in range(len(frame)):
            for sock in sockets:
                send(sock, frame[at : at + 1])
        for sock in sockets:
            heard = b""
            while b'{"type":"subscribed","channel":"slow"}' not in heard:
                heard += sock.recv(65536)
