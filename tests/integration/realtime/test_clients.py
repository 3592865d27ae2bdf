"""Many clients, slow ones, dead ones, encrypted ones; a client library not made of Tornado."""

from __future__ import annotations

import asyncio
import gc
import os
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import websockets
from websockets.asyncio.client import ClientConnection, connect

from tests.support.certificates import TlsPair, make_tls_pair
from tests.support.realtime_world import (
    UPGRADE,
    TunedRealtime,
    WebSocketClient,
    World,
    realtime,
    serving,
    until,
)
from tests.support.v1_world import open_v1
from tests.unit.wire.client_frames import client_frame
from tornado_realtime.connection import LeanConnection, StreamConnection
from tornado_realtime.hub import Heart
from tornado_realtime.poller import EpollPoller, LoopPoller
from tornado_realtime.publication import Publication
from tornado_realtime.realtime import Realtime

KILO = "x" * 1000


class OnEpoll(TunedRealtime):
    poller = EpollPoller


class OnLoop(TunedRealtime):
    poller = LoopPoller


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsPair:
    return make_tls_pair(tmp_path_factory.mktemp("tls"))


Kind = tuple[type[TunedRealtime], bool]
KINDS: dict[str, Kind] = {"epoll": (OnEpoll, False), "loop": (OnLoop, False), "tls": (OnEpoll, True)}


@pytest.fixture(params=list(KINDS.values()), ids=list(KINDS))
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


@asynccontextmanager
async def serving_kind(kind: Kind, tls: TlsPair, **options: Any) -> AsyncIterator[World]:
    make, secure = kind
    options.setdefault("authenticate", lambda request: "u1")
    async with serving(make(**options), tls=tls if secure else None) as world:
        yield world
        expected = StreamConnection if secure else LeanConnection
        assert all(type(connection) is expected for connection in world.hub.connections)


@asynccontextmanager
async def library_clients(world: World, size: int, *channels: str) -> AsyncIterator[list[ClientConnection]]:
    """Clients of the library ``websockets``, subscribed."""
    scheme = "wss" if world.tls else "ws"
    url = f"{scheme}://127.0.0.1:{world.port}/ws"
    clients = await asyncio.gather(*(connect(url, ssl=world.tls, max_size=None) for _ in range(size)))
    for client in clients:
        for channel in channels:
            await client.send(f'{{"action":"subscribe","channel":"{channel}"}}')
    for channel in channels:
        await until(partial(has_subscribers, world, channel, size))
    try:
        yield clients
    finally:
        await asyncio.gather(*(client.close() for client in clients))


def has_subscribers(world: World, channel: str, size: int) -> bool:
    return world.hub.subscribers(channel) == size


def test_many_clients_get_everything_in_order(kind: Kind, tls: TlsPair) -> None:
    async def main() -> None:
        async with serving_kind(kind, tls) as world, library_clients(world, 50, "a", "b") as clients:
            sent = [f"{channel}{number}" for number in range(40) for channel in "ab"]
            for message in sent:
                await world.realtime.publish(message[0], message)
            for client in clients:
                got = [await asyncio.wait_for(client.recv(), 5) for _ in sent]
                for channel in "ab":
                    assert [m for m in got if m[0] == channel] == [m for m in sent if m[0] == channel]

    asyncio.run(main())


def test_v1_over_every_kind_of_socket(kind: Kind, tls: TlsPair) -> None:
    async def main() -> None:
        async with serving_kind(kind, tls, channel={"chat": {"publish": "anyone"}}) as world:
            client = await open_v1(world, "chat")
            payload = "é" * 10_000
            await client.say("publish", id=1, channel="chat", payload=payload)
            assert [(await client.hear())["type"], (await client.hear())["payload"]] == ["published", payload]

    asyncio.run(main())


