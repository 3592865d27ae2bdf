"""Connections on sockets that fail at the wrong moment."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
import time
from collections.abc import Iterator

import pytest
from tornado.httputil import HTTPServerRequest
from tornado.iostream import IOStream

from tests.support.connections import RAW, NotingOwner
from tests.support.realtime_world import UPGRADE, realtime, serving, until
from tests.unit.wire.client_frames import client_frame
from tornado_realtime.connection import Connection, LeanConnection, StreamConnection
from tornado_realtime.errors import BrokerClosedError
from tornado_realtime.poller import Poller, make_poller
from tornado_realtime.realtime import Realtime
from tornado_realtime.wire.frames import Batch, text_frame

HELLO = text_frame(b"hello")


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of one TCP connection; the first does not block."""
    listener = socket.create_server(("127.0.0.1", 0))
    there = socket.create_connection(listener.getsockname())
    here, _ = listener.accept()
    here.setblocking(False)
    yield here, there
    for sock in (here, there, listener):
        sock.close()


Pair = tuple[socket.socket, socket.socket]


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0.001)


def lean(owner: NotingOwner, here: socket.socket, poller: Poller) -> LeanConnection:
    return LeanConnection(owner, RAW, "u1", here.dup().detach(), poller)


# -- a bare socket -----------------------------------------------------------------------------------------


def test_lean_reads_writes_and_ends(pair: Pair) -> None:
    async def main() -> None:
        here, there = pair
        poller, owner = make_poller(asyncio.get_running_loop()), NotingOwner()
        connection = lean(owner, here, poller)
        connection.begin(client_frame(b"early"))
        here.close()
        there.sendall(client_frame(b"late"))
        await turns()
        assert owner.messages == [(b"early", True), (b"late", True)]
        connection.send(HELLO)
        assert there.recv(100) == HELLO
        connection.on_readable()  # there is nothing to read: nothing happens
        there.close()
        await turns()
        assert owner.notes == ["closing", "closed"]
        poller.close()

    asyncio.run(main())


