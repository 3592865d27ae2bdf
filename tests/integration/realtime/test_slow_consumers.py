"""Clients that read slowly or not at all, among others: bounded, told or trimmed, and alone in it."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest

from tests.support.certificates import TlsPair, make_tls_pair
from tests.support.realtime_world import UPGRADE, WebSocketClient, World, realtime, serving, until
from tests.unit.wire.client_frames import client_frame
from tornado_realtime.connection import Connection, LeanConnection, Phase, StreamConnection

KILO = "x" * 1000
HANDSHAKE = "\r\n".join(["GET /ws HTTP/1.1", "Host: localhost", *UPGRADE, "", ""]).encode()
JOIN = client_frame(b'{"action":"subscribe","channel":"news"}')
DEAF, HEALTHY = 1000, 40


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsPair:
    return make_tls_pair(tmp_path_factory.mktemp("tls"))


@contextmanager
def deaf_clients(world: World) -> Iterator[list[socket.socket]]:
    """Sockets that are open and hear nothing."""
    clients: list[socket.socket] = []
    try:
        yield clients
    finally:
        for client in clients:
            client.close()


async def add_deaf(world: World, clients: list[socket.socket], size: int) -> None:
    """Connect and subscribe so many that never read, a hundred at a time."""
    before = world.hub.subscribers("news")
    while len(clients) < size:
        for _ in range(100):
            client = socket.socket()
            clients.append(client)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", world.port))
            client.sendall(HANDSHAKE + JOIN)
        await until(lambda: world.hub.subscribers("news") == before + len(clients))


async def read_all(client: WebSocketClient, count: int) -> list[bytes]:
    return [await client.text() for _ in range(count)]


def waiting(connection: Connection) -> tuple[int, int]:
    outbox = connection.outbox
    return (outbox.frames, outbox.size_bytes) if outbox is not None else (0, 0)


@pytest.mark.parametrize("policy", ["disconnect", "drop_oldest"])
def test_a_thousand_that_never_read(policy: str, caplog: pytest.LogCaptureFixture) -> None:
    """They stay under their bounds, and nobody else misses anything."""
    published = 250

    async def main() -> None:
        instance = realtime(send_queue=[16, "12KiB"], slow_consumer=policy)
        async with serving(instance) as world:
            with deaf_clients(world) as deaf:
                healthy = [await world.open("news") for _ in range(HEALTHY)]
                await add_deaf(world, deaf, DEAF)
                readers = [asyncio.create_task(read_all(client, published)) for client in healthy]
                most_frames = most_bytes = 0
                for number in range(published):
                    await world.realtime.publish("news", f"{number} {KILO}")
                    await world.hub._fanout.idle.wait()
                    await asyncio.sleep(0)
                    for frames, size_bytes in map(waiting, world.hub.connections):
                        most_frames, most_bytes = max(most_frames, frames), max(most_bytes, size_bytes)
                expected = [f"{number} {KILO}".encode() for number in range(published)]
                for got in await asyncio.gather(*readers):
                    assert got == expected
                assert 0 < most_frames <= 16
                assert 10 * 1024 < most_bytes <= 12 * 1024
                check_policy(world, policy)

    asyncio.run(main())
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    said = "slow consumer closed" if policy == "disconnect" else "of its oldest frames dropped"
    assert len(lines) == DEAF
    assert all(said in line for line in lines)


def check_policy(world: World, policy: str) -> None:
    counters = world.hub.metrics.counters
    if policy == "disconnect":
        assert (counters.slow_consumers, counters.frames_dropped) == (DEAF, 0)
        assert world.hub.subscribers("news") == HEALTHY
        return
    assert counters.slow_consumers == 0
    assert counters.frames_dropped > DEAF * 50
    assert world.hub.subscribers("news") == HEALTHY + DEAF
    # Nothing is copied for them: all the outboxes together hold the bytes of a few batches.
    outboxes = [connection.outbox for connection in world.hub.connections if connection.outbox is not None]
    held = {id(view.obj): view.obj for outbox in outboxes for view in outbox.views()}
    assert len(outboxes) == DEAF
    assert len(held) < 100


@pytest.mark.parametrize("secure", [False, True])
def test_a_slow_client_that_reads_again_gets_the_newest(secure: bool, tls: TlsPair) -> None:
    async def main() -> None:
        instance = realtime(send_queue=[8, "64KiB"], slow_consumer="drop_oldest", wire="envelope")
        async with serving(instance, tls=tls if secure else None) as world:
            slow = await world.connect(rcvbuf=4096)
            await slow.send(HANDSHAKE + JOIN)
            assert (await slow.answer()).status == 101
            assert await slow.text() == b'{"type":"subscribed","channel":"news"}'
            slow.stop_reading()
            (connection,) = world.hub.connections
            assert type(connection) is (StreamConnection if secure else LeanConnection)
            published = await publish_until_dropped(world, 500)
            # What it asks meanwhile is answered, in its turn.
            await slow.say('{"action":"subscribe","channel":"more"}')
            await until(lambda: world.hub.subscribers("more") == 1)
            for number in range(published, published + 50):
                await publish(world, number)
            published += 50
            slow.read_again()
            got = [message async for message in until_number(slow, published - 1)]
            assert b'{"type":"subscribed","channel":"more"}' in got
            numbers = [number_of(message) for message in got if b'"message"' in message]
            assert all(one < two for one, two in pairwise(numbers))
            assert len(numbers) + world.hub.metrics.counters.frames_dropped == published
            gaps = [(one, two) for one, two in pairwise(numbers) if two != one + 1]
            assert gaps
            # The queue held half a frame at most, the answer, and the newest.
            assert numbers[-6:] == list(range(published - 6, published))
            await publish(world, published)
            assert number_of(await slow.text()) == published
            assert connection.outbox is None

    asyncio.run(main())


async def publish(world: World, number: int) -> None:
    await world.realtime.publish("news", f'{{"n":{number},"x":"{KILO}"}}')
    await asyncio.sleep(0)


async def publish_until_dropped(world: World, frames: int) -> int:
    """How many were published until so many frames were dropped."""
    published = 0
    while world.hub.metrics.counters.frames_dropped < frames:
        await publish(world, published)
        published += 1
        assert published < 20_000
    return published


def number_of(message: bytes) -> int:
    start = b'{"type":"message","channel":"news","payload":{"n":'
    assert message.startswith(start)
    assert message.endswith(f',"x":"{KILO}"}}}}'.encode())
    return int(message.removeprefix(start).partition(b",")[0])


async def until_number(client: WebSocketClient, last: int) -> Any:
    while True:
        message = await client.text()
        yield message
        if b'"message"' in message and number_of(message) == last:
            return


def test_who_asks_and_never_reads_the_answers_is_closed(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        instance = realtime(
            send_queue=[8, "64KiB"], slow_consumer="drop_oldest", wire="envelope", message_rate="off"
        )
        async with serving(instance) as world:
            with deaf_clients(world) as clients:
                await add_deaf(world, clients, 1)
                asker = clients[0]
                asker.setblocking(False)
                while world.hub.subscribers("news") == 100:
                    try:
                        asker.send(JOIN * 50)
                    except BlockingIOError:
                        pass
                    await asyncio.sleep(0)
                assert world.hub.metrics.counters.slow_consumers == 1
                assert world.hub.subscribers("news") == 99

    asyncio.run(main())
    assert "slow consumer closed" in caplog.text


@pytest.mark.parametrize("policy", ["disconnect", "drop_oldest"])
def test_a_flush_with_restless_clients(policy: str) -> None:
    """Some come, leave, or vanish while others are written to; those who stay get everything once."""
    published = 120

    async def main() -> None:
        async with serving(realtime(slow_consumer=policy)) as world:
            staying = [await world.open("news") for _ in range(30)]
            readers = [asyncio.create_task(read_all(client, published)) for client in staying]
            restless = [await world.open("news") for _ in range(300)]
            dice = random.Random(3)
            for number in range(published):
                await world.realtime.publish("news", f"{number} {KILO}")
                for client in dice.sample(restless, 5):
                    await fidget(client, dice, restless)
                await asyncio.sleep(0)
            for got in await asyncio.gather(*readers):
                assert got == [f"{number} {KILO}".encode() for number in range(published)]
            await until(lambda: world.hub.subscribers("news") >= 30)
            subscribed = [c for c in world.hub.connections if "news" in c.channels]
            assert world.hub.subscribers("news") == len(subscribed)
            assert all(connection.phase is Phase.OPEN for connection in subscribed)
            for client in restless:
                client.vanish()
            await until(lambda: len(world.hub.connections) == 30)
            assert world.hub.subscribers("news") == 30

    asyncio.run(main())


async def fidget(client: WebSocketClient, dice: random.Random, restless: list[WebSocketClient]) -> None:
    act = dice.randrange(4)
    if act == 0:
        restless.remove(client)
        client.vanish()
    elif act == 1:
        await client.send(JOIN)
    elif act == 2:
        await client.say('{"action":"unsubscribe","channel":"news"}')
    else:
        client.stop_reading()
