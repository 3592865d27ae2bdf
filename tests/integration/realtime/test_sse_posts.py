"""What clients of event streams say by POST, whose it is, and on which node (docs/sse.md S5)."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.support.realtime_world import World, realtime, serving
from tests.support.redis_server import RedisServer
from tests.support.sse_world import bearer, by_token, open_stream, post, subscribed
from tests.support.v1_world import open_v1
from tornado_realtime.realtime import Realtime


def test_messages_are_carried_out_in_order_and_answered_over_the_stream() -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            stream = await open_stream(world, "/sse")
            lines = [json.dumps({"action": "subscribe", "id": n, "channel": f"c{n}"}) for n in range(3)]
            answered = await post(world, stream.session, *lines, "", " \r", "no JSON")
            assert (answered.status, answered.body) == (202, b"")
            for n in range(3):
                assert await stream.hear() == {"type": "subscribed", "id": n, "channel": f"c{n}"}
            assert (await stream.hear())["error"] == "invalid JSON message"
            await world.realtime.publish("c1", "1")
            assert await stream.message() == 1

    asyncio.run(main())


@pytest.mark.parametrize(
    ("session", "status"),
    [
        ("{node}.{client}.{mac}", 202),
        ("{node}.{client}.AAAA", 404),
        ("{node}.{client}", 404),
        ("{node}.nobody.{mac}", 404),
        ("elsewhere.{client}.{mac}", 404),
        ("x", 404),
        ("{node}.{client}.{mac}.{mac}", 404),
    ],
)
def test_only_the_whole_session_will_do(session: str, status: int) -> None:
    """The client's name is public, and the node's may be known."""

    async def main() -> None:
        async with serving(realtime()) as world:
            stream = await open_stream(world, "/sse")
            node, client, mac = stream.session.split(".")
            assert client == stream.welcome["client"]
            shown = session.format(node=node, client=client, mac=mac)
            assert (await post(world, shown, '{"action":"ping","id":1}')).status == status

    asyncio.run(main())


def test_a_stream_takes_messages_of_its_own_user_only() -> None:
    async def main() -> None:
        async with serving(by_token()) as world:
            stream = await open_stream(world, "/sse", bearer())
            message = '{"action":"subscribe","id":1,"channel":"news"}'
            for fields, status in (
                ((), 401),
                ((bearer("u-9"),), 403),
                ((bearer(), "Origin: https://evil.example.com"), 403),
                ((bearer(seconds=-5),), 401),
            ):
                assert (await post(world, stream.session, message, fields=fields)).status == status
            assert world.hub.subscribers("news") == 0
            assert (await post(world, stream.session, message, fields=(bearer(seconds=60),))).status == 202
            assert (await stream.hear())["type"] == "subscribed"

    asyncio.run(main())


def test_another_node_hands_on_what_it_gets(redis: RedisServer) -> None:
    async def main(address: str) -> None:
        async with serving(clustered(address)) as one, serving(clustered(address)) as two:
            stream = await open_stream(one, "/sse", bearer())
            message = '{"action":"subscribe","id":1,"channel":"ä"}'
            assert (await post(two, stream.session, message)).status == 401
            assert (await post(two, stream.session, message, fields=(bearer("u-9"),))).status == 403
            assert (await post(two, stream.session + "x", message, fields=(bearer(),))).status == 404
            assert (await post(two, stream.session, message, fields=(bearer(),))).status == 202
            assert await stream.hear() == {"type": "subscribed", "id": 1, "channel": "ä"}
            await one.realtime.close(timeout=0)
            assert (await post(two, stream.session, message, fields=(bearer(),))).status == 404

    def clustered(address: str) -> Realtime:
        return by_token(driver="redis", redis_address=address)

    asyncio.run(main(redis.address))


def test_visitors_without_a_login_have_only_their_sessions() -> None:
    async def main() -> None:
        async with serving(by_token(anonymous="on")) as world:
            mine, other = await open_stream(world, "/sse"), await open_stream(world, "/sse")
            assert "user" not in mine.welcome
            answered = await post(world, mine.session, '{"action":"ping","id":1}')
            assert answered.status == 202
            assert await mine.hear() == {"type": "pong", "id": 1}
            assert (await post(world, mine.session, "{}", fields=(bearer(),))).status == 403
            assert (await post(world, other.session, '{"action":"ping","id":2}')).status == 202
            assert await other.hear() == {"type": "pong", "id": 2}

    asyncio.run(main())


def test_the_session_of_a_websocket_is_none() -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            client = await open_v1(world)
            assert "session" not in client.welcome
            stream = await open_stream(world, "/sse")
            forged = stream.session.replace(stream.welcome["client"], client.name)
            assert (await post(world, forged, "{}")).status == 404

    asyncio.run(main())


def test_what_is_missing_or_too_long_is_refused() -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            stream = await open_stream(world, "/sse")
            answered = await post(world, "", "{}")
            assert answered.status == 400
            assert answered.body.startswith(b"X-Realtime-Session is missing")
            assert (await post(world, stream.session, "x" * 65_537)).status == 413
            assert (await post(world, stream.session, " " * 65_536)).status == 202

    asyncio.run(main())


def test_a_client_that_makes_one_mistake_after_the_other_is_closed() -> None:
    async def main() -> None:
        async with serving(realtime(message_rate=1000)) as world:
            stream = await open_stream(world, "/sse")
            assert (await post(world, stream.session, *["x"] * 150)).status == 404
            for _ in range(101):
                assert (await stream.hear())["type"] == "error"
            assert (await stream.hear())["reason"] == "too many errors"
            await stream.ended()

    asyncio.run(main())


def test_a_publication_without_echo() -> None:
    async def main(world: World) -> None:
        stream = await open_stream(world, "/sse?channel=chat")
        await subscribed(stream, "chat")
        publish = {"action": "publish", "id": 1, "channel": "chat", "payload": 1, "echo": False}
        await post(world, stream.session, json.dumps(publish), json.dumps(publish | {"echo": True, "id": 2}))
        assert [(await stream.hear())["id"] for _ in range(2)] == [1, 2]
        event = await stream.event()
        assert event.json["from"] == {"user": "u1", "client": stream.welcome["client"]}
        await world.realtime.publish("chat", "2")
        assert await stream.message() == 2

    async def run() -> None:
        async with serving(realtime(authorize=lambda user, channel, action: True)) as world:
            await main(world)

    asyncio.run(run())
