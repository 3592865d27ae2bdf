"""Many publications at once, the same over every broker: in order, and counted when the broker goes away."""

from __future__ import annotations

from tests.integration.brokers.conftest import MakeServer
from tests.support.broker_world import Collector, run
from tornado_realtime.brokers.base import Broker
from tornado_realtime.brokers.redis import RedisBroker
from tornado_realtime.connection import Limits
from tornado_realtime.errors import BrokerUnavailableError
from tornado_realtime.handlers.batch import PART_SIZE, publish_all
from tornado_realtime.hub import Hub
from tornado_realtime.publication import PLAIN, Publication

MANY = 3 * PART_SIZE + 7
BATCH = [Publication("ab"[n % 2], b"%d" % n) for n in range(MANY)]
KEYED = [(publication, "") for publication in BATCH]


def test_order_on_every_channel(broker: Broker) -> None:
    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        broker.subscribe("a")
        broker.subscribe("b")
        outcome = await publish_all(Hub(broker, Limits()), KEYED)
        assert (len(outcome.taken), outcome.error) == (MANY, None)
        got = await sink.wait_for(MANY)
        for channel in "ab":
            assert [p for p in got if p.channel == channel] == [p for p in BATCH if p.channel == channel]

    run(scenario(), broker)


def test_redis_goes_away(make_redis: MakeServer) -> None:
    server = make_redis()
    server.start()
    broker = RedisBroker(server.address)

    async def scenario() -> None:
        await broker.start(Collector())
        hub = Hub(broker, Limits())
        assert (await publish_all(hub, KEYED[:5])).taken == [PLAIN] * 5
        server.stop()
        outcome = await publish_all(hub, KEYED)
        assert isinstance(outcome.error, BrokerUnavailableError)
        assert outcome.taken == []

    run(scenario(), broker)
