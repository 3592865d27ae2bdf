"""Publishing under a key, to all but one, and being told where it stands."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.support.rawhttp import Answered
from tests.support.realtime_world import TunedRealtime, World, serving
from tests.support.sse_world import open_stream, post
from tests.support.v1_world import open_v1
from tornado_realtime.brokers.memory import MemoryBroker
from tornado_realtime.errors import BrokerUnavailableError, InvalidPublicationError
from tornado_realtime.publication import Position, Publication, Taken
from tornado_realtime.realtime import Realtime

PATH = "/internal/broadcast"
FORM, JSON = "Content-Type: application/x-www-form-urlencoded", "Content-Type: application/json"
ACCEPT, KEY = "Accept: application/json", "Idempotency-Key: k"
MAY: dict[str, Any] = {"subscribe": "anyone", "publish": "anyone"}
ALL_MAY = {"*": MAY, "stream*": {**MAY, "history": [100, "1m"]}}
HELLO = b"channel=news&message=hello"


def instance(kind: type[Realtime] = Realtime, **options: Any) -> Realtime:
    options.setdefault("authenticate", lambda request: "u1")
    return kind(channel=ALL_MAY, **options)


async def send(world: World, body: bytes | dict[str, Any], *fields: str) -> Answered:
    client = await world.connect()
    kind, data = (FORM, body) if isinstance(body, bytes) else (JSON, json.dumps(body).encode())
    try:
        return await client.request("POST", PATH, kind, *fields, body=data)
    finally:
        client.close()


async def receipt(world: World, body: bytes | dict[str, Any], *fields: str) -> dict[str, Any]:
    answered = await send(world, body, ACCEPT, *fields)
    assert answered.status == 202, answered
    found: dict[str, Any] = json.loads(answered.body)
    assert found.pop("accepted")
    return found


# -- keys ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (HELLO, [KEY]),
        (HELLO + b"&key=k", []),
        (HELLO + b"&key=k", [KEY]),
        ({"channel": "news", "message": "hello"}, [KEY]),
        ({"channels": ["news"], "message": "hello", "key": "k"}, []),
        ({"batch": [{"channel": "news", "message": "hello"}], "key": "k"}, [KEY]),
    ],
)
def test_the_same_key_is_published_once(body: bytes | dict[str, Any], fields: list[str]) -> None:
    async def main() -> None:
        async with serving(instance()) as world:
            client = await world.open("news")
            for _ in range(3):
                answered = await send(world, body, *fields)
                assert (answered.status, answered.body) == (202, b"")
            found = await receipt(world, body, *fields)
            assert (found["repeated"], found["written"]) == (1, 0)
            # However it is written, and whatever else it says.
            await send(world, b"channel=news&message=other&key=k")
            await send(world, b"channel=news&message=next&key=l")
            assert [await client.text() for _ in range(2)] == [b"hello", b"next"]
            assert world.hub.metrics.values()["publications_repeated"] == 4

    asyncio.run(main())


def test_a_batch_that_was_taken_in_part_is_completed_by_the_same_request() -> None:
    class Breaking(MemoryBroker):
        """Goes away after three publications, once."""

        left = 3

        def publish_now(self, publication: Publication, key: str = "") -> Taken | None:
            if not self.left:
                return None
            type(self).left -= 1
            return super().publish_now(publication, key)

        async def publish(self, publication: Publication, key: str = "") -> Taken:
            type(self).left = 100
            raise BrokerUnavailableError("no answer in time", outcome="unknown")

    class Broken(TunedRealtime):
        broker = Breaking

    async def main() -> None:
        async with serving(instance(Broken)) as world:
            client = await world.open("news")
            batch = {"batch": [{"channel": "news", "message": number} for number in range(5)], "key": "k"}
            answered = await send(world, batch)
            said = json.loads(answered.body)
            assert (answered.status, said["published"], said["outcome"]) == (503, 3, "unknown")
            assert said["reason"].endswith("; the same request with the same key does not publish it twice")
            assert (await send(world, batch)).status == 202
            assert [await client.text() for _ in range(5)] == [b"0", b"1", b"2", b"3", b"4"]
            await client.silence(0.01)

    asyncio.run(main())


def test_who_has_no_key_is_told_what_another_try_may_do() -> None:
    class Doubtful(MemoryBroker):
        def publish_now(self, publication: Publication, key: str = "") -> Taken | None:
            return None

        async def publish(self, publication: Publication, key: str = "") -> Taken:
            raise BrokerUnavailableError("no answer in time", outcome="unknown")

    class Doubting(TunedRealtime):
        broker = Doubtful

    async def main() -> None:
        async with serving(instance(Doubting)) as world:
            for body in (HELLO, {"channel": "news", "message": "hello"}):
                reason = json.loads((await send(world, body)).body)["reason"]
                assert reason.endswith("the same request may publish it twice, as it has no Idempotency-Key")
                reason = json.loads((await send(world, body, KEY)).body)["reason"]
                assert reason.endswith("the same request with the same key does not publish it twice")
            client = await open_v1(world)
            answer = await client.ask("publish", id=1, channel="news", payload=1)
            assert (answer["error"], answer["retry"]) == ("perhaps not published", False)
            answer = await client.ask("publish", id=2, channel="news", payload=1, key="k")
            assert (answer["error"], answer["retry"]) == ("perhaps not published", True)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("body", "fields", "reason"),
    [
        (HELLO, ["Idempotency-Key:"], "Idempotency-Key must have 1 to 255 bytes and no control characters"),
        (HELLO, [KEY, KEY], "Idempotency-Key must be there once, in ASCII"),
        (HELLO + b"&key=l", [KEY], "Idempotency-Key and key are not the same"),
        ({"channel": "news", "message": 1, "key": "l"}, [KEY], "Idempotency-Key and key are not the same"),
        ({"channel": "news", "message": 1, "key": ""}, [], "key must be a string that is not empty"),
        (HELLO + b"&key=", [], "key must have 1 to 255 bytes and no control characters"),
        (HELLO + b"&exclude=", [], "exclude must be the name of a client, as its welcome tells it"),
    ],
)
def test_what_makes_no_sense(body: bytes | dict[str, Any], fields: list[str], reason: str) -> None:
    async def main() -> None:
        async with serving(instance()) as world:
            client = await world.open("news")
            answered = await send(world, body, *fields)
            is_json = isinstance(body, dict)
            said = json.loads(answered.body)["reason"] if is_json else answered.body.decode().strip()
            assert (answered.status, said) == (400, reason)
            await client.silence(0.01)

    asyncio.run(main())


def test_clients_keep_their_keys_to_themselves() -> None:
    async def main() -> None:
        users = iter(["eve", "ada", "ada", "bob"])
        async with serving(instance(authenticate=lambda request: next(users))) as world:
            listener = await open_v1(world)
            epoch = (await listener.ask("subscribe", channel="stream"))["epoch"]
            for payload, offset in ((1, 1), (2, 1), (3, 2)):
                author = await open_v1(world)
                said = await author.ask("publish", id=1, channel="stream", payload=payload, key="k")
                expected = {"type": "published", "id": 1, "channel": "stream", "epoch": epoch}
                assert said == {**expected, "offset": offset}
            assert (await send(world, b"channel=stream&message=4&key=k")).status == 202
            assert [(await listener.hear())["payload"] for _ in range(3)] == [1, 3, 4]

    asyncio.run(main())


# -- all but one -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", ["raw", "envelope"])
def test_everybody_but_one_gets_it_on_every_wire(wire: str) -> None:
    async def main() -> None:
        async with serving(instance(wire=wire)) as world:
            old = await world.open("news")
            spared, other = await open_v1(world, "news"), await open_v1(world, "news")
            name = spared.name
            found = await receipt(world, b"channel=news&message=1&exclude=" + name.encode())
            assert (found["written"], found["skipped"]) == (2, 0)
            await send(world, {"channel": "news", "message": 2, "exclude": name})
            batch = [{"channel": "news", "message": 3, "exclude": name}, {"channel": "news", "message": 4}]
            await send(world, {"batch": batch})
            await world.realtime.publish("news", "5", exclude=name)
            await send(world, b"channel=news&message=6&exclude=nobody")
            assert [(await spared.hear())["payload"] for _ in range(2)] == [4, 6]
            for number in range(1, 7):
                assert b"%d" % number in await old.text()
                # What applications publish says nothing of clients.
                assert await other.hear() == {"type": "message", "channel": "news", "payload": number}

    asyncio.run(main())


def test_an_event_stream_is_spared_too_and_its_posts_have_keys() -> None:
    async def main() -> None:
        async with serving(instance()) as world:
            spared, other = [await open_stream(world, "/sse?channel=news") for _ in range(2)]
            for stream in (spared, other):
                assert (await stream.hear())["type"] == "subscribed"
            name = spared.welcome["client"]
            found = await receipt(world, b"channel=news&message=1&exclude=" + name.encode())
            assert (found["written"], found["skipped"]) == (1, 0)
            command = {"action": "publish", "channel": "news", "payload": 2, "key": "k"}
            for _ in range(2):
                assert (await post(world, spared.session, json.dumps(command))).status < 300
            await send(world, b"channel=news&message=3")
            assert [await spared.message() for _ in range(2)] == [2, 3]
            assert [await other.message() for _ in range(3)] == [1, 2, 3]
            # They are found where users are looked up, by their names.
            places = json.loads((await world.ask("/internal/users/u1")).body)["connections"]
            assert {place["client"] for place in places} == {name, other.welcome["client"]}

    asyncio.run(main())


# -- where it stands -------------------------------------------------------------------------------------


def test_receipts_tell_positions() -> None:
    async def main() -> None:
        async with serving(instance()) as world:
            first = await receipt(world, b"channel=stream&message=1&key=k")
            epoch = first["epoch"]
            assert first["offset"] == 1
            again = await receipt(world, b"channel=stream&message=1&key=k")
            assert (again["epoch"], again["offset"], again["repeated"]) == (epoch, 1, 1)
            found = await receipt(world, {"channels": ["stream", "plain", "streams"], "message": 1})
            assert [place and place["offset"] for place in found["positions"]] == [2, None, 1]
            assert found["positions"][0]["epoch"] == epoch
            assert "positions" not in await receipt(world, {"channels": ["plain"], "message": 1})
            assert "epoch" not in await receipt(world, b"channel=plain&message=1")

    asyncio.run(main())


def test_in_python() -> None:
    async def main() -> None:
        async with serving(instance()) as world:
            client, realtime = await world.open("stream"), world.realtime
            assert await realtime.publish("plain", "1") is None
            place = await realtime.publish("stream", "1", key="k")
            assert place is not None and place.offset == 1
            assert await realtime.publish("stream", "1", key="k") == place
            # The same key as in a request over HTTP.
            assert (await receipt(world, b"channel=stream&message=1", KEY))["repeated"] == 1

            def work() -> Position | None:
                return realtime.publish_threadsafe("stream", "2", key="l").result(5)

            assert await asyncio.to_thread(work) == Position(place.epoch, 2)
            assert [await client.text() for _ in range(2)] == [b"1", b"2"]
            wrongs: tuple[dict[str, Any], ...] = (
                {"key": "\n"},
                {"key": 5},
                {"exclude": None},
                {"exclude": "x" * 256},
            )
            for wrong in wrongs:
                with pytest.raises(InvalidPublicationError):
                    await realtime.publish("stream", "3", **wrong)
            with pytest.raises(InvalidPublicationError):
                realtime.publish_threadsafe("stream", "3", key="\n")
            await client.silence(0.01)

    asyncio.run(main())
