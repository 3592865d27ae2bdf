"""Connections in the lane from accept to end: slow publishers, reloads, other listeners, and what is left."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.support.certificates import make_tls_pair
from tests.support.lane_requests import (
    CLOSE_FRAME,
    JWT_SECRET,
    LAST,
    PAGE,
    PUBLISH,
    SECRET,
    UPGRADE,
    WELL_SHAPED,
    publish,
    upgrade,
)
from tests.support.rawhttp import RawClient
from tests.support.realtime_world import WebSocketClient, until
from tests.support.roads import Road, both_roads, compare, free_port, road, server_of, switch
from tornado_realtime.fastlane.lane import Lane
from tornado_realtime.fastlane.publishing import Permit
from tornado_realtime.publication import PLAIN, Publication, Taken
from tornado_realtime.server.ports import wanted_by
from tornado_realtime.wire.base import Farewell

DOOR = f'go_handler {{\njwt {{\nsecret "{JWT_SECRET}"\n}}\nbroadcast_secret {SECRET}\n}}\n'
SITE = f"http://:0 {{\n{DOOR}\nrespond /page page\n}}\n"


def on_a_road(
    steps: Callable[[Road], Awaitable[None]], caddyfile: str = SITE, host: str = "127.0.0.1"
) -> None:
    """Run steps against a server with a lane."""

    async def main() -> None:
        async with road(caddyfile, lane=True, host=host) as fast:
            await steps(fast)

    asyncio.run(main())


async def connect(fast: Road, index: int = 0) -> RawClient:
    """A connection on which nothing was said yet."""
    return RawClient(*await asyncio.open_connection("127.0.0.1", fast.port(index)))


async def post(client: RawClient, request: bytes = PUBLISH) -> int:
    """The status of the answer to a request."""
    await client.send(request)
    return (await client.answer()).status


# -- sessions --------------------------------------------------------------------------------------


@pytest.mark.parametrize("early", [True, False])
def test_a_session_on_both_roads(early: bool) -> None:
    async def session(one: Road) -> list[bytes]:
        client = WebSocketClient(*await asyncio.open_connection("127.0.0.1", one.port()))
        await client.send(UPGRADE)
        if not early:
            await client.answer()
        await client.say('{"action":"subscribe","channel":"news"}')
        if early:
            await client.answer()
        hub = one.generation.realtimes[0].hub
        await until(lambda: hub.subscribers("news"))
        users = [connection.user.id for connection in hub.connections]
        assert users == ["u7"]
        assert (await one.say(PUBLISH)).startswith(b"HTTP/1.1 202")
        received = [await client.text()]
        await client.send(CLOSE_FRAME)
        received.append((await client.frame())[1])
        client.close()
        return received

    async def main() -> None:
        async with both_roads(SITE) as (fast, slow):
            first, second = await session(fast), await session(slow)
            assert first == second == [b"hello there!", b"\x03\xe8"]
            assert (fast.at_site, slow.at_site) == (0, 2)

    asyncio.run(main())


# -- publishers ------------------------------------------------------------------------------------


def test_a_publisher_that_never_reads_its_answers() -> None:
    async def main() -> None:
        async with road(SITE, lane=True, socket_bytes=4096) as fast:
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", fast.port()))
            sent, left = await send_until_refused(sock)
            assert sent > fast.at_site > 0
            reader, writer = await asyncio.open_connection(sock=sock)
            client = RawClient(reader, writer)
            writer.write(left + LAST)
            statuses = [(await client.answer()).status for _ in range(sent + 2)]
            assert statuses == [202] * (sent + 1) + [200]
            assert await client.at_end()
            client.close()
            assert len(fast.published[0]) == sent + 1

    asyncio.run(main())


async def send_until_refused(sock: socket.socket) -> tuple[int, bytes]:
    """Publish until nothing is taken for a while: how many whole requests, and what is left of the last."""
    sent = 0
    refused_since = time.monotonic()
    left = PUBLISH
    while time.monotonic() < refused_since + 0.2:
        try:
            left = left[sock.send(left) :]
            refused_since = time.monotonic()
        except BlockingIOError:
            await asyncio.sleep(0.001)
        if not left:
            sent, left = sent + 1, PUBLISH
    return sent, left


@pytest.mark.parametrize(
    ("last", "published"),
    [
        (publish("Connection: close"), 2),
        (b"what is this\r\n\r\n", 1),
        (PAGE.replace(b"HTTP/1.1", b"HTTP/1.0"), 1),
        (upgrade("-Cookie", "Connection: close"), 1),
    ],
)
def test_nothing_behind_the_last_request_of_a_connection_is_done(last: bytes, published: int) -> None:
    async def main() -> None:
        async with both_roads(SITE) as (fast, slow):
            assert (await compare(fast, slow, PUBLISH + last + PUBLISH * 2)).endswith(b"|closed")
            await asyncio.sleep(0.01)
            assert [len(one.published[0]) for one in (fast, slow)] == [published] * 2

    asyncio.run(main())


def test_a_broker_that_has_to_wait_is_waited_for_by_tornado() -> None:
    async def steps(fast: Road) -> None:
        broker = fast.brokers[0]
        taken: list[Publication] = []

        async def publish_later(publication: Publication, key: str) -> Taken:
            await asyncio.sleep(0)
            taken.append(publication)
            return PLAIN

        with (
            patch.object(broker, "publish_now", lambda publication, key="": None),
            patch.object(broker, "publish", publish_later),
        ):
            client = await connect(fast)
            assert [await post(client), await post(client)] == [202, 202]
            client.close()
        assert [each.data for each in taken] == [b"hello there!"] * 2
        assert fast.at_site == 2

    on_a_road(steps)


def test_a_closed_instance_refuses_on_both_roads() -> None:
    async def main() -> None:
        async with both_roads(SITE) as (fast, slow):
            client = await connect(fast)
            assert await post(client) == 202
            for one in (fast, slow):
                await one.generation.realtimes[0].close(timeout=0)
            assert await post(client) == 503
            client.close()
            for request in (PUBLISH, UPGRADE):
                assert (await compare(fast, slow, request, LAST)).startswith(b"HTTP/1.1 503 ")

    asyncio.run(main())


# -- reload ----------------------------------------------------------------------------------------


async def reload(fast: Road, caddyfile: str) -> None:
    """Put another Caddyfile into force, as the server does."""
    old, new = fast.generation, server_of(caddyfile, fast.generation)
    await new.start()
    fast.generation = new
    switch(fast, wanted_by(new), lane=True)
    await old.close_realtimes(Farewell.RELOAD, 0, successor=new)


def test_what_was_allowed_before_a_reload_is_judged_anew() -> None:
    port = free_port()
    site = SITE.replace(":0", f":{port}")

    async def steps(fast: Road) -> None:
        client = await connect(fast)
        assert await post(client) == 202
        await reload(fast, site.replace(SECRET, "another"))
        assert await post(client) == 403
        client.close()
        client = await connect(fast)
        assert await post(client, publish("X-Broadcast-Secret: another")) == 202
        await reload(fast, f"http://:{port} {{\nrespond gone 410\n}}\n")
        assert await post(client, publish("X-Broadcast-Secret: another")) == 410
        client.close()

    on_a_road(steps, site)


def test_a_reload_that_only_shuts_the_way_to_a_running_instance_counts_at_once() -> None:
    site = SITE.replace(":0", f":{free_port()}")

    async def steps(fast: Road) -> None:
        client = await connect(fast)
        assert await post(client) == 202
        realtime = fast.generation.realtimes[0]
        await reload(
            fast, site.replace("go_handler", "@publish path /internal/*\nerror @publish 418\ngo_handler")
        )
        assert fast.generation.realtimes[0] is realtime
        assert await post(client) == 418
        client.close()

    on_a_road(steps, site)


def test_half_a_request_survives_a_reload() -> None:
    port = free_port()
    site = SITE.replace(":0", f":{port}")

    async def steps(fast: Road) -> None:
        client = await connect(fast)
        await client.send(PUBLISH[:-10])
        await asyncio.sleep(0.01)
        await reload(fast, site.replace(SECRET, "another"))
        await client.send(PUBLISH[-10:])
        assert (await client.answer()).status == 403
        client.close()

    on_a_road(steps, site)


def test_a_listener_that_goes_closes_what_is_idle_and_finishes_what_has_begun() -> None:
    port = free_port()

    async def steps(fast: Road) -> None:
        idle, begun = await connect(fast), await connect(fast)
        assert await post(idle) == 202
        await begun.send(PAGE[:20])
        await asyncio.sleep(0.01)
        await reload(fast, SITE)
        assert await idle.at_end()
        await begun.send(PAGE[20:])
        assert (await begun.answer()).body == b"page"
        idle.close()
        begun.close()

    on_a_road(steps, SITE.replace(":0", f":{port}"))


def test_a_plain_connection_stays_plain_when_the_listener_turns_to_tls(tmp_path: Path) -> None:
    make_tls_pair(tmp_path)
    port = free_port()
    certificate = tmp_path / "server.pem"

    async def steps(fast: Road) -> None:
        client = await connect(fast)
        assert await post(client) == 202
        await reload(
            fast,
            f"https://localhost:{port} {{\ntls {certificate} {certificate}\n{DOOR}\nrespond secure\n}}\n",
        )
        assert await post(client, PAGE) == 200
        client.close()

    on_a_road(steps, SITE.replace(":0", f":{port}"))


# -- other listeners -------------------------------------------------------------------------------


def test_there_is_no_lane_over_tls(tmp_path: Path) -> None:
    make_tls_pair(tmp_path)
    certificate = tmp_path / "server.pem"
    generation = server_of(f"https://localhost:8443 {{\ntls {certificate} {certificate}\n{DOOR}\n}}\n")
    assert [(dict(want.lane.paths), want.lane.shut) for want in wanted_by(generation)] == [({}, ())]


def moved() -> str:
    """Publishing on a listener of its own."""
    return SITE.replace("go_handler {", f"go_handler {{\nbroadcast_listen 127.0.0.1:{free_port()}")


def test_a_listener_for_publishing() -> None:
    async def steps(fast: Road) -> None:
        assert (await fast.say(PUBLISH, LAST)).startswith(b"HTTP/1.1 404 ")
        client = await connect(fast, 1)
        await client.send(PUBLISH)
        answer = await client.answer()
        assert (answer.status, [name for name, _ in answer.fields]) == (202, ["Date", "Content-Length"])
        client.close()
        assert fast.generation.realtimes[0].settings.broadcast_listen

    on_a_road(steps, moved())


def test_the_publish_listener_on_both_roads() -> None:
    async def main() -> None:
        async with road(moved(), lane=True) as fast, road(moved(), lane=False) as slow:
            for packets in WELL_SHAPED.values():
                await compare(fast, slow, *packets, listener=1)
                await compare(fast, slow, *packets, listener=0)

    asyncio.run(main())


def test_ipv6() -> None:
    async def steps(fast: Road) -> None:
        client = RawClient(*await asyncio.open_connection("::1", fast.port()))
        assert await post(client, publish("-X-Broadcast-Secret", "Host: [::1]:80")) == 202
        client.close()
        assert fast.at_site == 0

    on_a_road(steps, SITE.replace(f"broadcast_secret {SECRET}", ""), host="::1")


def test_unix_sockets_are_tornados(tmp_path: Path) -> None:
    path = tmp_path / "web.sock"

    async def steps(fast: Road) -> None:
        client = RawClient(*await asyncio.open_unix_connection(path))
        assert [await post(client), await post(client, PAGE)] == [202, 200]
        client.close()
        assert fast.at_site == 2

    on_a_road(steps, SITE.replace("http://:0 {", f"http://:0 {{\nbind unix/{path}"))


# -- start, stop, and what is left -----------------------------------------------------------------


def test_the_start_up_log_says_what_is_shut_and_why(caplog: pytest.LogCaptureFixture) -> None:
    async def steps(fast: Road) -> None:
        pass

    caplog.set_level(logging.INFO)
    on_a_road(steps, f"http://:0 {{\nheader /ws A b\n{DOOR}\n}}\n")
    (line,) = [message for message in caplog.messages if "fast lane" in message]
    assert line == "no fast lane on :0 for /ws: header (Caddyfile:2) comes before go_handler"


def test_who_published_just_before_the_end_gets_the_answer() -> None:
    async def main() -> None:
        async with road(SITE, lane=True) as fast:
            sock = socket.create_connection(("127.0.0.1", fast.port()))
            sock.sendall(PUBLISH)
            noted = fast.brokers[0].noted
        assert noted == [("news", b"hello there!")]
        with sock:
            assert sock.recv(1000).startswith(b"HTTP/1.1 202 ")

    asyncio.run(main())


def test_no_task_and_no_timer_for_a_connection() -> None:
    async def steps(fast: Road) -> None:
        # What the start asked the other nodes is answered first.
        await until(lambda: len(asyncio.all_tasks()) == 1)
        clients = [await connect(fast) for _ in range(20)]
        for client in clients:
            assert await post(client) == 202
        assert len(asyncio.all_tasks()) == 1
        for client in clients:
            client.close()

    on_a_road(steps)


def descriptors() -> int:
    """How many there are."""
    return len(list(Path("/proc/self/fd").iterdir()))


def remains() -> list[object]:
    """What is alive of connections in the lane."""
    return [each for each in gc.get_objects() if isinstance(each, Lane | Permit)]


def test_nothing_is_left_of_a_connection() -> None:
    async def many(fast: Road) -> None:
        for packets in (*WELL_SHAPED.values(), (PUBLISH[:50],), (PUBLISH[:-5],), (b"",), (PAGE,)):
            await fast.say(*packets)

    gc.collect()
    others = len(remains())

    async def steps(fast: Road) -> None:
        await many(fast)
        await until(lambda: not fast.is_busy and len(remains()) <= others)
        before = descriptors()
        gc.collect()
        gc.disable()
        try:
            await many(fast)
            await until(lambda: not fast.is_busy and len(remains()) <= others)
            await until(lambda: descriptors() == before)
        finally:
            gc.enable()

    on_a_road(steps)
