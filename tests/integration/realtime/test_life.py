"""Starting, closing, failing, starting again; and forks."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.support.realtime_world import TunedRealtime, realtime, serving, until
from tornado_realtime.brokers.base import Sink
from tornado_realtime.brokers.memory import MemoryBroker
from tornado_realtime.errors import BrokerClosedError, BrokerError, RealtimeError
from tornado_realtime.realtime import Realtime
from tornado_realtime.wire.base import Farewell


def open_files() -> int:
    gc.collect()  # an earlier test may have left a socket to the collector
    return len(list(Path("/proc/self/fd").iterdir()))


def test_start_twice_is_once() -> None:
    async def main() -> None:
        instance = Realtime()
        await instance.start()
        hub = instance.hub
        await instance.start()
        assert instance.hub is hub
        await instance.close()

    asyncio.run(main())


def test_close_twice_and_without_a_start() -> None:
    async def main() -> None:
        instance = Realtime()
        await instance.close()
        await instance.start()
        await instance.close()
        await instance.close()
        with pytest.raises(BrokerClosedError):
            _ = instance.hub

    asyncio.run(main())


def test_a_second_close_waits_for_the_first_one() -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            client = await world.open("news")
            client.stop_reading()
            first = asyncio.create_task(world.realtime.close(timeout=0.2))
            await asyncio.sleep(0)
            second = asyncio.create_task(world.realtime.close(timeout=0.2))
            await asyncio.sleep(0.05)
            assert not first.done()
            assert not second.done()
            await asyncio.gather(first, second)

    asyncio.run(main())


def test_a_close_that_is_cancelled_goes_on() -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            hub = world.hub
            client = await world.open("news")
            closing = asyncio.create_task(world.realtime.close(timeout=5))
            await asyncio.sleep(0)
            closing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await closing
            assert await client.closed_with() == (1001, "server is shutting down")
            await world.realtime.close()
            assert not hub.connections

    asyncio.run(main())


def test_a_loop_that_ends_while_it_closes_leaves_nothing() -> None:
    before = open_files()
    left: list[Realtime] = []

    async def main() -> None:
        async with serving(realtime()) as world:
            left.append(world.realtime)
            deaf = await world.open("news")
            deaf.stop_reading()
            hub = world.hub
            closing = asyncio.create_task(world.realtime.close(timeout=60))
            await until(lambda: hub.subscribers("news") == 0)
            closing.cancel()
            raise RuntimeError("the application failed")

    with pytest.raises(RuntimeError):
        asyncio.run(asyncio.wait_for(main(), 2))
    gc.collect()
    assert open_files() <= before

    async def again() -> None:
        await left[0].close()
        await left[0].start()
        await left[0].close()

    asyncio.run(again())


def test_it_serves_again_after_a_restart_with_new_clients() -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            for turn in range(3):
                client = await world.open("news")
                await world.realtime.publish("news", str(turn))
                assert await client.text() == str(turn).encode()
                closing = asyncio.create_task(world.realtime.close())
                assert (await client.closed_with())[0] == 1001
                await closing
                assert (await world.knock()).status == 503
                await world.realtime.start()

    asyncio.run(main())


def test_another_loop_after_a_proper_end() -> None:
    instance = realtime()

    async def main() -> None:
        async with serving(instance) as world:
            await world.open("news")

    asyncio.run(main())
    asyncio.run(main())


def test_another_loop_without_a_proper_end() -> None:
    instance = realtime()
    asyncio.run(instance.start())
    with pytest.raises(RealtimeError, match="started on another event loop"):
        asyncio.run(instance.start())


@pytest.mark.parametrize(
    ("farewell", "code", "reason"),
    [(Farewell.SHUTDOWN, 1001, "server is shutting down"), (Farewell.RELOAD, 1012, "configuration changed")],
)
def test_what_clients_are_told(farewell: Farewell, code: int, reason: str) -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            client = await world.open("news")
            closing = asyncio.create_task(world.realtime.close(farewell))
            assert await client.closed_with() == (code, reason)
            await closing

    asyncio.run(main())


class Failing(MemoryBroker):
    """Cannot be started until it is told that it can."""

    works = False
    closed = 0

    async def start(self, sink: Sink) -> None:
        if not type(self).works:
            raise BrokerError("no such broker")
        await super().start(sink)

    async def close(self) -> None:
        type(self).closed += 1
        await super().close()


class OnFailing(TunedRealtime):
    broker = Failing


def test_a_start_that_fails_leaves_nothing_and_can_be_tried_again() -> None:
    async def main() -> None:
        instance = OnFailing()
        gc.collect()  # of what earlier tests left open
        before, tasks = open_files(), len(asyncio.all_tasks())
        for _ in range(2):
            with pytest.raises(BrokerError, match="no such broker"):
                await instance.start()
        assert (open_files(), len(asyncio.all_tasks()), Failing.closed) == (before, tasks, 2)
        await instance.close()
        Failing.works = True
        await instance.start()
        await instance.publish("news", "x")
        await instance.close()
        assert open_files() == before

    asyncio.run(main())


class Buggy(MemoryBroker):
    """Fails at its end."""

    async def close(self) -> None:
        raise RuntimeError("a bug in a broker")


class OnBuggy(TunedRealtime):
    broker = Buggy


def test_a_broker_that_fails_at_its_end_does_not_keep_the_clients() -> None:
    async def main() -> None:
        before = open_files()
        instance = OnBuggy(authenticate=lambda request: "u1")
        with pytest.raises(RuntimeError):
            async with serving(instance) as world:
                await world.open("news")
                hub = world.hub
                await instance.close()
        assert not hub.connections
        for client in world.clients:
            client.close()
        await until(lambda: open_files() <= before)

    asyncio.run(main())


def run(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_made_before_a_fork_and_started_in_each_child() -> None:
    out = run(
        """
        import asyncio, os
        from tornado_realtime import Realtime

        realtime = Realtime()
        routes = realtime.routes

        async def main():
            await realtime.start()
            await realtime.publish("news", "hello")
            await realtime.close()

        for child in range(2):
            if os.fork() == 0:
                asyncio.run(main())
                os._exit(0)
        print([os.waitstatus_to_exitcode(os.wait()[1]) for child in range(2)])
        """
    )
    assert out == "[0, 0]\n"


def test_started_before_a_fork_is_an_error_that_says_so() -> None:
    out = run(
        """
        import asyncio, os
        from tornado_realtime import Realtime

        realtime = Realtime()
        loop = asyncio.new_event_loop()
        loop.run_until_complete(realtime.start())
        if os.fork() == 0:
            try:
                asyncio.run(realtime.start())
            except Exception as error:
                print(type(error).__name__, error, flush=True)
            os._exit(0)
        os.wait()
        loop.run_until_complete(realtime.close())
        loop.close()
        """
    )
    assert out == ("RealtimeError started before this process was forked: start it in every child instead\n")


def test_importing_the_package_needs_no_pytest_and_no_redis() -> None:
    out = run(
        """
        import sys
        import tornado_realtime
        print([name for name in ("pytest", "redis", "pytest_tornado") if name in sys.modules])
        """
    )
    assert out == "[]\n"
