"""What tornado_realtime.testing promises to applications: server, client, records, outages."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPClientError
from tornado.httputil import HTTPServerRequest
from tornado.web import Application, RequestHandler

from tornado_realtime import BrokerUnavailableError, Realtime, User
from tornado_realtime.client import State
from tornado_realtime.errors import ConnectionClosedError
from tornado_realtime.testing import Published, RealtimeServer


class Send(RequestHandler):
    """An application's handler that publishes."""

    def initialize(self, realtime: Realtime) -> None:
        self.realtime = realtime

    async def post(self) -> None:
        await self.realtime.publish("news", self.request.body)


def with_handler(realtime: Realtime) -> Application:
    return Application([(r"/send", Send, {"realtime": realtime}), *realtime.routes])


def test_the_example_of_the_package() -> None:
    async def main() -> None:
        async with RealtimeServer() as server:
            client = await server.connect(user="u1")
            await client.subscribe("news")
            await server.publish("news", "hello")
            assert await client.receive() == "hello"
            assert server.published == [("news", "hello")]

    asyncio.run(main())


def test_a_client_of_v1() -> None:
    async def main() -> None:
        async with RealtimeServer(authorize=lambda user, channel, action: True) as server:
            async with server.client(user="u7") as client, client.subscribe("news") as news:
                assert client.welcome is not None
                assert client.welcome.user == "u7"
                await client.publish("news", {"a": 1})
                assert (await anext(aiter(news))).payload == {"a": 1}
                assert server.published == [("news", '{"a":1}')]
            left_open = server.client(user="u8")
            await left_open.connect()
        assert left_open.state is State.CLOSED

    asyncio.run(main())


def test_an_application_with_its_own_instance() -> None:
    async def main() -> None:
        realtime = Realtime(driver="redis", redis_address="localhost:1")  # nobody is there, nobody is asked
        async with RealtimeServer(realtime, app=with_handler(realtime)) as server:
            client = await server.connect()
            await client.subscribe("news")
            await AsyncHTTPClient().fetch(f"{server.url}/send", method="POST", body="grüß")
            assert await client.receive() == "grüß"
            assert server.published == [Published(channel="news", message="grüß")]

    asyncio.run(main())


def test_publications_over_http_and_without_subscribers_are_recorded() -> None:
    async def main() -> None:
        async with RealtimeServer(broadcast_secret="s3cret") as server:
            response = await AsyncHTTPClient().fetch(
                f"{server.url}/internal/broadcast",
                method="POST",
                body="channel=a&message=b",
                headers={"X-Broadcast-Secret": "s3cret"},
            )
            await server.publish("c", b"d")
            assert response.code == 202
            assert server.published == [("a", "b"), ("c", "d")]

    asyncio.run(main())


def test_more_routes() -> None:
    async def main() -> None:
        class Hello(RequestHandler):
            def get(self) -> None:
                self.write("hello")

        async with RealtimeServer(routes=[(r"/", Hello)], prefix="/a b") as server:
            assert (await AsyncHTTPClient().fetch(server.url)).body == b"hello"
            await (await server.connect()).subscribe("news")

    asyncio.run(main())


def test_an_instance_or_options() -> None:
    with pytest.raises(TypeError, match="an instance and options for one"):
        RealtimeServer(Realtime(), wire="raw")


# -- who it is ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user", "found"),
    [("u7", User("u7")), ({"id": "u7", "info": 1}, User("u7", 1)), (User("u7"), User("u7"))],
)
def test_users(user: Any, found: User) -> None:
    async def main() -> None:
        async with RealtimeServer() as server:
            await server.connect(user)
            assert [connection.user for connection in server.realtime.hub.connections] == [found]

    asyncio.run(main())


def test_the_application_s_own_way_of_telling_users() -> None:
    def authenticate(request: HTTPServerRequest) -> str | None:
        return request.headers.get("Cookie")

    async def main() -> None:
        async with RealtimeServer(authenticate=authenticate) as server:
            await server.connect(user=None, headers={"Cookie": "me"})
            assert [connection.user.id for connection in server.realtime.hub.connections] == ["me"]
            with pytest.raises(HTTPClientError) as caught:
                await server.connect(user=None)
            assert caught.value.code == 401

    asyncio.run(main())


def test_refused_handshakes() -> None:
    async def main() -> None:
        async with RealtimeServer() as server:
            for user, headers, status in (
                ("u1", {"Origin": "https://evil.example"}, 403),
                ({"id": "u1", "ttl": 0}, {}, 401),
                ({"name": "nobody"}, {}, 500),
            ):
                with pytest.raises(HTTPClientError) as caught:
                    await server.connect(user, headers)
                assert caught.value.code == status

    asyncio.run(main())


