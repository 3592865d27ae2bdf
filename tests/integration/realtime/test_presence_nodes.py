"""Who is present, as clients on several nodes are told."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from tests.support.presence_world import come, listen, present, telling
from tests.support.realtime_world import UPGRADE, WebSocketClient, World, serving, until
from tests.support.redis_server import RedisServer, free_port
from tests.support.running import running
from tests.support.streams import StreamServer
from tests.support.v1_world import PROTOCOL, V1Client
from tornado_realtime.errors import BrokerUnavailableError

LEASE = 1.0
SECRET = "a secret of at least thirty-two bytes"
USERS = ["ada", "bob", "cid"]

CADDYFILE = """:%(port)d {
	bind 127.0.0.1
	go_handler {
		driver redis
		redis_address %(address)s
		auth_endpoint http://127.0.0.1:%(application)d/me
		presence_lease 1s
		presence_delay 100ms
		channel chat {
			presence on
		}
	}
}
"""


@asynccontextmanager
async def node(redis: RedisServer, **options: Any) -> AsyncIterator[World]:
    """One more node on the same Redis."""
    lease = {"presence_lease": LEASE, "canary": "off", **options}
    async with serving(telling(driver="redis", redis_address=redis.address, **lease)) as world:
        await until(lambda: world.hub.broker.health.ready)
        yield world


def news(message: dict[str, Any]) -> tuple[str, str, int]:
    return message["type"], message["user"], message["count"]


async def quiet(client: V1Client) -> None:
    """Nothing came until now."""
    assert await client.ask("ping") == {"type": "pong"}


async def known(world: World, *names: str) -> None:
    """Wait until Redis knows exactly these users, once each."""
    async with asyncio.timeout(10):
        while True:
            with suppress(BrokerUnavailableError):
                roll = await world.hub.presence.page("chat", "", 100)
                if {member.user: member.conns for member in roll.members} == dict.fromkeys(names, 1):
                    return
            await asyncio.sleep(0.005)


def test_clients_of_two_nodes_see_one_list(redis: RedisServer) -> None:
    async def main() -> None:
        async with node(redis) as one, node(redis) as two:
            ada, ack = await listen(one, "ada")
            assert (ack["count"], ack["members"]) == (1, present("ada"))
            await known(two, "ada")
            bob, ack = await listen(two, "bob")
            assert (ack["count"], ack["members"]) == (2, present("ada", "bob"))
            assert news(await ada.hear()) == ("join", "bob", 2)
            again = await come(one, "bob", "chat")
            answer: dict[str, Any] = {}
            while answer.get("members") != present("ada") | present("bob", conns=2):
                answer = await ada.ask("presence", channel="chat")
            bob.socket.vanish()
            await until(lambda: not two.hub.subscribers("chat"))
            # He is present on the other node; only when he leaves there, too, it is told.
            again.socket.vanish()
            assert news(await ada.hear()) == ("leave", "bob", 1)
            await quiet(ada)

    asyncio.run(main())


def test_who_comes_back_on_another_node_does_not_flicker(redis: RedisServer) -> None:
    async def main() -> None:
        async with node(redis, presence_delay="300ms") as one, node(redis) as two:
            ada, _ = await listen(one, "ada")
            await known(two, "ada")
            bob = await come(two, "bob", "chat")
            assert news(await ada.hear()) == ("join", "bob", 2)
            bob.socket.vanish()
            back = await come(one, "bob", "chat")
            await until(lambda: not len(two.hub.presence))
            await until(lambda: not two.hub.broker.presence._unsaid)  # type: ignore[attr-defined]
            await quiet(ada)
            back.socket.vanish()
            assert news(await ada.hear()) == ("leave", "bob", 1)

    asyncio.run(main())


def test_a_flush_of_redis_is_not_noticed_by_clients(redis: RedisServer) -> None:
    async def main() -> None:
        async with node(redis) as one, node(redis) as two:
            ada, _ = await listen(one, "ada")
            await known(two, "ada")
            bob, _ = await listen(two, "bob")
            assert news(await ada.hear()) == ("join", "bob", 2)
            await known(one, "ada", "bob")
            await one.hub.broker.presence._send(  # type: ignore[attr-defined]
                b"x", lambda parcel, server: (b"FLUSHALL",)
            )
            await until(lambda: all(_lost(world) for world in (one, two)))
            await known(one, "ada", "bob")
            for client in (ada, bob):
                answer = await client.ask("presence", channel="chat")
                assert (answer["type"], set(answer["members"])) == ("presence", {"ada", "bob"})
            cid = await come(two, "cid", "chat")
            for client in (ada, bob):
                assert news(await client.hear()) == ("join", "cid", 3)
            cid.socket.vanish()
            for client in (ada, bob):
                assert news(await client.hear()) == ("leave", "cid", 2)
                await quiet(client)

    asyncio.run(main())


def _lost(world: World) -> bool:
    return world.hub.broker.counters.leases_lost > 0


def test_while_redis_is_away_nobody_waits_and_the_list_comes_later(redis: RedisServer) -> None:
    async def main() -> None:
        async with node(redis) as one:
            ada, _ = await listen(one, "ada")
            await known(one, "ada")
            redis.kill()
            await until(lambda: not one.hub.broker.health.ready)
            answer = await ada.ask("presence", channel="chat", id=1)
            assert (answer["type"], answer["id"], answer["code"], answer["retry"]) == ("error", 1, 100, True)
            bob, ack = await listen(one, "bob")
            assert ack == {"type": "subscribed", "channel": "chat"}
            # Of its own users a node tells all the same.
            assert news(await ada.hear()) == ("join", "bob", 2)
            nobody, ack = await listen(one, "", "chat2")
            assert ack == {"type": "subscribed", "channel": "chat2"}
            redis.start()
            for client in (ada, bob, nobody):
                assert (await client.hear())["type"] == "gap"
            listing = await bob.hear()
            assert (listing["type"], listing["members"]) == ("presence", present("ada", "bob"))
            assert (await nobody.hear())["members"] == {}
            await known(one, "ada", "bob")
            for client in (ada, bob):
                await quiet(client)

    asyncio.run(main())


async def me(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Says that a visitor is whoever the cookie names."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    name = next(line for line in head.split("\r\n") if line.lower().startswith("cookie:")).partition("=")[2]
    body = json.dumps({"id": name, "info": {"name": name.title()}}).encode()
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    await writer.drain()


async def visit(port: int, name: str) -> WebSocketClient:
    """A client of the process, subscribed to chat."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    client = WebSocketClient(reader, writer)
    answer = await client.request("GET", "/ws", *UPGRADE, PROTOCOL, f"Cookie: AUTH_TOKEN={name}")
    assert answer.status == 101, answer
    await client.text()
    await client.say('{"action":"subscribe","channel":"chat"}')
    assert json.loads(await client.text())["type"] == "subscribed"
    return client


