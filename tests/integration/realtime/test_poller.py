"""Both pollers, on real descriptors: the same behaviour."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from functools import partial

import pytest

from tornado_realtime.poller import READY_SIZE, TURN_SECONDS, EpollPoller, LoopPoller, Poller, make_poller

Make = Callable[[asyncio.AbstractEventLoop], Poller]


class Noting:
    """A descriptor's owner that notes what it is told."""

    def __init__(self, poller: Poller) -> None:
        self.poller = poller
        self.here, self.there = socket.socketpair()
        self.here.setblocking(False)
        self.fd = self.here.fileno()
        self.got: list[bytes] = []
        self.writable = 0
        self.aborted = 0
        self.on_read: Callable[[], None] = lambda: None
        poller.add(self.fd, self)

    def on_readable(self) -> None:
        self.got.append(os.read(self.fd, 100))
        self.on_read()

    def on_writable(self) -> None:
        self.writable += 1

    def abort(self) -> None:
        self.aborted += 1
        self.poller.remove(self.fd)

    def end(self) -> None:
        self.poller.remove(self.fd)
        self.here.close()
        self.there.close()


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.fixture(params=[EpollPoller, LoopPoller])
def make(request: pytest.FixtureRequest) -> Make:
    found: Make = request.param
    return found


def test_readable(make: Make) -> None:
    async def main() -> None:
        poller = make(asyncio.get_running_loop())
        one, two = Noting(poller), Noting(poller)
        one.there.send(b"hello")
        await turns()
        assert (one.got, two.got) == ([b"hello"], [])
        two.on_read = lambda: poller.remove(two.fd)
        two.there.close()
        await turns()
        assert two.got == [b""]
        one.end()
        two.end()
        poller.close()

    asyncio.run(main())


def test_writable_on_demand_only(make: Make) -> None:
    async def main() -> None:
        poller = make(asyncio.get_running_loop())
        one = Noting(poller)
        await turns()
        assert one.writable == 0
        poller.want_write(one.fd, True)
        await turns()
        assert one.writable > 0
        poller.want_write(one.fd, False)
        await turns(1)
        before = one.writable
        await turns()
        assert one.writable == before
        one.there.send(b"still read")
        await turns()
        assert one.got == [b"still read"]
        one.end()
        poller.close()

    asyncio.run(main())


def test_who_is_removed_hears_nothing_more(make: Make) -> None:
    async def main() -> None:
        poller = make(asyncio.get_running_loop())
        one = Noting(poller)
        one.there.send(b"hello")
        poller.want_write(one.fd, True)
        poller.remove(one.fd)
        poller.remove(one.fd)
        await turns()
        assert (one.got, one.writable) == ([], 0)
        one.end()
        poller.close()

    asyncio.run(main())


def test_one_owner_removes_another_in_the_same_turn(make: Make) -> None:
    async def main() -> None:
        poller = make(asyncio.get_running_loop())
        crowd = [Noting(poller) for _ in range(3)]

        def remove_others() -> None:
            for other in crowd:
                if not other.got:
                    poller.remove(other.fd)

        for one in crowd:
            one.on_read = remove_others
            one.there.send(b"x")
        await turns()
        assert sorted(one.got for one in crowd) == [[], [], [b"x"]]
        for one in crowd:
            one.end()
        poller.close()

    asyncio.run(main())


def test_a_bug_in_one_owner_does_not_stop_the_others(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise RuntimeError("a bug in a connection")

    async def main() -> None:
        poller = make(asyncio.get_running_loop())
        crowd = [Noting(poller) for _ in range(3)]
        crowd[0].on_read = crowd[1].on_read = fail
        for one in crowd:
            one.there.send(b"x")
        await turns()
        assert [one.got for one in crowd] == [[b"x"]] * 3
        assert [one.aborted for one in crowd] == [1, 1, 0]
        for one in crowd:
            one.end()
        poller.close()

    asyncio.run(main())
    assert caplog.text.count("a connection failed unexpectedly and is dropped") == 2


def test_more_than_one_turn_serves(make: Make) -> None:
    async def main() -> None:
        poller = make(asyncio.get_running_loop())
        crowd = [Noting(poller) for _ in range(READY_SIZE + 50)]
        for one in crowd:
            one.there.send(b"x")
        await turns()
        assert all(one.got == [b"x"] for one in crowd)
        for one in crowd:
            one.end()
        poller.close()

    asyncio.run(main())


def test_a_turn_ends_when_its_time_is_up_and_nobody_starves() -> None:
    now = 0.0
    served: list[int] = []

    async def main() -> None:
        poller = EpollPoller(asyncio.get_running_loop(), lambda: now)
        crowd = [Noting(poller) for _ in range(10)]

        def note(number: int) -> None:
            nonlocal now
            now += TURN_SECONDS / 3
            served.append(number)
            # It never stops sending, and must not keep the others from being heard.
            crowd[number].there.send(b"x")

        for number, one in enumerate(crowd):
            one.on_read = partial(note, number)
            one.there.send(b"x")
        await turns(1)
        first_turn = len(served)
        while len(served) < 20:
            await turns(1)
        for one in crowd:
            one.end()
        poller.close()
        assert first_turn in (0, 3)  # the loop may look at its descriptors one turn later

    asyncio.run(main())
    assert sorted(served[:10]) == list(range(10))
    assert served[10:20] == served[:10]


def test_what_was_left_over_may_be_gone_by_then() -> None:
    now = 0.0

    async def main() -> None:
        poller = EpollPoller(asyncio.get_running_loop(), lambda: now)
        crowd = [Noting(poller) for _ in range(5)]

        def end_the_turn() -> None:
            nonlocal now
            now += TURN_SECONDS
            for other in crowd:
                if not other.got:
                    poller.remove(other.fd)

        for one in crowd:
            one.on_read = end_the_turn
            one.there.send(b"x")
        await turns()
        assert sorted(len(one.got) for one in crowd) == [0, 0, 0, 0, 1]
        late = Noting(poller)
        late.there.send(b"y")
        await turns()
        assert late.got == [b"y"]
        for one in (*crowd, late):
            one.end()
        poller.close()

    asyncio.run(main())


def test_close_twice(make: Make) -> None:
    async def main() -> None:
        poller = make(asyncio.get_running_loop())
        one = Noting(poller)
        one.there.send(b"x")
        poller.close()
        poller.close()
        await turns()
        assert one.got == []
        one.end()

    asyncio.run(main())


@pytest.mark.parametrize(("has_epoll", "kind"), [(True, EpollPoller), (False, LoopPoller)])
def test_the_best_one_there_is(has_epoll: bool, kind: type[Poller], monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        if not has_epoll:
            monkeypatch.delattr("select.epoll")
        poller = make_poller(asyncio.get_running_loop())
        assert type(poller) is kind
        poller.close()

    asyncio.run(main())