def test_a_ticket_of_somebody_else_is_none() -> None:
    async def main() -> None:
        async with RealtimeServer(authenticate=lambda request: "somebody") as server:
            with pytest.raises(HTTPClientError) as caught:
                await server.connect(user=None, headers={"X-Realtime-Test-Ticket": "forged"})
            assert caught.value.code == 401

    asyncio.run(main())


# -- what a client does ------------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", ["raw", "envelope"])
def test_subscribe_and_unsubscribe(wire: str) -> None:
    async def main() -> None:
        async with RealtimeServer(wire=wire) as server:
            client, other = await server.connect(), await server.connect()
            await client.subscribe("a")
            await client.subscribe("b")
            await other.subscribe("a")
            await server.publish("a", "1")
            await client.unsubscribe("a")
            await server.publish("a", "2")
            await server.publish("b", "3")
            got = [await client.receive_json(), await client.receive_json()]
            await client.receive_nothing()
            if wire == "envelope":
                assert got == [
                    {"type": "message", "channel": "a", "payload": 1},
                    {"type": "message", "channel": "b", "payload": 3},
                ]
            else:
                assert got == [1, 3]
            assert [await other.receive(), await other.receive()]

    asyncio.run(main())


def test_receive_nothing_sees_what_is_on_its_way() -> None:
    async def main() -> None:
        async with RealtimeServer() as server:
            client = await server.connect()
            await client.subscribe("news")
            await client.receive_nothing()
            await server.publish("news", "hello")
            with pytest.raises(AssertionError, match="received 'hello'"):
                await client.receive_nothing()
            assert await client.receive() == "hello"

    asyncio.run(main())


def test_a_refused_subscription() -> None:
    async def main() -> None:
        async with RealtimeServer(wire="envelope") as server:
            client = await server.connect()
            with pytest.raises(AssertionError, match="channel must be specified"):
                await client.subscribe("")

    asyncio.run(main())


def test_send_as_it_is() -> None:
    async def main() -> None:
        async with RealtimeServer(wire="envelope") as server:
            client = await server.connect()
            for message in ("hello", b"\xff", {"action": "x", "channel": "c"}):
                await client.send(message)
            answers = [json.loads(await client.receive())["error"] for _ in range(3)]
            assert answers == ["invalid JSON message", "invalid JSON message", "unknown action: x"]

    asyncio.run(main())


def test_nothing_comes_in_time() -> None:
    async def main() -> None:
        async with RealtimeServer() as server:
            client = await server.connect()
            client.timeout = 0.01
            with pytest.raises(TimeoutError, match=r"a message did not come within 0\.01 s"):
                await client.receive()
            with pytest.raises(TimeoutError, match="the end of the connection did not come"):
                await client.wait_closed()

    asyncio.run(main())


def test_a_connection_that_the_server_closes() -> None:
    async def main() -> None:
        async with RealtimeServer() as server:
            client = await server.connect()
            await client.subscribe("news")
            await server.publish("news", "last words")
            await server.realtime.close()
            assert await client.wait_closed() == (1001, "server is shutting down")
            assert await client.receive() == "last words"
            for action in (
                client.receive(),
                client.send("x"),
                client.subscribe("a"),
                client.receive_nothing(),
            ):
                with pytest.raises(ConnectionClosedError, match="closed: 1001 server is shutting down"):
                    await action

    asyncio.run(main())


def test_a_client_that_closes() -> None:
    async def main() -> None:
        async with RealtimeServer() as server:
            client = await server.connect()
            await client.close(4000, "enough")
            await client.close()
            assert (await client.wait_closed())[0] == 4000
            assert not server.realtime.hub.connections

    asyncio.run(main())


def test_an_outage() -> None:
    async def main() -> None:
        realtime = Realtime()
        async with RealtimeServer(realtime, app=with_handler(realtime)) as server:
            with server.outage("gone fishing"):
                with pytest.raises(BrokerUnavailableError, match="gone fishing"):
                    await server.publish("news", "x")
                response = await AsyncHTTPClient().fetch(
                    f"{server.url}/internal/broadcast?channel=a&message=b",
                    method="POST",
                    body="",
                    raise_error=False,
                )
                assert (response.code, json.loads(response.body)["reason"]) == (503, "gone fishing")
            await server.publish("news", "y")
            assert server.published == [("news", "y")]

    asyncio.run(main())


def test_nothing_is_left_when_a_test_fails() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError):
            async with RealtimeServer() as server:
                await server.connect()
                raise RuntimeError("the test failed")
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())
