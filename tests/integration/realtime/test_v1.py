"""Clients of realtime.v1.json beside all others, and at their limits (docs/realtime-v1.md)."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from redis.asyncio import Redis
from websockets import Subprotocol
from websockets.asyncio.client import connect

from tests.support.realtime_world import TunedRealtime, World, realtime, serving, until
from tests.support.redis_server import RedisServer
from tests.support.v1_world import PROTOCOL, SECRET, open_v1, token
from tests.unit.wire.client_frames import client_frame
from tornado_realtime.auth import ANONYMOUS
from tornado_realtime.brokers.memory import MemoryBroker
from tornado_realtime.errors import BrokerUnavailableError
from tornado_realtime.hub.talk import MOST_ERRORS
from tornado_realtime.publication import PLAIN, Publication, Taken
from tornado_realtime.realtime import Realtime
from tornado_realtime.traits import TraitsTable

ALL_MAY = {"*": {"publish": "anyone"}}


def value(world: World, name: str) -> float:
    return world.hub.metrics.values()[name]


# -- several wires on one channel --------------------------------------------------------------------------


@pytest.mark.parametrize("older", ["raw", "envelope"])
def test_all_wires_meet_on_one_channel_and_each_sees_its_own(older: str) -> None:
    async def main() -> None:
        async with serving(realtime(wire=older, channel=ALL_MAY)) as world:
            old, new, author = await world.open("news"), await open_v1(world, "news"), await open_v1(world)
            for message in ('{"a": "<b>"}', "no JSON"):
                await world.realtime.publish("news", message)
            await author.ask("publish", id=1, channel="news", payload={"c": [1.5]})
            await old.say('{"action":"unsubscribe","channel":"news"}')
            sender = {"user": "u1", "client": author.name}
            assert [await new.hear() for _ in range(3)] == [
                {"type": "message", "channel": "news", "payload": {"a": "<b>"}},
                {"type": "message", "channel": "news", "payload": "no JSON", "raw": True},
                {"type": "message", "channel": "news", "payload": {"c": [1.5]}, "from": sender},
            ]
            if older == "raw":
                texts = [b'{"a": "<b>"}', b"no JSON", b'{"c":[1.5]}']
            else:
                texts = [
                    rb'{"type":"message","channel":"news","payload":{"a":"\u003cb\u003e"}}',
                    b'{"type":"message","channel":"news","payload":{"c":[1.5]}}',
                    b'{"type":"unsubscribed","channel":"news"}',
                ]
            assert [await old.text() for _ in texts] == texts

    asyncio.run(main())


def test_who_offers_something_else_speaks_what_the_configuration_says() -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            client = await world.open("news", fields=["Sec-WebSocket-Protocol: realtime.v2.json, chat"])
            await world.realtime.publish("news", "hello")
            assert await client.text() == b"hello"

    asyncio.run(main())


def test_each_connection_has_a_name_of_its_own_and_only_known_users_are_named() -> None:
    async def main() -> None:
        async with serving(realtime(authenticate=lambda request: ANONYMOUS, anonymous="on")) as world:
            one, two = await open_v1(world), await open_v1(world)
            assert one.name != two.name
            assert "user" not in one.welcome
            assert "ttl" not in one.welcome
            assert one.welcome["features"] == ["publish", "refresh"]

    asyncio.run(main())


def test_a_client_of_another_library() -> None:
    async def main() -> None:
        async with serving(realtime(channel=ALL_MAY)) as world:
            url = f"ws://127.0.0.1:{world.port}/ws"
            async with connect(url, subprotocols=[Subprotocol("realtime.v1.json")]) as client:
                assert client.subprotocol == "realtime.v1.json"
                assert json.loads(await client.recv())["type"] == "welcome"
                for request in (
                    {"action": "subscribe", "id": 1, "channel": "chat"},
                    {"action": "publish", "id": 2, "channel": "chat", "payload": "é" * 30_000},
                ):
                    await client.send(json.dumps(request, ensure_ascii=False))
                answers = [json.loads(await client.recv()) for _ in range(3)]
                assert [answer["type"] for answer in answers] == ["subscribed", "published", "message"]
                assert answers[2]["payload"] == "é" * 30_000
                await client.ping()
                await world.realtime.close(timeout=5)
                assert json.loads(await client.recv())["after"] == 1500
                await client.wait_closed()
                assert (client.close_code, client.close_reason) == (4200, "shutdown")

    asyncio.run(main())


def test_what_was_sent_with_the_handshake_is_answered_behind_the_welcome() -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            socket = await world.connect()
            lines = ["GET /ws HTTP/1.1", "Host: localhost", *HANDSHAKE, PROTOCOL, "", ""]
            early = client_frame(b'{"action":"ping","id":"early"}')
            await socket.send("\r\n".join(lines).encode() + early)
            assert (await socket.answer()).status == 101
            assert json.loads(await socket.text())["type"] == "welcome"
            assert json.loads(await socket.text()) == {"type": "pong", "id": "early"}

    asyncio.run(main())


HANDSHAKE = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


# -- publishing ----------------------------------------------------------------------------------------------


def test_without_a_rule_nobody_publishes() -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            client = await open_v1(world, "news")
            answer = await client.ask("publish", id=1, channel="news", payload=1)
            assert (answer["code"], answer["id"]) == (103, 1)
            assert value(world, "client_publications_refused") == 1
            assert value(world, "subscriptions_refused") == value(world, "publications") == 0

    asyncio.run(main())


def test_the_log_tells_refused_publications_from_refused_subscriptions(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "tornado_realtime")

    async def main() -> None:
        async with serving(realtime(channel={"news": {"publish": "nobody"}})) as world:
            client = await open_v1(world)
            for number in range(3):
                await client.ask("publish", id=number, channel="news", payload="hush")

    asyncio.run(main())
    assert caplog.messages == ["publication of a client refused by publish nobody of channel news"]


async def until_both_hear(redis: RedisServer) -> None:
    """Wait until Redis sends to two nodes what is published on ``chat``."""
    client = Redis.from_url(redis.address)
    try:
        while dict(await client.pubsub_numsub("realtime:chat")) != {b"realtime:chat": 2}:
            await asyncio.sleep(0.005)
    finally:
        await client.aclose()


def test_two_nodes_say_who_published_and_spare_the_author(redis: RedisServer) -> None:
    def node() -> Realtime:
        return realtime(driver="redis", redis_address=redis.address, channel=ALL_MAY)

    async def main() -> None:
        async with serving(node()) as here, serving(node()) as there:
            author, near, far = [await open_v1(world, "chat") for world in (here, here, there)]
            old = await there.open("chat")
            await until_both_hear(redis)
            for echo in (False, True):
                answer = await author.ask("publish", id=1, channel="chat", payload={"echo": echo}, echo=echo)
                if answer["type"] == "message":
                    answer = await author.hear()
                assert answer == {"type": "published", "id": 1, "channel": "chat"}
            sender = {"user": "u1", "client": author.name}
            for client in (near, far):
                for echo in (False, True):
                    message = await client.hear()
                    assert (message["payload"], message["from"]) == ({"echo": echo}, sender)
            # A raw client gets the message, and nothing of who it was.
            assert [await old.text(), await old.text()] == [b'{"echo":false}', b'{"echo":true}']

    asyncio.run(main())


def test_without_an_id_only_failures_are_answered() -> None:
    async def main() -> None:
        async with serving(realtime(channel={"chat": {"publish": "anyone"}})) as world:
            client = await open_v1(world)
            await client.say("publish", channel="chat", payload=1)
            assert (await client.ask("publish", channel="news", payload=1))["code"] == 103
            assert value(world, "client_publications") == 1

    asyncio.run(main())


def test_a_payload_has_a_limit_and_so_has_a_message() -> None:
    async def main() -> None:
        async with serving(realtime(channel=ALL_MAY, max_publication_size="100")) as world:
            client = await open_v1(world)
            assert (await client.ask("publish", id=1, channel="c", payload="x" * 98))["type"] == "published"
            assert (await client.ask("publish", id=2, channel="c", payload="x" * 99))["code"] == 106
            filler = "x" * (65536 - len('{"action":"ping","x":""}'))
            await client.socket.say(f'{{"action":"ping","x":"{filler}"}}')
            assert await client.hear() == {"type": "pong"}
            await client.socket.say(f'{{"action":"ping","x":"{filler}x"}}')
            assert await client.socket.closed_with() == (1009, "")

    asyncio.run(main())


def test_echo_false_spares_only_the_author_and_keeps_the_order() -> None:
    async def main() -> None:
        async with serving(realtime(channel=ALL_MAY)) as world:
            author, other = await open_v1(world, "chat"), await open_v1(world, "chat")
            for number in range(6):
                await author.say("publish", channel="chat", payload=number, echo=number % 2 == 0)
            assert [(await other.hear())["payload"] for _ in range(6)] == [0, 1, 2, 3, 4, 5]
            assert [(await author.hear())["payload"] for _ in range(3)] == [0, 2, 4]

    asyncio.run(main())


class SlowBroker(MemoryBroker):
    """Takes publications when a test says so."""

    made: list[SlowBroker]

    def __init__(self, traits: TraitsTable) -> None:
        super().__init__(traits)
        self.asked: list[tuple[Publication, asyncio.Future[None]]] = []
        type(self).made = [self]

    def publish_now(self, publication: Publication, key: str = "") -> Taken | None:
        return None

    async def publish(self, publication: Publication, key: str = "") -> Taken:
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.asked.append((publication, waiting))
        await waiting
        return PLAIN


class SlowRealtime(TunedRealtime):
    broker = SlowBroker


def slow(**options: Any) -> SlowRealtime:
    return SlowRealtime(authenticate=lambda request: "u1", channel=ALL_MAY, **options)


def test_replies_keep_the_order_of_a_channel_while_the_broker_takes_its_time() -> None:
    async def main() -> None:
        async with serving(slow()) as world:
            client = await open_v1(world)
            await client.say("publish", id=1, channel="a", payload=1)
            await client.say("publish", id=2, channel="a", payload=2)
            await client.say("subscribe", id=3, channel="a")
            await client.say("publish", id=4, channel="a", payload=4)
            assert (await client.ask("subscribe", id=5, channel="b"))["id"] == 5
            (broker,) = SlowBroker.made
            assert [publication.data for publication, _ in broker.asked] == [b"1", b"2"]
            broker.asked[1][1].set_exception(BrokerUnavailableError("away", 2.0))
            assert (await client.ask("ping", id=6))["id"] == 6
            broker.asked[0][1].set_result(None)
            assert await client.hear() == {"type": "published", "id": 1, "channel": "a"}
            failure = await client.hear()
            assert failure == failure | {"id": 2, "code": 100, "retry": True, "after": 2000}
            assert (await client.hear())["type"] == "subscribed"
            await until(lambda: len(broker.asked) == 3)
            broker.asked[2][1].set_exception(BrokerUnavailableError("away", outcome="unknown"))
            failure = await client.hear()
            assert failure == failure | {"id": 4, "error": "perhaps not published", "retry": False}

    asyncio.run(main())


def test_what_is_begun_is_published_though_the_client_left() -> None:
    async def main() -> None:
        async with serving(slow()) as world:
            client = await open_v1(world)
            await client.say("publish", id=1, channel="a", payload=1)
            (broker,) = SlowBroker.made
            await until(lambda: broker.asked)
            client.socket.vanish()
            await until(lambda: not world.hub.connections)
            assert not broker.asked[0][1].cancelled()
            broker.asked[0][1].set_result(None)
            await asyncio.sleep(0)

    asyncio.run(main())


def test_more_publications_on_their_way_than_may_be_close_the_client() -> None:
    async def main() -> None:
        async with serving(slow(max_channels=2)) as world:
            client = await open_v1(world)
            for number in range(3):
                await client.say("publish", id=number, channel="a", payload=number)
            assert (await client.hear())["code"] == 4008
            assert await client.socket.closed_with() == (4008, "too many messages")

    asyncio.run(main())


# -- errors, and the end -------------------------------------------------------------------------------------


def test_a_client_that_makes_one_error_after_the_other_is_closed() -> None:
    async def main() -> None:
        async with serving(realtime(channel={"staff": {"subscribe": "nobody"}})) as world:
            client, other = await open_v1(world), await open_v1(world)
            for number in range(MOST_ERRORS // 2):
                await client.say("dance", id=number, channel="a")
                await client.say("subscribe", id=number, channel="staff")
            assert [(await client.hear())["code"] for _ in range(MOST_ERRORS)] == [104, 103] * 50
            await client.say("subscribe")
            assert (await client.hear())["code"] == 107
            assert (await client.hear())["type"] == "disconnect"
            assert await client.socket.closed_with() == (4008, "too many errors")
            assert (await other.ask("ping"))["type"] == "pong"

    asyncio.run(main())


def test_a_login_can_be_prolonged_and_nothing_runs_out_then() -> None:
    async def main() -> None:
        async with serving(TunedRealtime(jwt={"secret": SECRET})) as world:
            shown = f"{PROTOCOL}, bearer.{token(seconds=50)}"
            client = await open_v1(world, fields=[shown])
            assert client.welcome["ttl"] in (49, 50)
            (connection,) = world.hub.connections
            before = connection.expires
            assert before is not None
            assert (await client.ask("refresh", id=1, token=token()))["ttl"] in (3599, 3600)
            assert connection.expires is not None
            assert connection.expires > before + 3000

    asyncio.run(main())


def test_a_revoked_user_prolongs_nothing() -> None:
    async def main() -> None:
        async with serving(TunedRealtime(jwt={"secret": SECRET})) as world:
            client = await open_v1(world, fields=[f"{PROTOCOL}, bearer.{token()}"])
            world.realtime.revocations.revoke("u-123", time.time())
            assert (await client.ask("refresh", id=1, token=token()))["code"] == 101

    asyncio.run(main())


def test_one_refresh_at_a_time() -> None:
    async def main() -> None:
        async with serving(TunedRealtime(jwt={"secret": SECRET})) as world:
            client = await open_v1(world, fields=[f"{PROTOCOL}, bearer.{token()}"])
            frames = [
                client_frame(json.dumps({"action": "refresh", "id": number, "token": token()}).encode())
                for number in (1, 2)
            ]
            await client.socket.send(b"".join(frames))
            answers = [await client.hear(), await client.hear()]
            assert [(answer["id"], answer.get("code")) for answer in answers] == [(2, 111), (1, None)]

    asyncio.run(main())


def test_a_slow_consumer_is_told_by_the_code() -> None:
    async def main() -> None:
        async with serving(realtime(send_queue=(2, "1KiB"))) as world:
            client = await open_v1(world, "news")
            client.socket.stop_reading()
            while value(world, "slow_consumers") == 0:
                await world.realtime.publish("news", "x" * 500_000)
                await asyncio.sleep(0)
            client.socket.read_again()
            while (frame := await client.socket.frame())[0] == 0x81:
                last = frame
            assert json.loads(last[1])["type"] == "disconnect"
            assert frame[0] == 0x88
            assert int.from_bytes(frame[1][:2]) == 4101

    asyncio.run(main())


def test_the_log_has_nothing_of_what_clients_say(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")

    async def main() -> None:
        async with serving(TunedRealtime(jwt={"secret": SECRET}, channel=ALL_MAY)) as world:
            client = await open_v1(world, fields=[f"{PROTOCOL}, bearer.{token()}"])
            await client.ask("publish", id=1, channel="c", payload="hush-hush")
            await client.ask("refresh", id=1, token="hush.hush.hush")

    asyncio.run(main())
    assert "hush" not in caplog.text