def test_lean_that_cannot_be_watched(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        here, there = pair
        poller, owner = make_poller(asyncio.get_running_loop()), NotingOwner()

        def add(fd: int, connection: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(poller, "add", add)
        connection = lean(owner, here, poller)
        here.close()
        connection.begin(client_frame(b"early"))
        assert owner.notes == ["closing", "closed"]
        assert owner.messages == []
        assert there.recv(1) == b""
        poller.close()

    asyncio.run(main())
    assert "a connection cannot be watched and is dropped" in caplog.text


def test_lean_whose_peer_is_gone_when_it_hangs_up(pair: Pair) -> None:
    async def main() -> None:
        here, there = pair
        poller, owner = make_poller(asyncio.get_running_loop()), NotingOwner()
        connection = lean(owner, here, poller)
        here.close()
        connection.begin()
        reset(there)
        connection._hang_up()
        assert owner.notes == ["closing", "closed"]
        poller.close()

    asyncio.run(main())


def test_lean_whose_peer_is_gone_when_it_reads(pair: Pair) -> None:
    async def main() -> None:
        here, there = pair
        poller, owner = make_poller(asyncio.get_running_loop()), NotingOwner()
        connection = lean(owner, here, poller)
        here.close()
        connection.begin()
        reset(there)
        await turns()
        assert owner.notes == ["closing", "closed"]
        poller.close()

    asyncio.run(main())


# -- a stream ------------------------------------------------------------------------------------------------


def test_stream_reads_writes_and_ends(pair: Pair) -> None:
    async def main() -> None:
        here, there = pair
        owner = NotingOwner()
        connection = StreamConnection(owner, RAW, "u1", IOStream(here))
        connection.begin(client_frame(b"early"))
        there.sendall(client_frame(b"late"))
        await turns()
        assert owner.messages == [(b"early", True), (b"late", True)]
        connection.send(HELLO)
        assert there.recv(100) == HELLO
        there.close()
        await turns()
        assert owner.notes == ["closing", "closed"]

    asyncio.run(main())


def test_stream_that_is_closed_before_it_begins(pair: Pair) -> None:
    async def main() -> None:
        owner, stream = NotingOwner(), IOStream(pair[0])
        stream.close()
        StreamConnection(owner, RAW, "u1", stream).begin()
        assert owner.notes == ["closing", "closed"]

    asyncio.run(main())


def test_stream_that_is_closed_when_it_writes(pair: Pair) -> None:
    async def main() -> None:
        owner, stream = NotingOwner(), IOStream(pair[0])
        connection = StreamConnection(owner, RAW, "u1", stream)
        stream.close()
        connection.send(HELLO)
        assert owner.notes == ["closing", "closed"]

    asyncio.run(main())


@pytest.mark.parametrize("taken", [0, 1_000_000])
def test_stream_keeps_no_more_than_a_piece_and_the_bounded_outbox(pair: Pair, taken: int) -> None:
    async def main() -> None:
        here, there = pair
        owner, stream = NotingOwner(), IOStream(here)
        connection = StreamConnection(owner, RAW, "u1", stream)
        connection.begin()
        big = text_frame(b"x" * 8_000_000)
        connection.send(big)
        assert connection.outbox is not None
        assert stream._write_buffer is not None
        assert len(stream._write_buffer) <= 64 * 1024
        assert connection.outbox.size_bytes > 1_000_000
        connection.offer(Batch.of((HELLO,)))
        assert owner.notes == ["backlogged", "overflowed"]
        there.setblocking(False)
        received = 0
        while received < len(big):
            await asyncio.sleep(0)
            try:
                received += len(there.recv(1 << 20))
            except BlockingIOError:
                continue
            if taken and received > taken:
                there.close()
                break
        await turns()
        expected = ["drained"] if not taken else ["closing", "drained", "closed"]
        assert owner.notes == ["backlogged", "overflowed", *expected]
        connection.abort()

    asyncio.run(main())


class Buggy(NotingOwner):
    def received(self, connection: Connection, message: bytes, is_text: bool) -> None:
        raise RuntimeError("a bug in the hub")


def test_a_bug_ends_one_stream_only(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        here, there = pair
        owner = Buggy()
        StreamConnection(owner, RAW, "u1", IOStream(here)).begin()
        there.sendall(client_frame(b"hello"))
        await turns()
        assert owner.notes == ["closing", "closed"]

    asyncio.run(main())
    assert "a connection failed unexpectedly and is dropped" in caplog.text


# -- between the request and the connection ------------------------------------------------------------------


HANDSHAKE = "\r\n".join(["GET /ws HTTP/1.1", "Host: localhost", *UPGRADE, "", ""]).encode()


@pytest.mark.parametrize("gone", ["just before the 101", "at the 101"])
def test_a_visitor_who_is_gone(gone: str, caplog: pytest.LogCaptureFixture) -> None:
    visitors: list[socket.socket] = []

    def authenticate(request: HTTPServerRequest) -> str:
        stream: IOStream = request.connection.stream  # type: ignore[union-attr]
        reset(visitors.pop())
        time.sleep(0.01)  # for the kernel; the loop must not learn of it before the 101
        if gone == "just before the 101":
            stream.close()
        return "u1"

    async def main() -> None:
        async with serving(realtime(authenticate=authenticate)) as world:
            visitors.append(socket.create_connection(("127.0.0.1", world.port)))
            visitors[0].sendall(HANDSHAKE)
            await until(lambda: not visitors)
            await turns()
            assert not world.hub.connections

    asyncio.run(main())
    assert caplog.records == []


def test_an_instance_whose_loop_is_closed() -> None:
    instance = Realtime()
    asyncio.run(instance.start())
    with pytest.raises(BrokerClosedError, match="the event loop of the realtime instance is closed"):
        instance.publish_threadsafe("news", "hello")


@pytest.mark.parametrize("path", ["/ws", "/internal/broadcast"])
def test_a_method_that_nobody_knows(path: str) -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            answered = await world.knock(path=path, method="BREW")
            assert (answered.status, answered.body) == (405, b"Method Not Allowed\n")
            assert answered.header("Content-Type") == "text/plain; charset=utf-8"

    asyncio.run(main())
