"""How long a connection in the lane may take, and what becomes of it then; without sockets."""

from __future__ import annotations

import socket
import tracemalloc
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from tests.support.connections import ClockLoop
from tests.support.lane_requests import FORM, PUBLISH, publish
from tornado_realtime.fastlane import LaneDoor, LanePlan, publish_paths
from tornado_realtime.fastlane.lane import BUFFER_BYTES
from tornado_realtime.handlers.broadcast import PublishDoor
from tornado_realtime.handlers.internal import InternalRule
from tornado_realtime.hub import Hub
from tornado_realtime.poller import Pollable, Poller
from tornado_realtime.publication import PLAIN, Publication, Taken
from tornado_realtime.realtime import Realtime

HALF_HEAD = PUBLISH[:50]
HALF_BODY = PUBLISH[:-5]
TIMEOUT = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass(eq=False)
class FakeSocket:
    """What comes in is put into ``incoming``; None is the end, an error is raised."""

    incoming: list[bytes | OSError | None] = field(default_factory=list)
    sent: bytes = b""
    hung_up: bool = False
    is_open: bool = True
    asked: list[int] = field(default_factory=list)

    def recv(self, size: int) -> bytes:
        self.asked.append(size)
        if not self.incoming:
            raise BlockingIOError
        first = self.incoming.pop(0)
        if isinstance(first, OSError):
            raise first
        assert first is None or len(first) <= size
        return first or b""

    def send(self, data: bytes) -> int:
        self.sent += data
        return len(data)

    def shutdown(self, how: int) -> None:
        assert how == socket.SHUT_WR
        self.hung_up = True

    def setsockopt(self, *what: int) -> None:
        assert what == (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def fileno(self) -> int:
        return id(self) if self.is_open else -1

    def close(self) -> None:
        self.is_open = False


class ListPoller(Poller):
    """Knows who waits."""

    def __init__(self) -> None:
        self.owners: dict[int, Pollable] = {}

    def add(self, fd: int, owner: Pollable) -> None:
        self.owners[fd] = owner

    def want_write(self, fd: int, wanted: bool) -> None:
        raise AssertionError("the lane never waits for this")

    def remove(self, fd: int) -> None:
        self.owners.pop(fd, None)

    def close(self) -> None:
        self.owners.clear()


class FormHub:
    """Takes every publication."""

    def __init__(self) -> None:
        self.published: list[Publication] = []

    def publish_now(self, publication: Publication, key: str = "") -> Taken | None:
        self.published.append(publication)
        return PLAIN


class OpenRealtime(Realtime):
    """An instance that publishes without being started."""

    form_hub = FormHub()

    def publish_door(self) -> PublishDoor:
        return PublishDoor(cast(Hub, self.form_hub), InternalRule("s3cret"), 1_000_000)


class Lanes:
    """A door with a clock that tests turn."""

    def __init__(self, poller: ListPoller | None = None, **limits: Any) -> None:
        self.loop = ClockLoop()
        self.poller = poller or ListPoller()
        self.handed: list[tuple[FakeSocket, bytes, bytes]] = []
        self.door = LaneDoor(self.loop.real, self.poller, self._note)
        self.door.follow(LanePlan(publish_paths(OpenRealtime()), **limits))

    def _note(self, sock: socket.socket, address: Any, unread: bytes, unsent: bytes) -> None:
        self.handed.append((cast(FakeSocket, sock), unread, unsent))

    def accept(self, *packets: bytes | OSError | None) -> FakeSocket:
        sock = FakeSocket()
        self.door.serve(cast(socket.socket, sock), ("192.0.2.1", 1))
        self.feed(sock, *packets)
        return sock

    def feed(self, sock: FakeSocket, *packets: bytes | OSError | None) -> None:
        for packet in packets:
            sock.incoming.append(packet)
            self.poller.owners[sock.fileno()].on_readable()

    @property
    def timers(self) -> int:
        """How many timers wait."""
        return len(self.loop._timers)

    def forget(self) -> None:
        self.handed.clear()


def test_half_a_head_has_ten_seconds() -> None:
    lanes = Lanes()
    sock = lanes.accept(HALF_HEAD)
    lanes.loop.advance_to(10.0)
    assert sock.sent == b""
    lanes.loop.advance_to(11.0)
    assert sock.sent == TIMEOUT
    assert sock.hung_up
    assert lanes.handed == []


def test_more_of_a_head_does_not_buy_time() -> None:
    lanes = Lanes()
    sock = lanes.accept(HALF_HEAD)
    for second in range(1, 10):
        lanes.loop.advance_to(second)
        lanes.feed(sock, PUBLISH[50 + second : 51 + second] if second > 1 else PUBLISH[50:52])
    lanes.loop.advance_to(11.0)
    assert sock.sent == TIMEOUT


def test_who_is_refused_has_two_seconds_to_close() -> None:
    lanes = Lanes()
    sock = lanes.accept(HALF_HEAD)
    lanes.loop.advance_to(11.0)
    lanes.feed(sock, b"more", PUBLISH)
    assert (sock.is_open, sock.sent) == (True, TIMEOUT)
    lanes.loop.advance_to(14.0)
    assert not sock.is_open
    assert lanes.handed == []
    assert not lanes.poller.owners


def test_who_is_refused_and_closes_is_gone_at_once() -> None:
    lanes = Lanes()
    sock = lanes.accept(HALF_HEAD)
    lanes.loop.advance_to(11.0)
    lanes.feed(sock, None)
    assert not sock.is_open and not lanes.door.lanes


@pytest.mark.parametrize(("idle", "seconds"), [(300.0, 30.0), (5.0, 5.0)])
def test_who_sends_nothing_at_all_is_not_kept_long(idle: float, seconds: float) -> None:
    lanes = Lanes(idle_seconds=idle)
    sock = lanes.accept()
    lanes.loop.advance_to(seconds)
    assert sock.is_open
    lanes.loop.advance_to(seconds + 1)
    assert (sock.is_open, sock.sent, lanes.handed) == (False, b"", [])


def test_who_has_asked_has_the_idle_time() -> None:
    lanes = Lanes(idle_seconds=300.0)
    sock = lanes.accept(PUBLISH)
    lanes.loop.advance_to(300.0)
    assert sock.is_open
    lanes.loop.advance_to(301.0)
    assert (sock.is_open, lanes.handed) == (False, [])


def test_the_idle_time_begins_anew_with_each_request() -> None:
    lanes = Lanes(idle_seconds=300.0)
    sock = lanes.accept(PUBLISH)
    for _ in range(3):
        lanes.loop.advance_to(lanes.loop.time() + 200.0)
        lanes.feed(sock, PUBLISH)
    lanes.loop.advance_to(899.0)
    assert sock.is_open
    lanes.loop.advance_to(902.0)
    assert not sock.is_open


def test_half_a_body_is_left_to_tornado() -> None:
    lanes = Lanes()
    sock = lanes.accept(HALF_BODY)
    lanes.loop.advance_to(10.0)
    assert lanes.handed == []
    lanes.loop.advance_to(11.0)
    assert lanes.handed == [(sock, HALF_BODY, b"")]
    assert sock.is_open and not lanes.poller.owners


def test_half_a_body_is_cut_off_where_the_caddyfile_says_when() -> None:
    lanes = Lanes(body_seconds=3.0)
    sock = lanes.accept(HALF_BODY)
    lanes.loop.advance_to(3.0)
    assert sock.is_open
    lanes.loop.advance_to(4.0)
    assert (sock.is_open, sock.sent, lanes.handed) == (False, b"", [])


def test_a_body_has_its_own_time_once_the_head_is_there() -> None:
    lanes = Lanes()
    sock = lanes.accept(HALF_HEAD)
    lanes.loop.advance_to(9.0)
    lanes.feed(sock, HALF_BODY[len(HALF_HEAD) :])
    lanes.loop.advance_to(18.5)
    assert lanes.handed == []
    lanes.loop.advance_to(20.0)
    assert len(lanes.handed) == 1


@pytest.mark.parametrize("seconds", [0.1, 1.0, 2.5])
def test_limits_are_kept_to_within_a_second_and_never_early(seconds: float) -> None:
    lanes = Lanes(head_seconds=seconds)
    sock = lanes.accept(HALF_HEAD)
    lanes.loop.advance_to(seconds - 0.01)
    assert sock.sent == b""
    lanes.loop.advance_to(seconds + 2.0)
    assert sock.sent == TIMEOUT


def test_one_timer_for_all_and_none_for_nobody() -> None:
    lanes = Lanes()
    socks = [lanes.accept() for _ in range(100)]
    assert lanes.timers == 1
    for sock in socks:
        lanes.feed(sock, None)
    lanes.loop.advance_to(5.0)
    assert lanes.timers == 0
    lanes.accept()
    assert lanes.timers == 1
    lanes.door.close()
    lanes.loop.advance_to(10.0)
    assert lanes.timers == 0


def test_a_thousand_are_ended_in_slices() -> None:
    lanes = Lanes()
    socks = [lanes.accept(HALF_BODY) for _ in range(600)]
    lanes.loop.advance_to(10.5)
    lanes.loop._now = 11.0
    counts = []
    while lanes.loop.turn():
        counts.append(len(lanes.handed))
    assert counts == [256, 512, 600]
    assert [sock for sock, _, _ in lanes.handed] == socks


def test_whoever_is_served_between_two_slices_is_spared() -> None:
    lanes = Lanes(idle_seconds=5.0)
    socks = [lanes.accept() for _ in range(300)]
    lanes.loop.advance_to(5.5)
    lanes.loop._now = 6.0
    lanes.loop.turn()
    lanes.feed(socks[299], HALF_HEAD)
    lanes.loop.settle()
    assert [sock.is_open for sock in socks] == [False] * 299 + [True]


LONG_FIELD = b"User-Agent: " + b"x" * 17_000


@pytest.mark.parametrize(
    "packets",
    [
        (PUBLISH.replace(b"\r\n\r\n", b"\r\n" + LONG_FIELD + b"\r\n\r\n"),),
        (PUBLISH[: PUBLISH.index(b"\r\n\r\n")] + b"\r\n" + LONG_FIELD,),
        (HALF_HEAD, PUBLISH[50 : PUBLISH.index(b"\r\n\r\n")], b"\r\n" + LONG_FIELD[:9000], LONG_FIELD[9000:]),
    ],
    ids=["whole", "half", "in pieces"],
)
def test_a_head_of_the_right_shape_that_is_too_long_is_refused(packets: tuple[bytes, ...]) -> None:
    lanes = Lanes()
    sock = lanes.accept(*packets)
    assert (sock.sent, sock.hung_up, lanes.handed) == (TOO_LARGE, True, [])


def test_a_long_head_that_is_not_ours_is_tornados() -> None:
    for request in (b"GET / HTTP/1.1\r\nA: " + b"x" * 20_000, b"POST /internal/" + b"x" * 20_000):
        lanes = Lanes()
        sock = lanes.accept(request)
        assert lanes.handed == [(sock, request, b"")]
        assert sock.sent == b""


def test_the_caddyfile_says_how_long_heads_may_be() -> None:
    request = publish("User-Agent: " + "x" * 20_000)
    lanes = Lanes(head_bytes=65_536)
    sock = lanes.accept(request)
    assert sock.sent.startswith(b"HTTP/1.1 202 Accepted") and lanes.handed == []
    lanes = Lanes(head_bytes=100)
    assert lanes.accept(PUBLISH).sent == TOO_LARGE


def test_the_lane_never_holds_more_than_tornado_takes_in_one_read() -> None:
    endless = PUBLISH[: PUBLISH.index(b"\r\n\r\n")] + b"\r\nUser-Agent: "
    lanes = Lanes(head_bytes=1_000_000)
    sock = lanes.accept(endless)
    lanes.feed(sock, b"x" * (BUFFER_BYTES - len(endless)))
    assert sock.asked == [BUFFER_BYTES, BUFFER_BYTES - len(endless)]
    ((_, unread, _),) = lanes.handed
    assert len(unread) == BUFFER_BYTES


def test_what_does_not_fit_is_not_waited_for() -> None:
    largest = publish(body=b"x" * (BUFFER_BYTES - len(publish(body=b"x" * 65_000)) + 65_000))
    assert len(largest) == BUFFER_BYTES
    lanes = Lanes()
    lanes.accept(largest[:300])
    assert lanes.handed == []
    larger = publish(body=b"x" * (BUFFER_BYTES - len(publish(body=b"x" * 65_000)) + 65_001))
    sock = lanes.accept(larger[:300])
    assert lanes.handed == [(sock, larger[:300], b"")]


@pytest.mark.parametrize(
    "begun",
    [
        b"G",
        b"\r\n",
        b"POST /internal/broadcast HTTP/1.1\n",
        b"POST /internal/broadcast HTTP/1.1\r\nHost: a\n",
        b"POST /internal/broadcast HTTP/1.1\r\nHost : a",
        b"POST /internal/broadcast HTTP/1.1\r\nVia:",
        b"POST /internal/broadcast?",
        b"\x16\x03\x01",
    ],
)
def test_what_cannot_become_ours_is_handed_over_at_once(begun: bytes) -> None:
    lanes = Lanes()
    sock = lanes.accept(begun)
    assert lanes.handed == [(sock, begun, b"")]


@pytest.mark.parametrize("end", [None, ConnectionResetError()])
@pytest.mark.parametrize("begun", [b"", HALF_HEAD, HALF_BODY])
def test_a_peer_that_leaves(begun: bytes, end: OSError | None) -> None:
    lanes = Lanes()
    sock = lanes.accept(*([begun] if begun else []), end)
    assert (sock.is_open, sock.sent, lanes.handed) == (False, b"", [])
    assert not lanes.door.lanes and not lanes.poller.owners


def test_nothing_to_read_is_no_end() -> None:
    lanes = Lanes()
    sock = lanes.accept()
    lanes.poller.owners[sock.fileno()].on_readable()
    assert sock.is_open


def test_without_paths_or_without_an_address_there_is_no_lane() -> None:
    lanes = Lanes()
    for address, plan in (("", lanes.door.plan), (("192.0.2.1", 1), LanePlan())):
        lanes.door.follow(plan)
        sock = FakeSocket()
        lanes.door.serve(cast(socket.socket, sock), address)
        assert lanes.handed == [(sock, b"", b"")]
        assert not lanes.poller.owners and sock.asked == []
        lanes.forget()


def test_a_socket_that_fails_at_once_is_closed() -> None:
    class Broken(FakeSocket):
        def setsockopt(self, *what: int) -> None:
            raise OSError("gone")

    lanes = Lanes()
    sock = Broken()
    lanes.door.serve(cast(socket.socket, sock), ("192.0.2.1", 1))
    assert not sock.is_open and not lanes.door.lanes


@pytest.mark.parametrize(
    ("before", "waiting", "expected"),
    [
        (b"", b"", b""),
        (HALF_HEAD, b"", HALF_HEAD),
        (HALF_BODY, b"", HALF_BODY),
        (b"", HALF_HEAD, HALF_HEAD),
        (HALF_BODY, FORM[-5:-2], HALF_BODY + FORM[-5:-2]),
        (b"", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\n"),
    ],
)
def test_a_door_that_closes_loses_nothing(before: bytes, waiting: bytes, expected: bytes) -> None:
    lanes = Lanes()
    sock = lanes.accept(*([before] if before else []))
    sock.incoming += [waiting] if waiting else []
    lanes.door.close()
    assert lanes.handed == ([(sock, expected, b"")] if expected else [])
    assert sock.is_open is bool(expected)
    assert not lanes.door.lanes and not lanes.poller.owners


def test_a_poller_that_is_out_of_room() -> None:
    class FullPoller(ListPoller):
        def add(self, fd: int, owner: Pollable) -> None:
            raise OSError("no more watches")

    lanes = Lanes(FullPoller())
    sock = FakeSocket()
    lanes.door.serve(cast(socket.socket, sock), ("192.0.2.1", 1))
    assert not sock.is_open and not lanes.door.lanes


def test_an_idle_lane_is_small() -> None:
    lanes = Lanes()
    socks = [FakeSocket() for _ in range(2_000)]
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for sock in socks:
        lanes.door.serve(cast(socket.socket, sock), ("192.0.2.1", 1))
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (after - before) / len(socks) < 400
