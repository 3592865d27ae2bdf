"""JSON in the fast lane: whole batches on the spot, or all of it by Tornado."""

from __future__ import annotations

import asyncio
import json
from unittest.mock import patch

from tests.support.lane_requests import JWT_SECRET, PUBLISH, PUBLISH_JSON, SECRET, publish_json
from tests.support.rawhttp import RawClient
from tests.support.roads import road
from tornado_realtime.publication import PLAIN, Publication, Taken

SITE = f'http://:0 {{\ngo_handler {{\njwt {{\nsecret "{JWT_SECRET}"\n}}\nbroadcast_secret {SECRET}\n}}\n}}\n'
BATCH = [{"channel": "c", "message": number} for number in range(600)]
EXPECTED = [Publication("c", b"%d" % number) for number in range(600)]


async def post(client: RawClient, request: bytes) -> int:
    await client.send(request)
    return (await client.answer()).status


def test_a_broker_that_has_to_wait_gets_a_batch_once() -> None:
    """It is asked whether it takes the first at once; what it said no to is not lost, and not doubled."""
    asked: list[Publication] = []
    taken: list[Publication] = []

    def never_now(publication: Publication, key: str = "") -> None:
        asked.append(publication)

    async def later(publication: Publication, key: str) -> Taken:
        await asyncio.sleep(0)
        taken.append(publication)
        return PLAIN

    async def main() -> None:
        async with road(SITE, lane=True) as fast:
            broker = fast.brokers[0]
            with patch.object(broker, "publish_now", never_now), patch.object(broker, "publish", later):
                client = RawClient(*await asyncio.open_connection("127.0.0.1", fast.port()))
                assert await post(client, publish_json(body=json.dumps({"batch": BATCH}).encode())) == 202
                client.close()
            assert fast.at_site == 1
            assert asked[0] == EXPECTED[0]
            assert taken == EXPECTED

    asyncio.run(main())


def test_a_head_is_remembered_with_the_kind_of_its_body() -> None:
    async def main() -> None:
        async with road(SITE, lane=True) as fast:
            client = RawClient(*await asyncio.open_connection("127.0.0.1", fast.port()))
            for request in (PUBLISH, PUBLISH_JSON, PUBLISH_JSON, PUBLISH):
                assert await post(client, request) == 202
            # A form's bytes under the type of JSON that was remembered: Tornado refuses them.
            assert await post(client, publish_json(body=b"channel=news&message=hello")) == 400
            client.close()
            assert fast.at_site == 1
            data = [b"hello there!", b'{"hello":"there!"}', b'{"hello":"there!"}', b"hello there!"]
            assert [message for _, message in fast.published[0]] == data

    asyncio.run(main())