def test_a_client_that_closes_is_forgotten(kind: Kind, tls: TlsPair) -> None:
    async def main() -> None:
        async with serving_kind(kind, tls) as world:
            async with library_clients(world, 3, "news") as clients:
                await clients[0].close(4000, "enough")
                received = clients[0].protocol.close_rcvd
                assert received is not None
                assert (received.code, received.reason) == (4000, "")
                await until(lambda: world.hub.subscribers("news") == 2)
            await until(lambda: not world.hub.connections)
            assert list(world.hub.channels()) == []

    asyncio.run(main())


def test_pings_of_a_client_library_are_answered(kind: Kind, tls: TlsPair) -> None:
    async def main() -> None:
        async with serving_kind(kind, tls) as world, library_clients(world, 1) as (client,):
            assert await asyncio.wait_for(await client.ping("hello"), 5) < 5

    asyncio.run(main())


def test_a_message_that_is_too_long_does_not_keep_a_client_waiting(kind: Kind, tls: TlsPair) -> None:
    async def main() -> None:
        async with serving_kind(kind, tls) as world, library_clients(world, 1) as (client,):
            await client.send("x" * 513)
            await asyncio.wait_for(client.wait_closed(), 2)
            assert client.close_code == 1009
            await until(lambda: not world.hub.connections)

    asyncio.run(main())


def test_a_large_publication_reaches_everybody(kind: Kind, tls: TlsPair) -> None:
    """It is larger than the send queue, and larger than what the kernel takes at once."""

    async def main() -> None:
        options = {"max_publication_size": "8MiB", "send_queue": [4, "64KiB"]}
        async with serving_kind(kind, tls, **options) as world, library_clients(world, 3, "news") as clients:
            message = "ü" * (3 << 20)
            await world.realtime.publish("news", message)
            for client in clients:
                assert await asyncio.wait_for(client.recv(), 10) == message

    asyncio.run(main())


