"""Node messages, the same over every broker, and between several nodes over Redis."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.broker_world import Collector, eventually, run
from tests.support.redis_server import RedisServer
from tornado_realtime.brokers.base import Broker
from tornado_realtime.brokers.redis import RedisBroker
from tornado_realtime.hub.nodes import Nodes
from tornado_realtime.metrics import Counters

Note = dict[str, Any]


class Node(Collector):
    """A broker and what the nodes on it say."""

    def __init__(self, broker: Broker) -> None:
        super().__init__()
        self.broker = broker
        self.nodes = Nodes(broker, Counters())
        self.heard: list[Note] = []
        self.nodes.on("note", self.heard.append)

    def told(self, message: bytes) -> None:
        self.nodes.told(message)

    def who(self, body: Note) -> Note:
        return {"name": self.broker.node_id}

    async def start(self) -> None:
        await self.broker.start(self)
        await self.nodes.tell("note", {"hello": self.broker.node_id})  # waits for the subscription


def test_one_node_tells_and_asks_itself(broker: Broker) -> None:
    async def scenario() -> None:
        node = Node(broker)

        async def later(body: Note) -> Note:
            await asyncio.sleep(0)
            return {"later": body["n"]}

        node.nodes.on("now", lambda body: {"now": body["n"]})
        node.nodes.on("later", later)
        await node.start()
        assert await node.nodes.tell("note", {"text": "ünï"}) == 1
        await eventually(lambda: len(node.heard) == 2)
        assert node.heard[1] == {"text": "ünï"}
        for kind in ("now", "later"):
            answers = await node.nodes.ask(kind, {"n": 7}, 10.0)
            assert (answers.answers, answers.missing) == ([{kind: 7}], 0)
        await node.nodes.close()

    run(scenario(), broker)


def test_three_nodes_answer_one(shared_redis: RedisServer) -> None:
    brokers = [RedisBroker(shared_redis.address) for _ in range(3)]

    async def scenario() -> None:
        nodes = [Node(broker) for broker in brokers]
        for node in nodes:
            node.nodes.on("who", node.who)
            await node.start()
        for node in nodes:
            answers = await node.nodes.ask("who", {}, 10.0)
            names = {answer["name"] for answer in answers.answers}
            assert names == {broker.node_id for broker in brokers}
            assert answers.missing == 0
        assert await nodes[0].nodes.tell("note", {"to": "all"}) == 3
        await eventually(lambda: all({"to": "all"} in node.heard for node in nodes))
        for node in nodes:
            await node.nodes.close()

    run(scenario(), *brokers)


def test_a_node_that_does_not_answer_is_missing(shared_redis: RedisServer) -> None:
    brokers = [RedisBroker(shared_redis.address) for _ in range(2)]

    async def scenario() -> None:
        knows, does_not = (Node(broker) for broker in brokers)
        knows.nodes.on("who", lambda body: {"here": True})
        await knows.start()
        await does_not.start()
        answers = await knows.nodes.ask("who", {}, 0.2)
        assert (answers.answers, answers.missing) == ([{"here": True}], 1)

    run(scenario(), *brokers)
