"""A channel of fifty thousand: in slices, and safe whatever its subscribers do meanwhile."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Sequence

import pytest

from tests.support.connections import RAW
from tornado_realtime.brokers.memory import MemoryBroker
from tornado_realtime.connection import Connection, Limits, Phase
from tornado_realtime.hub import Hub
from tornado_realtime.hub.fanout import SLICE_SIZE
from tornado_realtime.publication import Publication
from tornado_realtime.traits import Slow, Traits, TraitsTable
from tornado_realtime.wire.base import Farewell
from tornado_realtime.wire.frames import Batch, text_frame

CROWD = 50_000
JOIN = b'{"action":"subscribe","channel":"news"}'
LEAVE = b'{"action":"unsubscribe","channel":"news"}'
ONE, TWO, THREE = (Batch.of((text_frame(text),)).data for text in (b"one", b"two", b"three"))


class Quiet(Connection):
    """Takes everything, or what the test says; remembers what it took."""

    __slots__ = ("act", "got")

    def __init__(self, hub: Hub) -> None:
        super().__init__(hub, RAW, "u1")
        self.got: list[bytes] = []
        self.act: Callable[[], int | None] | None = None

    def begin(self, early: bytes = b"") -> None: ...

    def _write(self, data: bytes) -> int:
        if self.act is not None:
            act, self.act = self.act, None
            taken = act()
            if taken is not None:
                self.got.append(data[:taken])
                return taken
        self.got.append(data)
        return len(data)

    def _writev(self, views: Sequence[memoryview]) -> int:
        return self._write(b"".join(views))

    def _want_write(self, wanted: bool) -> None: ...

    def _hang_up(self) -> None: ...

    def _release(self) -> None: ...


class Crowd:
    """A hub whose channel ``news`` has so many subscribers."""

    def __init__(self, size: int, drop_oldest: bool = False) -> None:
        traits = Traits(slow=Slow.DROP_OLDEST if drop_oldest else Slow.DISCONNECT)
        self.hub = Hub(MemoryBroker(TraitsTable(others=traits)), Limits(outbox_frames=4))
        self.members = [Quiet(self.hub) for _ in range(size)]
        for member in self.members:
            self.hub.opened(member)
            self.join(member)

    def join(self, member: Quiet) -> None:
        self.hub.received(member, JOIN, True)

    def leave(self, member: Quiet) -> None:
        self.hub.received(member, LEAVE, True)

    def leave_and_join(self, member: Quiet) -> None:
        self.leave(member)
        self.join(member)

    def publish(self, *texts: bytes) -> None:
        for text in texts:
            self.hub.deliver(Publication("news", text))

    async def settle(self) -> int:
        """How many turns of the loop it took."""
        turns = 0
        while not self.hub._fanout.idle.is_set():
            await asyncio.sleep(0)
            turns += 1
        return turns


def test_everybody_gets_everything_in_order_a_slice_at_a_time() -> None:
    async def main() -> None:
        world = Crowd(CROWD)
        world.publish(b"one", b"two")
        for _ in range(3):
            await asyncio.sleep(0)
        assert 0 < sum(map(bool, (member.got for member in world.members))) <= 3 * SLICE_SIZE
        world.publish(b"three")
        assert await world.settle() >= 2 * CROWD // SLICE_SIZE - 3
        assert all(member.got == [ONE + TWO, THREE] for member in world.members)
        await world.hub.close(Farewell.SHUTDOWN, 0)

    asyncio.run(main())


def gone() -> int:
    raise OSError(errno.ECONNRESET, "Connection reset by peer")


def bug() -> int:
    raise RuntimeError("a bug")


def test_whatever_subscribers_do_inside_a_flush(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        world = Crowd(2000)
        members, hub = world.members, world.hub
        newcomer, again = Quiet(hub), members[1900]
        hub.opened(newcomer)
        # What the hundredth one and its neighbours do while they are written to, in the first slice.
        members[100].act = gone
        members[101].act = bug
        members[102].act = lambda: world.leave(members[102])
        members[103].act = lambda: world.leave(members[104])
        members[105].act = lambda: world.join(newcomer)
        members[106].act = lambda: members[107].abort()
        members[108].act = lambda: members[50].abort()
        members[109].act = lambda: world.leave_and_join(again)
        members[110].act = lambda: members[1800].close(text_frame(b"bye"))
        members[111].act = lambda: world.publish(b"two")
        members[112].act = lambda: 1
        world.publish(b"one")
        await world.settle()
        world.publish(b"three")
        await world.settle()
        closed = {n for n, member in enumerate(members) if member.phase is not Phase.OPEN}
        assert closed == {50, 100, 101, 107, 1800}
        assert {n: b"".join(members[n].got) for n in closed} == {
            50: ONE,
            100: b"",
            101: b"",
            107: b"",
            1800: text_frame(b"bye"),
        }
        assert [b"".join(members[n].got) for n in (102, 104, 112)] == [ONE, b"", ONE[:1]]
        members[112].on_writable()
        assert b"".join(newcomer.got) == b"".join(again.got) == TWO + THREE
        others = [m for n, m in enumerate(members) if n not in closed | {102, 104, 1900}]
        assert all(b"".join(member.got) == ONE + TWO + THREE for member in others)
        assert hub.subscribers("news") == len(others) + 2
        await hub.close(Farewell.SHUTDOWN, 0)

    asyncio.run(main())
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [
        "a delivery failed unexpectedly; the connection is dropped"
    ]


@pytest.mark.parametrize("drop_oldest", [False, True])
def test_a_thousand_that_take_nothing_cost_the_others_nothing(drop_oldest: bool) -> None:
    async def main() -> None:
        world = Crowd(4000, drop_oldest=drop_oldest)
        deaf, healthy = world.members[::4], [m for n, m in enumerate(world.members) if n % 4]
        for member in deaf:
            member.act = lambda: 0
        for number in range(20):
            world.publish(b"%d" % number)
            await world.settle()
            assert all(member.outbox is None or member.outbox.frames <= 4 for member in world.members)
        assert all(member.got == [text_frame(b"%d" % n) for n in range(20)] for member in healthy)
        counters = world.hub.metrics.counters
        if drop_oldest:
            assert counters.frames_dropped == 1000 * 16
            for member in deaf:
                member.on_writable()
            assert all(
                member.got[1:] == [b"".join(map(text_frame, (b"16", b"17", b"18", b"19")))] for member in deaf
            )
            assert world.hub.subscribers("news") == 4000
        else:
            assert (counters.frames_dropped, counters.slow_consumers) == (0, 1000)
            assert {member.phase for member in deaf} == {Phase.CLOSING}
            assert world.hub.subscribers("news") == 3000
        await world.hub.close(Farewell.SHUTDOWN, 0)

    asyncio.run(main())