def test_a_client_that_never_reads_costs_only_itself(
    kind: Kind, tls: TlsPair, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with (
            serving_kind(kind, tls, send_queue=[64, "64KiB"]) as world,
            library_clients(world, 5, "news") as clients,
        ):
            slow = await world.connect(rcvbuf=4096)
            slow.stop_reading()
            await open_silently(world, slow)
            most, published = 0, 0
            while world.hub.subscribers("news") == 6:
                await world.realtime.publish("news", f"{published} {KILO}")
                published += 1
                assert published < 20_000
                for client in clients:
                    assert await asyncio.wait_for(client.recv(), 5) == f"{published - 1} {KILO}"
                most = max(most, *(queued_bytes(c) for c in world.hub.connections))
            assert 0 < most <= 64 * 1024
            await world.realtime.publish("news", "still here")
            for client in clients:
                assert await asyncio.wait_for(client.recv(), 5) == "still here"

    asyncio.run(main())
    assert "slow consumer closed" in caplog.text


def queued_bytes(connection: Any) -> int:
    return connection.outbox.size_bytes if connection.outbox is not None else 0


async def open_silently(world: World, client: WebSocketClient) -> None:
    """Handshake and subscription of a client that reads nothing at all."""
    before = world.hub.subscribers("news")
    request = "\r\n".join(["GET /ws HTTP/1.1", "Host: localhost", *UPGRADE, "", ""]).encode()
    await client.send(request + client_frame(b'{"action":"subscribe","channel":"news"}'))
    await until(lambda: world.hub.subscribers("news") == before + 1)


def test_a_slow_client_that_reads_again_gets_an_empty_close_frame() -> None:
    async def main() -> None:
        async with serving(realtime(send_queue=[8, "64KiB"])) as world:
            slow = await world.connect(rcvbuf=4096)
            slow.stop_reading()
            await open_silently(world, slow)
            published = 0
            while world.hub.subscribers("news"):
                await world.realtime.publish("news", f"{published} {KILO}")
                published += 1
                await asyncio.sleep(0)
            slow.read_again()
            assert (await slow.answer()).status == 101
            number = 0
            while (frame := await slow.frame())[0] == 0x81:
                assert frame[1] == f"{number} {KILO}".encode()
                number += 1
            assert frame == (0x88, b"")
            assert 0 < number < published

    asyncio.run(main())


class Impatient(TunedRealtime):
    heart = staticmethod(lambda loop: Heart(loop, write_timeout=0.2, tick=0.02))


@pytest.mark.parametrize("secure", [False, True])
def test_a_stuck_client_is_dropped_after_the_write_timeout(secure: bool, tls: TlsPair) -> None:
    async def main() -> None:
        async with serving_kind((Impatient, secure), tls, send_queue=[10_000, "64MiB"]) as world:
            stuck = await world.connect(rcvbuf=4096)
            stuck.stop_reading()
            await open_silently(world, stuck)
            for _ in range(8):
                await world.realtime.publish("news", "x" * (1 << 20))
            assert world.hub.subscribers("news") == 1
            await until(lambda: not world.hub.connections, 3)

    asyncio.run(main())


def test_clients_that_vanish(kind: Kind, tls: TlsPair) -> None:
    async def main() -> None:
        async with serving_kind(kind, tls) as world, library_clients(world, 3, "news") as clients:
            for _ in range(10):
                (await world.open("news")).vanish()
            await world.realtime.publish("news", "hello")
            for client in clients:
                assert await asyncio.wait_for(client.recv(), 5) == "hello"
            await until(lambda: world.hub.subscribers("news") == 3)
            assert len(world.hub.connections) == 3

    asyncio.run(main())


def test_a_client_that_only_shuts_its_sending_half(kind: Kind, tls: TlsPair) -> None:
    async def main() -> None:
        async with serving_kind(kind, tls) as world:
            client = await world.open("news")
            client.writer.write_eof() if client.writer.can_write_eof() else client.close()
            await until(lambda: not world.hub.connections)

    asyncio.run(main())


def test_goodbye_is_told_with_its_code_and_after_what_was_published(kind: Kind, tls: TlsPair) -> None:
    async def main() -> None:
        async with serving_kind(kind, tls) as world, library_clients(world, 5, "news") as clients:
            for number in range(100):
                await world.realtime.publish("news", str(number))
            closing = asyncio.create_task(world.realtime.close())
            for client in clients:
                got = [message async for message in client]
                assert got == [str(number) for number in range(100)]
                assert (client.close_code, client.close_reason) == (1001, "server is shutting down")
            await asyncio.wait_for(closing, 2)
            with pytest.raises(websockets.InvalidStatus):
                await connect(f"{'wss' if world.tls else 'ws'}://127.0.0.1:{world.port}/ws", ssl=world.tls)
            await world.realtime.start()

    asyncio.run(main())


def test_who_does_not_take_the_goodbye_is_dropped_when_the_time_is_over(kind: Kind, tls: TlsPair) -> None:
    async def main() -> None:
        async with serving_kind(kind, tls) as world:
            deaf = await world.open("news")
            deaf.stop_reading()
            started = asyncio.get_running_loop().time()
            await world.realtime.close(timeout=0.1)
            assert 0.09 < asyncio.get_running_loop().time() - started < 1.0
            deaf.read_again()
            assert (await deaf.frame())[0] == 0x88
            await world.realtime.start()

    asyncio.run(main())


def test_one_system_call_a_subscriber_and_flush(tls: TlsPair, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def counted(call: Callable[..., int], *arguments: Any) -> int:
        calls.append(call(*arguments))
        return calls[-1]

    async def main() -> None:
        async with serving_kind(KINDS["epoll"], tls) as world:
            clients = [await world.open("news") for _ in range(20)]
            await until(lambda: world.hub.subscribers("news") == 20)
            for name in ("write", "writev"):
                monkeypatch.setattr(os, name, partial(counted, getattr(os, name)))
            for number in range(50):
                world.hub.publish_now(Publication("news", b"%d" % number))
            for client in clients:
                assert [await client.text() for _ in range(50)] == [b"%d" % number for number in range(50)]
            monkeypatch.undo()

    asyncio.run(main())
    # The loop's own wake-up calls, if any, write a single byte.
    assert [taken for taken in calls if taken > 1] == [10 * 3 + 40 * 4] * 20


# -- nothing is left -------------------------------------------------------------------------------------


def open_files() -> int:
    folder = Path("/proc/self/fd")
    return len(list((folder if folder.is_dir() else Path("/dev/fd")).iterdir()))


def test_a_connection_is_no_task_and_no_timer(kind: Kind, tls: TlsPair) -> None:
    async def main() -> None:
        async with serving_kind(kind, tls) as world:
            clients = [await world.open("news") for _ in range(2)]
            await asyncio.sleep(0.05)
            tasks, timers = len(asyncio.all_tasks()), pending_timers()
            clients += [await world.open("news") for _ in range(20)]
            await asyncio.sleep(0.05)
            assert len(asyncio.all_tasks()) == tasks
            assert pending_timers() <= timers
            assert len(world.hub.connections) == len(clients)

    asyncio.run(main())


def pending_timers() -> int:
    loop: Any = asyncio.get_running_loop()
    return sum(not timer.cancelled() for timer in loop._scheduled)


def test_200_connections_leave_no_descriptor(kind: Kind, tls: TlsPair) -> None:
    async def main() -> None:
        async with serving_kind(kind, tls) as world:
            (await world.open("news")).vanish()
            await until(lambda: not world.hub.connections)
            before = open_files()
            for number in range(200):
                client = await world.open()
                if number % 2:
                    client.vanish()
                else:
                    await client.say(b"", 0x8)
                    await client.frame()
                    client.close()
                world.clients.clear()
            await until(lambda: not world.hub.connections)
            await until(lambda: open_files() <= before)

    asyncio.run(main())


@pytest.fixture
def saved_garbage() -> Iterator[None]:
    """What only the collector could free is kept to be looked at."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    yield
    gc.set_debug(0)
    gc.garbage.clear()
    gc.enable()
    gc.collect()


def test_no_connection_waits_for_the_garbage_collector(kind: Kind, tls: TlsPair, saved_garbage: None) -> None:
    async def main() -> None:
        async with serving_kind(kind, tls) as world:
            await one_life(world)
            gc.collect()
            gc.garbage.clear()
            for _ in range(3):
                await one_life(world)
            gc.collect()
            found = {type(thing).__name__ for thing in gc.garbage if is_ours(thing)}
            assert found == set()

    asyncio.run(main())


async def one_life(world: World) -> None:
    """From a handshake through a publication and a broken rule to the end."""
    client = await world.open("news")
    await world.realtime.publish("news", "hello")
    assert await client.text() == b"hello"
    await client.say(b"\xff")
    assert await client.closed_with() == (1007, "")
    assert (await world.post()).status == 202
    assert (await world.knock("Accept: */*")).status == 400
    await until(lambda: not world.hub.connections)
    world.clients.clear()
    await asyncio.sleep(0.01)


def is_ours(thing: object) -> bool:
    return type(thing).__module__.startswith("tornado_realtime")


def test_too_few_descriptors(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with serving(realtime()) as world:

            def dup(self: object) -> object:
                raise OSError(24, "Too many open files")

            client = await world.connect()
            with monkeypatch.context() as patch:
                patch.setattr("socket.socket.dup", dup)
                assert (await client.request("GET", "/ws", *UPGRADE)).status == 101
                assert await client.at_end()
            assert not world.hub.connections
            await world.open("news")

    asyncio.run(main())
    assert "a connection cannot be kept" in caplog.text


def test_the_plugin_serves_tls_through_the_application_s_own_server(tls: TlsPair) -> None:
    async def main() -> None:
        async with serving(Realtime(authenticate=lambda request: request.protocol), tls=tls) as world:
            assert isinstance(world.tls, ssl.SSLContext)
            await world.open("news")
            assert [connection.user.id for connection in world.hub.connections] == ["https"]

    asyncio.run(main())
