"""The C load generator counts exactly, against a server that is told what to send; and the C reference."""

from __future__ import annotations

import asyncio
import queue
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.load import LoadError, Run, Stretch, Work, run_load
from tests.benchmarks.room import Launch, Room, serving
from tests.support.bench_server import FakeServer, faithful
from tests.support.streams import StreamServer
from tornado_realtime.wire.frames import PING, text_frame

PUBLISH = ("--publish-path", "/", "--body", "message=%m")
ANSWER = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
QUICK = Stretch("quick", seconds=0.2, warmup=0.05, window=4)


class _Fake(FakeServer):
    """Our misbehaving server in a thread of its own."""

    @contextmanager
    def running(self) -> Iterator[Launch]:
        found: queue.SimpleQueue[tuple[int, Callable[[], object]]] = queue.SimpleQueue()

        async def serve() -> None:
            loop, stop = asyncio.get_running_loop(), asyncio.Event()
            async with StreamServer(self.serve) as server:
                found.put((server.port, lambda: loop.call_soon_threadsafe(stop.set)))
                await stop.wait()

        thread = threading.Thread(target=lambda: asyncio.run(serve()))
        thread.start()
        port, stop = found.get(timeout=5)
        try:
            yield Launch(("fake",), port, publish=PUBLISH, subscribe=("--subscribe", "{}"))
        finally:
            stop()
            thread.join(5)


def _run(fake: _Fake, stretch: Stretch = QUICK, patience: str = "0.3") -> Run:
    with fake.running() as launch:
        hurried = Launch(
            launch.command,
            launch.port,
            publish=(*PUBLISH, "--patience", patience),
            subscribe=launch.subscribe,
        )
        return run_load(hurried, [], Work(12, publishers=2, stretches=(stretch,)))


def test_an_honest_server_has_no_problems() -> None:
    run = _run(_Fake(faithful))
    phase = run.phases["quick"]
    assert run.problems() == []
    assert phase.raw["deliveries"] == phase.raw["published"] * 12 > 0
    assert phase.raw["published"] == phase.raw["answered"]
    assert 0 < phase.latency_at(0.5) <= phase.latency_at(0.99)


def test_a_rate_is_kept() -> None:
    run = _run(_Fake(faithful), Stretch("rate", seconds=0.5, rate=40))
    assert run.problems() == []
    assert run.phases["rate"].raw["published"] == 20


@pytest.mark.parametrize("every", [2, 50])
def test_a_lost_message_is_reported(every: int) -> None:
    run = _run(_Fake(lambda number, message: [] if number % every == 0 else [text_frame(message)]))
    said = "; ".join(run.problems())
    assert "lost" in said
    assert "not drained in time" in said
    assert "12 subscribers did not get each message once" in said


def test_one_message_lost_and_another_doubled_is_not_taken_for_right() -> None:
    def swapped(number: int, message: bytes) -> list[bytes]:
        return [] if number % 2 else [text_frame(message)] * 2

    said = "; ".join(_run(_Fake(swapped)).problems())
    assert "subscribers did not get each message once" in said


def test_a_refused_publish_is_reported() -> None:
    fake = _Fake(faithful, answer=b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
    assert "refused" in "; ".join(_run(fake).problems())


def test_a_refused_handshake_is_reported() -> None:
    fake = _Fake(faithful, upgrade=b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
    assert _run(fake).problems() == ["12 connections failed"]


# -- frames, byte by byte ------------------------------------------------------------------------------


@contextmanager
def _scripted(frames: bytes, heard: list[bytes]) -> Iterator[Launch]:
    """A server for one client that sends ``frames`` in small pieces once it is subscribed."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        client, _ = listener.accept()
        with closing(client), suppress(ConnectionError):
            client.recv(4096)
            client.sendall(ANSWER)
            heard.append(client.recv(4096))
            for start in range(0, len(frames), 7):
                client.sendall(frames[start : start + 7])
            while data := client.recv(4096):
                heard.append(data)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield Launch(("scripted",), listener.getsockname()[1], subscribe=("--subscribe", "hello %c"))
    finally:
        thread.join(5)
        listener.close()


def test_frames_of_every_size_are_taken_apart() -> None:
    heard: list[bytes] = []
    sizes = (0, 125, 126, 300, 65_535, 65_536, 70_000)
    frames = b"".join(text_frame(b"x" * size) for size in sizes) + PING + b"\x8a\x00"
    with _scripted(frames, heard) as launch:
        run = run_load(launch, [], Work(1))
    assert run.raw["connected"] == 1
    said = b"".join(heard)
    assert said == b"\x81\x87\0\0\0\0hello 0" + b"\x89\x80\0\0\0\0" + b"\x8a\x80\0\0\0\0"


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (b"\x81\x81mask!", "masked"),
        (b"\x01\x01a", "fragmented"),
        (b"\x81\x7f" + struct.pack("!Q", 1 << 40), "more than this generator takes"),
    ],
)
def test_what_it_cannot_count_ends_it(frame: bytes, says: str) -> None:
    with _scripted(frame, []) as launch, pytest.raises(LoadError, match=says):
        run_load(launch, [], Work(1))


# -- the C reference -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "joins"), [("c-joined", True), ("c-each", False)])
def test_the_c_reference_delivers_everything(tmp_path: Path, name: str, joins: bool) -> None:
    room = Room(tmp_path)
    launch = CONTENDERS[name].launch(room)
    with serving(room, launch) as pids:
        run = run_load(launch, pids, Work(50, stretches=(Stretch("w", 0.3, 0.1, 32),)))
    assert run.problems() == []
    assert (run.phases["w"].frames_per_write > 1.5) is joins
