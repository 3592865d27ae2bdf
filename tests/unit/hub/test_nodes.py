"""What a node makes of messages from other nodes, sense or nonsense."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.broker_world import Collector, run
from tests.unit.brokers.fake_line import turns
from tornado_realtime.brokers.memory import MemoryBroker
from tornado_realtime.errors import BrokerClosedError
from tornado_realtime.hub.nodes import MOST_TASKS, Answers, Nodes
from tornado_realtime.metrics import Counters


class World(Collector):
    """One node whose broker is of this process, and what it sent to others."""

    def __init__(self) -> None:
        super().__init__()
        self.broker = NotingBroker()
        self.counters = Counters()
        self.nodes = Nodes(self.broker, self.counters)

    def told(self, message: bytes) -> None:
        self.nodes.told(message)


class NotingBroker(MemoryBroker):
    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[str, bytes]] = []
        self.more = 0  # nodes that never answer

    async def tell(self, message: bytes, to: str = "") -> int:
        self.sent.append((to, message))
        return await super().tell(message, to) + (0 if to else self.more)


def with_world(scenario: Callable[[World], Any]) -> None:
    async def started() -> None:
        world = World()
        await world.broker.start(world)
        try:
            await scenario(world)
        finally:
            await world.nodes.close()
            await world.broker.close()

    run(started())


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xff",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        b"[" * 100_000,
        b'{"kind":"unknown","body":{}}',
        b'{"kind":"known"}',
        b'{"kind":"known","body":[]}',
        b'{"kind":7,"body":{}}',
        b'{"answer":7,"body":{}}',
        b'{"answer":"1","body":[]}',
        b'{"answer":"1"}',
    ],
)
def test_nonsense_is_counted_and_ignored(message: bytes) -> None:
    async def scenario(world: World) -> None:
        got: list[object] = []
        world.nodes.on("known", got.append)
        world.nodes.told(message)
        assert world.counters.node_messages_ignored == 1
        assert got == world.broker.sent == []

    with_world(scenario)


def test_a_late_answer_is_no_nonsense() -> None:
    async def scenario(world: World) -> None:
        world.nodes.told(b'{"answer":"1","body":{}}')
        assert world.counters.node_messages_ignored == 0

    with_world(scenario)


def test_an_answer_goes_to_whoever_asked_alone() -> None:
    async def scenario(world: World) -> None:
        world.nodes.on("double", lambda body: {"n": body["n"] * 2})
        world.nodes.told(b'{"kind":"double","body":{"n":21},"ask":"q","from":"other"}')
        await turns()
        assert world.broker.sent == [("other", b'{"answer":"q","body":{"n":42}}')]

    with_world(scenario)


def test_a_node_whose_name_cannot_be_sent_to_gets_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(world: World) -> None:
        world.nodes.on("ping", lambda body: None)
        await world.broker.close()
        world.nodes.told(b'{"kind":"ping","body":{},"ask":"q","from":"\\ud800"}')
        await turns()

    with caplog.at_level(logging.INFO):
        with_world(scenario)
    assert caplog.records == []


def test_who_does_not_answer_is_missing() -> None:
    async def scenario(world: World) -> None:
        world.broker.more = 2
        world.nodes.on("count", lambda body: {"n": 1})
        assert await world.nodes.ask("count", {}, 0.01) == Answers([{"n": 1}], 2)
        assert await world.nodes.ask("unknown", {}, 0.01) == Answers([], 3)

    with_world(scenario)


def test_nothing_to_say_is_an_answer() -> None:
    async def scenario(world: World) -> None:
        world.nodes.on("silent", lambda body: None)
        assert await world.nodes.ask("silent", {}, 60.0) == Answers([], 0)

    with_world(scenario)


@pytest.mark.parametrize("at_once", [True, False])
def test_a_handler_that_fails_is_logged_and_missing(at_once: bool, caplog: pytest.LogCaptureFixture) -> None:
    def bad(body: dict[str, Any]) -> dict[str, Any]:
        raise RuntimeError("a bug")

    async def later(body: dict[str, Any]) -> dict[str, Any]:
        return bad(body)

    async def scenario(world: World) -> None:
        world.nodes.on("bad", bad if at_once else later)
        assert await world.nodes.ask("bad", {"secret": "word"}, 0.01) == Answers([], 1)

    with_world(scenario)
    assert [record.message for record in caplog.records] == [
        "a node message of kind 'bad' could not be handled"
    ]
    assert "word" not in caplog.text


@pytest.mark.parametrize("at_once", [True, False])
def test_an_answer_that_is_no_json_is_the_handlers_bug(
    at_once: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def odd(body: dict[str, Any]) -> dict[str, Any]:
        return {"set": {1}}

    async def later(body: dict[str, Any]) -> dict[str, Any]:
        return odd(body)

    async def scenario(world: World) -> None:
        world.nodes.on("odd", odd if at_once else later)
        assert await world.nodes.ask("odd", {}, 0.01) == Answers([], 1)

    with_world(scenario)
    assert caplog.messages == ["a node message of kind 'odd' could not be handled"]


def test_nothing_is_handled_after_the_end() -> None:
    async def scenario(world: World) -> None:
        got: list[object] = []
        world.nodes.on("late", got.append)
        await world.nodes.close()
        world.nodes.told(b'{"kind":"late","body":{}}')
        assert got == []

    with_world(scenario)


def test_too_many_at_once_are_ignored() -> None:
    async def forever(body: dict[str, Any]) -> None:
        await asyncio.Event().wait()

    async def scenario(world: World) -> None:
        world.nodes.on("slow", forever)
        for _ in range(MOST_TASKS + 3):
            world.nodes.told(b'{"kind":"slow","body":{}}')
        assert world.counters.node_messages_ignored == 3

    with_world(scenario)


def test_the_end_answers_open_questions() -> None:
    async def forever(body: dict[str, Any]) -> None:
        await asyncio.Event().wait()

    async def scenario(world: World) -> None:
        world.nodes.on("slow", forever)
        asking = asyncio.create_task(world.nodes.ask("slow", {}, 60.0))
        await turns()
        await world.nodes.close()
        assert await asking == Answers([], 1)

    with_world(scenario)


def test_a_kind_has_one_handler() -> None:
    nodes = Nodes(MemoryBroker(), Counters())
    nodes.on("kind", lambda body: None)
    with pytest.raises(ValueError, match="'kind'"):
        nodes.on("kind", lambda body: None)


def test_asking_needs_a_started_broker() -> None:
    async def scenario() -> None:
        with pytest.raises(BrokerClosedError):
            await Nodes(MemoryBroker(), Counters()).ask("kind", {}, 60.0)

    run(scenario())
