"""Pings, deadlines, expiry: with a clock that the test turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest

from tests.support.connections import AGAIN, RAW, ClockLoop, NotingOwner, ScriptedConnection
from tornado_realtime.connection import Connection, Limits, Phase
from tornado_realtime.hub.heart import SLICE_SIZE, Heart, Wheel
from tornado_realtime.wire.base import Farewell, Wire
from tornado_realtime.wire.frames import PING, close_frame, pong_frame, text_frame
from tornado_realtime.wire.v1 import V1

PONG_FROM_CLIENT = b"\x8a\x80\0\0\0\0"
BYE = close_frame(1001)


class BeatingOwner(NotingOwner):
    """An owner that passes on to the heart what the hub would pass on."""

    def __init__(self, loop: ClockLoop) -> None:
        super().__init__(Limits(outbox_frames=1000))
        self.loop = loop
        self.heart = Heart(loop.real)
        self.heart.start(self.expire, self.warn)
        self.expired: list[Connection] = []
        self.warned: list[Connection] = []

    def expire(self, connection: Connection) -> None:
        self.expired.append(connection)
        connection.close(BYE)

    def warn(self, connection: Connection) -> None:
        self.warned.append(connection)

    def open(
        self, *script: int | OSError, expires: float | None = None, wire: Wire = RAW
    ) -> ScriptedConnection:
        connection = ScriptedConnection(self, *script, wire=wire)
        connection.expires = expires
        self.heart.opened(connection)
        return connection

    def backlogged(self, connection: Connection) -> None:
        self.heart.backlogged(connection)

    def drained(self, connection: Connection) -> None:
        self.heart.drained(connection)

    def closing(self, connection: Connection) -> None:
        self.heart.closing(connection)

    def closed(self, connection: Connection) -> None:
        self.heart.closed(connection)


@pytest.fixture(params=[0.0, 1000.0, 12345.67])
def loop(request: pytest.FixtureRequest) -> ClockLoop:
    return ClockLoop(request.param)


@pytest.fixture
def owner(loop: ClockLoop) -> BeatingOwner:
    return BeatingOwner(loop)


def pass_seconds(owner: BeatingOwner, seconds: float) -> None:
    owner.loop.advance_to(owner.loop.time() + seconds)


def sent_after(owner: BeatingOwner, connection: ScriptedConnection, seconds: Sequence[float]) -> list[bytes]:
    found, start = [], owner.loop.time()
    for second in seconds:
        owner.loop.advance_to(start + second)
        found.append(connection.sent)
    return found


def test_a_ping_after_54_seconds_and_the_end_after_60(owner: BeatingOwner) -> None:
    connection = owner.open()
    assert sent_after(owner, connection, [52.9, 54.1]) == [b"", PING]
    pass_seconds(owner, 5.0)
    assert connection.stage == "OPEN"
    pass_seconds(owner, 1.0)
    assert connection.stage == "CLOSED"
    assert connection.sent == PING  # dropped without a word, as the seed does


def test_a_pong_keeps_it_alive_and_the_next_ping_comes_54_seconds_after_the_last(owner: BeatingOwner) -> None:
    connection = owner.open()
    pings = []
    for second in range(1, 180):
        pass_seconds(owner, 1.0)
        if connection.writes:
            connection.writes.clear()
            pings.append(second)
            connection.receive(PONG_FROM_CLIENT)
    assert connection.stage == "OPEN"
    assert [later - earlier for earlier, later in pairwise(pings)] == [54, 54]


def test_data_is_no_pong(owner: BeatingOwner) -> None:
    connection = owner.open()
    pass_seconds(owner, 55)
    connection.receive(b"\x81\x80\0\0\0\0")
    pass_seconds(owner, 6)
    assert connection.stage == "CLOSED"


def test_a_pong_just_in_time(owner: BeatingOwner) -> None:
    connection = owner.open()
    pass_seconds(owner, 58.9)
    connection.receive(PONG_FROM_CLIENT)
    pass_seconds(owner, 20)
    assert connection.stage == "OPEN"


def test_a_login_ends_in_time_and_never_early(owner: BeatingOwner) -> None:
    start = owner.loop.time()
    connection = owner.open(expires=start + 10.5)
    owner.loop.advance_to(start + 10.49)
    assert owner.expired == []
    owner.loop.advance_to(start + 12.5)
    assert owner.expired == [connection]
    assert connection.sent == BYE


def test_a_login_that_is_over_already(owner: BeatingOwner) -> None:
    connection = owner.open(expires=owner.loop.time() - 5)
    pass_seconds(owner, 2)
    assert owner.expired == [connection]


def test_who_left_does_not_expire(owner: BeatingOwner) -> None:
    owner.open(expires=owner.loop.time() + 10).abort()
    pass_seconds(owner, 20)
    assert owner.expired == []


def test_a_client_that_takes_nothing_is_dropped_after_10_seconds(owner: BeatingOwner) -> None:
    connection = owner.open(AGAIN)
    connection.send(text_frame(b"hello"))
    pass_seconds(owner, 9.9)
    assert connection.stage == "OPEN"
    pass_seconds(owner, 1.2)
    assert connection.stage == "CLOSED"


def test_a_client_that_takes_little_by_little_is_not_dropped(owner: BeatingOwner) -> None:
    connection = owner.open(AGAIN, *[1] * 20)
    connection.send(text_frame(b"x" * 100))
    for _ in range(5):
        pass_seconds(owner, 9)
        connection.on_writable()
    assert connection.stage == "OPEN"
    pass_seconds(owner, 12)
    assert connection.stage == "CLOSED"


def test_a_client_that_caught_up_is_not_dropped(owner: BeatingOwner) -> None:
    connection = owner.open(AGAIN)
    connection.send(text_frame(b"hello"))
    pass_seconds(owner, 9)
    connection.on_writable()
    pass_seconds(owner, 20)
    assert connection.stage == "OPEN"
    connection.script.append(AGAIN)
    connection.send(text_frame(b"again"))
    pass_seconds(owner, 9)
    assert connection.stage == "OPEN"


def test_a_slow_client_need_not_answer_a_ping_that_is_behind_what_it_takes(owner: BeatingOwner) -> None:
    connection = owner.open(*[1] * 1000)
    connection.send(text_frame(b"x" * 60))
    for _ in range(33):
        pass_seconds(owner, 3)
        connection.on_writable()
    assert connection.stage == "OPEN"
    assert connection.awaiting_pong
    connection.script.clear()
    connection.on_writable()
    assert connection.sent.endswith(PING)
    pass_seconds(owner, 4.9)
    assert connection.stage == "OPEN"
    pass_seconds(owner, 2.1)
    assert connection.stage == "CLOSED"


def test_a_slow_client_that_answers_at_last_lives_on(owner: BeatingOwner) -> None:
    connection = owner.open()
    pass_seconds(owner, 53)
    connection.script.append(AGAIN)
    connection.send(text_frame(b"hello"))
    pass_seconds(owner, 8)
    connection.on_writable()
    assert connection.sent.endswith(PING)
    pass_seconds(owner, 4)
    connection.receive(PONG_FROM_CLIENT)
    pass_seconds(owner, 40)
    assert connection.stage == "OPEN"
    assert connection.sent.count(PING) == 1
    pass_seconds(owner, 20)
    assert connection.stage == "CLOSED"
    assert connection.sent.count(PING) == 2


def test_a_goodbye_is_waited_for_10_seconds(owner: BeatingOwner) -> None:
    connection = owner.open()
    connection.close(BYE)
    pass_seconds(owner, 8.9)
    assert connection.stage == "CLOSING"
    pass_seconds(owner, 2.1)
    assert connection.stage == "CLOSED"


def test_a_goodbye_said_while_a_ping_waits_is_waited_for_as_long(owner: BeatingOwner) -> None:
    connection = owner.open()
    pass_seconds(owner, 55)
    connection.close(BYE)
    pass_seconds(owner, 8.9)
    assert connection.stage == "CLOSING"
    pass_seconds(owner, 2.1)
    assert connection.stage == "CLOSED"


def test_who_answered_the_goodbye_is_gone_at_once(owner: BeatingOwner) -> None:
    connection = owner.open()
    connection.close(BYE)
    connection.receive(b"\x88\x80\0\0\0\0")
    assert connection.stage == "CLOSED"
    pass_seconds(owner, 60)
    assert connection.releases == 1


def test_stop(owner: BeatingOwner) -> None:
    connection = owner.open()
    owner.heart.stop()
    owner.heart.stop()
    pass_seconds(owner, 120)
    assert (connection.sent, connection.stage) == (b"", "OPEN")


# -- slices --------------------------------------------------------------------------------------


def turns_until(loop: ClockLoop, done: Callable[[], bool]) -> int:
    turns = 0
    while not done():
        assert loop.turn()
        turns += 1
    return turns


@pytest.mark.parametrize("expires", [None, 20.0])
def test_ten_thousand_at_once_are_served_in_slices(expires: float | None) -> None:
    loop = ClockLoop()
    owner = BeatingOwner(loop)
    crowd = [owner.open(expires=expires) for _ in range(10_000)]
    loop.advance_to((expires or 54) - 0.5)
    loop._now += 0.5
    most = 0
    served = 0
    while served < len(crowd):
        assert loop.turn()
        now = sum(bool(connection.writes) for connection in crowd)
        most, served = max(most, now - served), now
    assert most == SLICE_SIZE


def test_stuck_clients_are_dropped_in_slices() -> None:
    loop = ClockLoop()
    owner = BeatingOwner(loop)
    crowd = [owner.open(AGAIN) for _ in range(SLICE_SIZE + 1)]
    for connection in crowd:
        connection.send(text_frame(b"hello"))
    loop.advance_to(9.5)
    loop._now += 0.5
    loop.turn()
    assert sum(connection.stage == "OPEN" for connection in crowd) == 1
    crowd[-1].on_writable()
    loop.settle()
    assert crowd[-1].stage == "OPEN"  # caught up while it was waiting for its turn


def test_who_says_goodbye_while_waiting_for_its_turn_is_not_dropped() -> None:
    loop = ClockLoop()
    owner = BeatingOwner(loop)
    crowd = [owner.open() for _ in range(SLICE_SIZE + 1)]
    loop.advance_to(53.5)
    loop._now += 0.5
    loop.turn()
    last = crowd[-1]
    assert not last.writes
    last.close(BYE)
    loop.settle()
    assert (last.stage, last.sent) == ("CLOSING", BYE)


def test_a_bug_costs_one_turn_only() -> None:
    class Buggy(ScriptedConnection):
        def send(self, frame: bytes) -> None:
            raise RuntimeError("a bug in a connection")

    loop = ClockLoop()
    owner = BeatingOwner(loop)
    owner.heart.opened(Buggy(owner))
    healthy = owner.open()
    loop.advance_to(53.5)
    loop._now += 0.5
    with pytest.raises(RuntimeError):
        loop.turn()
    loop.settle()
    assert healthy.sent == PING
    loop.advance_to(loop.time() + 1)
    healthy.receive(PONG_FROM_CLIENT)
    loop.advance_to(loop.time() + 60)
    assert healthy.sent == PING * 2


def test_other_times() -> None:
    loop = ClockLoop()
    owner = BeatingOwner(loop)
    owner.heart.stop()
    owner.heart = Heart(loop.real, ping_interval=0.4, pong_timeout=0.2, write_timeout=0.3, tick=0.1)
    owner.heart.start(owner.expire)
    connection, leaving = owner.open(), owner.open()
    leaving.close(BYE)
    loop.advance_to(0.45)
    assert connection.sent == PING
    assert leaving.stage == "CLOSED"
    loop.advance_to(0.75)
    assert connection.stage == "CLOSED"


# -- the wheel -------------------------------------------------------------------------------------


def test_wheel() -> None:
    wheel: Wheel[ScriptedConnection] = Wheel(10)
    owner = NotingOwner()
    one, two, three = (ScriptedConnection(owner) for _ in range(3))
    assert wheel.put(one, 12) == 12
    assert wheel.put(two, 3) == 11  # over already: the next beat
    assert wheel.put(three, 12) == 12
    wheel.drop(three, 12)
    wheel.drop(three, 12)
    wheel.drop(three, 99)
    assert list(wheel.due(10)) == []
    assert list(wheel.due(20)) == [two, one]
    assert list(wheel.due(20)) == []
    assert wheel.put(one, 15) == 21


def test_nothing_is_kept_of_who_left() -> None:
    loop = ClockLoop()
    owner = BeatingOwner(loop)
    for _ in range(3):
        connection = owner.open(AGAIN, expires=100.0)
        connection.send(pong_frame(b""))
        connection.close(BYE)
        connection.abort()
        assert connection.phase is Phase.CLOSED
    heart = owner.heart
    assert not (heart._lively._slots or heart._expiring._slots or heart._backlogged or heart._turn)


# -- wires that talk (docs/realtime-v1.md, V3 and V6) -----------------------------------------------------


def test_a_talking_wire_is_pinged_every_25_seconds_as_pages_see(owner: BeatingOwner) -> None:
    connection, pings = owner.open(wire=V1), []
    for second in range(1, 80):
        pass_seconds(owner, 1.0)
        if connection.writes:
            assert connection.sent == V1.ping
            connection.writes.clear()
            connection.awaiting_pong = False
            pings.append(second)
    assert [later - earlier for earlier, later in pairwise(pings)] == [25, 25]


def test_a_talking_wire_says_why_it_ends_after_10_seconds(owner: BeatingOwner) -> None:
    connection = owner.open(wire=V1)
    pass_seconds(owner, 34.9)
    assert connection.sent == V1.ping
    pass_seconds(owner, 1.2)
    assert connection.sent == V1.ping + V1.farewell(Farewell.SILENT)
    assert connection.stage == "CLOSING"
    pass_seconds(owner, 11)
    assert connection.stage == "CLOSED"


def test_a_talking_wire_is_warned_a_minute_before_its_login_ends(owner: BeatingOwner) -> None:
    start = owner.loop.time()
    connection, short, old = (
        owner.open(expires=start + 100, wire=V1),
        owner.open(expires=start + 59, wire=V1),
        owner.open(expires=start + 100),
    )
    owner.loop.advance_to(start + 30)
    for each in (connection, short):
        each.receive(PONG_FROM_CLIENT)
    owner.loop.advance_to(start + 39)
    assert owner.warned == []
    owner.loop.advance_to(start + 42)
    assert owner.warned == [connection]
    owner.loop.advance_to(start + 56)
    for each in (connection, short, old):
        each.receive(PONG_FROM_CLIENT)
    owner.loop.advance_to(start + 61)
    assert (owner.warned, owner.expired) == ([connection], [short])


def test_a_prolonged_login_ends_later_and_is_warned_again(owner: BeatingOwner) -> None:
    start = owner.loop.time()
    connection = owner.open(expires=start + 62, wire=V1)
    owner.loop.advance_to(start + 4)
    assert owner.warned == [connection]
    owner.heart.renewed(connection, start + 66)
    owner.loop.advance_to(start + 8)
    assert owner.warned == [connection, connection]
    owner.heart.renewed(connection, None)
    assert connection.expires is None
    connection.abort()
    owner.loop.advance_to(start + 100)
    assert owner.expired == []