def test_kill_9_of_a_node_lets_each_of_its_users_leave_once(redis: RedisServer, tmp_path: Path) -> None:
    async def main() -> None:
        async with StreamServer(me) as application, node(redis) as one, node(redis) as two:
            port = free_port()
            text = CADDYFILE % {"port": port, "address": redis.address, "application": application.port}
            loop = asyncio.get_running_loop()
            process = running(tmp_path, text)
            victim = await loop.run_in_executor(None, process.__enter__)
            try:
                listeners = [(await listen(one, "u0"))[0]]
                await known(two, "u0")
                listeners.append((await listen(two, "u1"))[0])
                assert news(await listeners[0].hear()) == ("join", "u1", 2)
                await known(one, "u0", "u1")
                visitors = [await visit(port, name) for name in USERS for _ in range(2)]
                visitors.append(await visit(port, "u1"))
                for client in listeners:
                    joined = [news(await client.hear()) for _ in USERS]
                    assert joined == [("join", name, 3 + at) for at, name in enumerate(USERS)]
                victim.signal(signal.SIGKILL)
                begun = time.monotonic()
                for client in listeners:
                    left = [news(await client.hear()) for _ in USERS]
                    assert sorted(left) == sorted(left, key=lambda each: each[1])
                    assert {user for _, user, _ in left} == set(USERS)
                    assert [count for _, _, count in left] == [4, 3, 2]
                # Not a promise of the machine that runs the tests, but of the lease: far below its default.
                assert time.monotonic() - begun < 10 * LEASE
                for client in listeners:
                    await quiet(client)
                for each in visitors:
                    each.close()
            finally:
                await loop.run_in_executor(None, process.__exit__, None, None, None)

    asyncio.run(main())
