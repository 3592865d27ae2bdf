"""The client against a running server: what it gets, and what it is refused."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import make_tls_pair
from tests.support.client_world import Told, connected, cut, first, lenient, make, run, some
from tests.support.realtime_world import realtime, serving, until
from tests.support.v1_world import SECRET, token
from tornado_realtime.client import (
    Author,
    Client,
    Joined,
    Left,
    Message,
    Present,
    State,
    Subscribed,
)
from tornado_realtime.errors import (
    ConnectError,
    ConnectionClosedError,
    ConnectRefusedError,
    PublicationTooLargeError,
    RequestError,
)
from tornado_realtime.realtime import Realtime

# -- the first connection --------------------------------------------------------------------------


def test_it_connects_and_says_good_bye(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        told = Told()
        async with serving(realtime()) as world:
            async with make(world, on_state=told) as client:
                assert client.welcome is not None
                assert (client.welcome.user, client.state) == ("u1", State.CONNECTED)
            assert not world.hub.connections
            assert told.names == ["CONNECTED", "CLOSED"]
            await client.close()
            with pytest.raises(ConnectionClosedError):
                await client.connect()

    with caplog.at_level(logging.INFO):
        run(main())
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_over_tls(tmp_path: Path) -> None:
    async def main(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
        async with serving(lenient(), tls=tls) as world:
            async with make(world, tls=tls[1]) as client, client.subscribe("news") as news:
                await world.realtime.publish("news", "x" * 300_000)
                assert (await anext(aiter(news))).payload == "x" * 300_000
                await client.publish("news", "y" * 60_000)
                assert (await anext(aiter(news))).payload == "y" * 60_000
                with pytest.raises(
                    PublicationTooLargeError, match=r"has 66\d{3} bytes; the server takes 65536"
                ):
                    await client.publish("news", "y" * 66_000)
                assert client.state is State.CONNECTED
            with pytest.raises(ConnectError, match=r"cannot be reached: .*certificate"):
                await make(world).connect()

    run(main(make_tls_pair(tmp_path)))


async def _answering(answer: bytes) -> tuple[asyncio.Server, str]:
    async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(answered, "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (b"", ConnectError, "cannot be reached"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", ConnectError, "cannot be reached"),
        (
            b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n<h1>",
            ConnectRefusedError,
            "answered 404 Not Found",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhe\x1bl\n",
            ConnectError,
            "knows no WebSocket",
        ),
        (
            b"HTTP/1.1 302 Found\r\nLocation: http://localhost:1/\r\nContent-Length: 0\r\n\r\n",
            ConnectRefusedError,
            "answered 302 Found",
        ),
    ],
)
def test_what_answers_is_no_server(answer: bytes, error: type[Exception], words: str) -> None:
    async def main() -> None:
        server, url = await _answering(answer)
        async with server:
            with pytest.raises(error, match=words):
                await Client(url).connect()

    run(main())


def test_nobody_answers() -> None:
    async def main() -> None:
        with pytest.raises(ConnectError, match="Connection refused"):
            await Client("ws://127.0.0.1:1").connect()
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            client = Client(f"ws://127.0.0.1:{deaf.getsockname()[1]}", timeout=0.05)
            with pytest.raises(ConnectError, match=r"does not answer within 0\.05 s"):
                await client.connect()

    run(main())


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({}, 401),
        ({"token": "nonsense"}, 401),
        ({"token": lambda: token()}, 0),
        ({"cookie": f"AUTH_TOKEN={token()}"}, 0),
        ({"headers": {"Authorization": f"Bearer {token()}"}}, 0),
        ({"token": token(), "headers": {"Origin": "https://evil.example.com"}}, 403),
    ],
)
def test_the_login_is_shown(options: dict[str, Any], status: int) -> None:
    async def main() -> None:
        async with serving(Realtime(jwt={"secret": SECRET})) as world:
            client = make(world, **options)
            if status:
                with pytest.raises(ConnectRefusedError) as caught:
                    await client.connect()
                assert caught.value.status == status
            else:
                async with client:
                    assert client.welcome is not None
                    assert client.welcome.user == "u-123"

    run(main())


# -- channels --------------------------------------------------------------------------------------


def test_several_channels_at_once_and_one_after_the_other() -> None:
    async def main() -> None:
        async with connected(lenient()) as (world, client):
            async with client.subscribe("news", "sport", "news") as both:
                assert [channel.name for channel in both.channels] == ["news", "sport"]
                with pytest.raises(ValueError, match="'news' is subscribed already"):
                    client.subscribe("news")
                client.subscribe("other")
                await world.realtime.publish("sport", "not json")
                await client.publish("news", {"a": [1.5, None, "ä"]})
                messages = {message.channel: message async for message in first(both, 2)}
                assert messages["sport"] == Message("sport", "not json", is_text=True)
                assert messages["news"].payload == {"a": [1.5, None, "ä"]}
                assert client.welcome is not None
                assert messages["news"].author == Author("u1", client.welcome.client)
            await until(lambda: world.hub.subscribers("news") == 0)
            async with client.subscribe("news") as again:
                await world.realtime.publish("news", "1")
                assert (await anext(aiter(again))).payload == 1
            with pytest.raises(ValueError, match="at least one channel"):
                client.subscribe()

    run(main())


def test_a_channel_that_is_refused_ends_the_whole_subscription() -> None:
    async def main() -> None:
        async with connected(lenient()) as (world, client):
            with pytest.raises(RequestError, match=r"permission denied \(103\) on channel no"):
                async with client.subscribe("news", "no"):
                    pass
            await until(lambda: world.hub.subscribers("news") == 0)
            async with client.subscribe("news"):
                pass
            with pytest.raises(RequestError) as caught:
                await client.publish("no", 1)
            assert (caught.value.code, caught.value.retry) == (103, False)
            with pytest.raises(RequestError) as caught:
                await client.history("news")
            assert caught.value.code == 108

    run(main())


def test_a_refusal_is_heard_by_whoever_waits_for_another_channel() -> None:
    async def main() -> None:
        async def slow(user: object, channel: str, action: str) -> bool:
            if channel == "slow":
                await asyncio.sleep(3600)
            return False

        async with connected(realtime(authorize=slow)) as (_, client):
            with pytest.raises(RequestError, match="on channel no"):
                await client.subscribe("slow", "no").__aenter__()

    run(main())


def test_whoever_comes_at_once_shares_one_connection() -> None:
    async def main() -> None:
        async with serving(lenient()) as world:
            client = make(world)
            await asyncio.gather(*(client.publish("news", n) for n in range(5)))
            assert world.hub.metrics.counters.connections_opened == 1
            closing = make(world)
            connecting = asyncio.create_task(closing.connect())
            await asyncio.sleep(0)
            await closing.close()
            with pytest.raises(ConnectionClosedError):
                await connecting
            await client.close()
            await until(lambda: not world.hub.connections)

    run(main())


def test_what_python_cannot_read_keeps_nobody_from_what_comes_behind() -> None:
    async def main() -> None:
        async with connected(lenient()) as (world, client), client.subscribe("news") as news:
            for text in ("[" * 3000 + "]" * 3000, "9" * 5000, "1"):
                await world.realtime.publish("news", text)
            deep, long, last = [message async for message in first(news, 3)]
            assert (deep.payload, deep.is_text) == ("[" * 3000 + "]" * 3000, True)
            assert (long.payload, last.payload) == (float("inf"), 1)

    run(main())


def test_while_there_is_no_token_it_waits() -> None:
    async def main() -> None:
        shown: list[str] = [token()]
        told = Told()
        async with serving(Realtime(jwt={"secret": SECRET})) as world:
            async with make(world, token=shown.pop, on_state=told) as client:
                cut(world)
                await until(
                    lambda: any(why.startswith("there is no token: IndexError") for _, why in told.states)
                )
                shown.append(token())
                await until(lambda: client.state is State.CONNECTED)
            with pytest.raises(ConnectError, match="there is no token: IndexError"):
                await make(world, token=shown.pop).connect()

    run(main())


def test_a_subscription_that_is_taken_away() -> None:
    asked: list[str] = []

    def once(user: object, channel: str, action: str) -> bool:
        asked.append(channel)
        return len(asked) == 1

    async def main() -> None:
        instance = Realtime(jwt={"secret": SECRET}, authorize=once)
        async with connected(instance, token=token()) as (_, client), client.subscribe("news") as news:
            client._send({"action": "refresh", "token": token()})
            with pytest.raises(RequestError, match=r"permission revoked \(2003\) on channel news"):
                await anext(aiter(news))
            assert client.state is State.CONNECTED

    run(main())


def test_who_is_present_and_comes_and_goes() -> None:
    text = "go_handler {\n presence_delay 10ms\n channel room {\n presence on\n }\n}"

    async def main() -> None:
        instance = Realtime.from_caddyfile(text, authenticate=lambda request: request.headers["X-User"])
        async with serving(instance) as world:
            mine = make(world, headers={"X-User": "u-1"})
            async with mine, mine.subscribe("room", presence=True) as room:
                events = aiter(room.events())
                assert await some(events, 2) == [Subscribed("room"), Present("room", 1, {"u-1": None})]
                async with make(world, headers={"X-User": "u-2"}) as other, other.subscribe("room"):
                    assert await anext(events) == Joined("room", "u-2", None, 2)
                    found = await other.presence("room", limit=1)
                    assert (found.count, list(found.members or ())) == (2, ["u-1"])
                    rest = await other.presence("room", after=found.next)
                    assert list(rest.members or ()) == ["u-2"]
                assert await anext(events) == Left("room", "u-2", 1)

    run(main())
