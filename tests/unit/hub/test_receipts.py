"""What a receipt counts on one node, and what it makes of other nodes' words."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.support.broker_world import run
from tests.support.connections import AGAIN, NotingOwner, ScriptedConnection
from tests.unit.brokers.fake_line import turns
from tests.unit.hub.test_fanout import CountingWire
from tornado_realtime.brokers.memory import MemoryBroker
from tornado_realtime.connection import Connection, Limits
from tornado_realtime.errors import BrokerUnavailableError
from tornado_realtime.hub import receipts as module
from tornado_realtime.hub.fanout import Fanout, Job
from tornado_realtime.hub.nodes import Nodes
from tornado_realtime.hub.receipts import Receipts
from tornado_realtime.metrics import Counters
from tornado_realtime.publication import PLAIN, Publication, Taken
from tornado_realtime.wire.frames import text_frame
from tornado_realtime.wire.receipt import Receipt, Wish

HELLO = Publication("news", b"hello")
FRAME = text_frame(b"hello")
HERE = Wish(timeout=5)
EVERYWHERE = Wish(True, 5)


class Broker(MemoryBroker):
    """Other nodes are what the test wants them to be."""

    def __init__(self) -> None:
        super().__init__()
        self.more = 0  # nodes that never answer
        self.outage: BrokerUnavailableError | None = None

    async def tell(self, message: bytes, to: str = "") -> int:
        if self.outage is not None:
            raise self.outage
        return await super().tell(message, to) + (0 if to else self.more)


class World:
    """A node without sockets; a publication comes back when the test says so."""

    def __init__(self, slice_size: int = 256) -> None:
        loop = asyncio.get_running_loop()
        self.broker = Broker()
        self.fanout = Fanout(Limits(), loop.call_soon, slice_size)
        self.nodes = Nodes(self.broker, Counters())
        self.receipts = Receipts(self.fanout, self.nodes, loop)

    def deliver(self, publication: Publication) -> None:
        self.fanout.deliver(publication)

    def told(self, message: bytes) -> None:
        self.nodes.told(message)

    def missed(self, gap: object) -> None:
        raise AssertionError

    def listener(self, *script: int | OSError, channel: str = "news", **options: Any) -> ScriptedConnection:
        connection = ScriptedConnection(NotingOwner(), *script, **options)
        self.join(connection, channel)
        return connection

    def join(self, connection: Connection, channel: str = "news") -> None:
        connection.channels.add(channel)
        self.fanout.subscribe(connection, channel)

    def leave(self, connection: Connection, channel: str = "news") -> None:
        connection.channels.discard(channel)
        if self.fanout.unsubscribe(connection, channel):
            self.receipts.emptied(channel)

    async def of(self, *publications: Publication, wish: Wish = HERE) -> Receipt:
        async def publish() -> None:
            for publication in publications:
                self.deliver(publication)

        return await self.heard(publications, publish, wish)

    async def heard(
        self,
        publications: Sequence[Publication],
        publish: Callable[[], Awaitable[None]],
        wish: Wish,
        taken: Sequence[Taken] = (),
    ) -> Receipt:
        """The receipt, but for what the broker says of each publication."""
        said = taken or [PLAIN] * len(publications)

        async def published() -> Sequence[Taken]:
            await publish()
            return said

        receipt = await self.receipts.of(publications, published, wish)
        assert receipt.taken == said
        return replace(receipt, taken=())


def in_world(scenario: Callable[[World], Awaitable[None]], **options: Any) -> None:
    async def main() -> None:
        world = World(**options)
        await world.broker.start(world)
        try:
            await scenario(world)
            assert world.fanout.watch is None
            assert not world.receipts._waiting and not world.receipts._size and not world.receipts._held
        finally:
            await world.nodes.close()
            await world.broker.close()

    run(main())


def test_nobody_listens() -> None:
    async def scenario(world: World) -> None:
        assert await world.of(HELLO) == Receipt(answered=1)

    in_world(scenario)


@pytest.mark.parametrize("publications", [1, 3])
def test_what_the_kernel_takes_is_written(publications: int) -> None:
    async def scenario(world: World) -> None:
        listeners = [world.listener() for _ in range(5)]
        assert await world.of(*[HELLO] * publications) == Receipt(written=5 * publications, answered=1)
        assert {listener.sent for listener in listeners} == {FRAME * publications}

    in_world(scenario, slice_size=2)


def test_what_it_does_not_take_is_queued() -> None:
    async def scenario(world: World) -> None:
        world.listener(AGAIN)
        world.listener(len(FRAME) - 1)
        world.listener(writing=True)  # a stream took it, the kernel has not
        world.listener()
        assert await world.of(HELLO) == Receipt(written=1, queued=3, answered=1)
        # Nothing is written past a backlog.
        assert await world.of(HELLO) == Receipt(written=1, queued=3, answered=1)

    in_world(scenario)


def test_of_a_batch_whole_frames_are_written() -> None:
    async def scenario(world: World) -> None:
        world.listener(2 * len(FRAME) + 1)
        world.listener(2 * len(FRAME))
        assert await world.of(*[HELLO] * 5) == Receipt(written=4, queued=6, answered=1)

    in_world(scenario)


def test_who_cannot_be_reached_is_skipped() -> None:
    async def scenario(world: World) -> None:
        wire = CountingWire()
        for _ in range(3):
            world.listener(wire=wire)
        world.listener()
        # Two frames, of which one wire carries one.
        dropped = Publication("news", b"dropped")
        assert await world.of(HELLO, dropped) == Receipt(written=5, skipped=3, answered=1)
        world.listener(BrokenPipeError())
        assert await world.of(HELLO) == Receipt(written=4, skipped=1, answered=1)

    in_world(scenario)


def test_who_leaves_while_it_is_written_is_skipped() -> None:
    async def scenario(world: World) -> None:
        listeners = [world.listener() for _ in range(6)]
        receipt = asyncio.ensure_future(world.of(HELLO))
        await turns(2)
        left = [listener for listener in listeners if not listener.sent]
        assert 0 < len(left) < 6
        for listener in left:
            world.leave(listener)
        assert await receipt == Receipt(written=6 - len(left), skipped=len(left), answered=1)

    in_world(scenario, slice_size=2)


def test_a_slow_consumer_that_is_closed_is_skipped() -> None:
    async def scenario(world: World) -> None:
        owner = NotingOwner(Limits(outbox_frames=1))
        owner.on_overflow = lambda connection: connection.close(b"\x88\x00", discard=True)
        world.join(ScriptedConnection(owner, AGAIN))
        assert await world.of(HELLO) == Receipt(queued=1, answered=1)
        assert await world.of(HELLO) == Receipt(skipped=1, answered=1)

    in_world(scenario)


def test_only_the_publications_of_the_request_are_counted() -> None:
    async def scenario(world: World) -> None:
        (listener, other) = world.listener(), world.listener(channel="sport")

        async def publish() -> None:
            for data in (b"before", b"hello", b"between", b"hello", b"after"):
                world.deliver(Publication("news", data))
                world.deliver(Publication("sport", data))

        receipt = await world.heard([HELLO, HELLO], publish, HERE)
        assert receipt == Receipt(written=2, answered=1)
        frames = b"".join(map(text_frame, (b"before", b"hello", b"between", b"hello", b"after")))
        assert listener.sent == other.sent == frames

    in_world(scenario)


def test_two_requests_for_the_same_message_count_one_each() -> None:
    async def scenario(world: World) -> None:
        world.listener()
        found = await asyncio.gather(world.of(HELLO), world.of(HELLO), world.of(HELLO, HELLO))
        assert [receipt.written for receipt in found] == [1, 1, 2]

    in_world(scenario)


def test_a_publication_that_does_not_come_back_makes_this_node_missing() -> None:
    async def scenario(world: World) -> None:
        world.listener()

        async def publish() -> None:
            """Redis took it; this node hears it too late."""

        assert await world.heard([HELLO], publish, Wish(timeout=0.001)) == Receipt(missing=1)

    in_world(scenario)


def test_the_last_subscriber_leaves_before_it_comes_back() -> None:
    async def scenario(world: World) -> None:
        listener = world.listener()

        async def publish() -> None:
            asyncio.get_running_loop().call_soon(world.leave, listener)

        assert await world.heard([HELLO], publish, HERE) == Receipt(answered=1)

    in_world(scenario)


def test_a_publication_that_fails_leaves_nothing_behind() -> None:
    async def scenario(world: World) -> None:
        world.listener()

        async def publish() -> None:
            raise BrokerUnavailableError("Redis is away")

        with pytest.raises(BrokerUnavailableError, match="Redis is away"):
            await world.heard([HELLO], publish, HERE)

    in_world(scenario)


def test_more_than_can_be_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WATCHED", 2)

    async def scenario(world: World) -> None:
        listener = world.listener()
        assert await world.of(*[HELLO] * 3) == Receipt(missing=1)
        assert await world.of(*[HELLO] * 3, wish=EVERYWHERE) == Receipt(missing=1)
        assert await world.of(*[HELLO] * 2) == Receipt(written=2, answered=1)
        assert listener.sent == FRAME * 8

    in_world(scenario)


def test_without_a_receipt_jobs_are_the_plain_ones() -> None:
    async def scenario(world: World) -> None:
        world.listener()
        assert world.fanout.watch is None
        world.deliver(HELLO)
        world.fanout._seal(channel := world.fanout.channels["news"])
        assert [type(job) for job in channel.jobs] == [Job]
        await world.fanout.idle.wait()

    in_world(scenario)


# -- of all nodes ------------------------------------------------------------------------------------------


def test_nodes_that_do_not_answer_are_missing() -> None:
    async def scenario(world: World) -> None:
        world.listener()
        assert await world.of(HELLO, wish=EVERYWHERE) == Receipt(written=1, answered=1)
        world.broker.more = 2
        assert await world.of(HELLO, wish=Wish(True, 0.05)) == Receipt(written=1, answered=1, missing=2)

    in_world(scenario)


def test_nodes_that_cannot_be_asked_are_known_before_anything_is_published() -> None:
    async def scenario(world: World) -> None:
        world.broker.outage = BrokerUnavailableError("no answer", 3.0, "unknown")
        listener = world.listener()
        with pytest.raises(BrokerUnavailableError, match="no answer") as caught:
            await world.of(HELLO, wish=EVERYWHERE)
        assert (caught.value.outcome, caught.value.retry_after) == ("rejected", 3.0)
        await turns(3)
        assert listener.sent == b""

    in_world(scenario)


def test_nodes_that_cannot_be_asked_any_more_are_missing() -> None:
    async def scenario(world: World) -> None:
        world.listener()

        async def publish() -> None:
            world.deliver(HELLO)
            world.broker.outage = BrokerUnavailableError("Redis is away")

        assert await world.heard([HELLO], publish, EVERYWHERE) == Receipt(missing=1)
        world.receipts.close()

    in_world(scenario)


@pytest.mark.parametrize(
    "answers",
    [
        [{}],
        [{"written": 1, "queued": 1}],
        [{"written": "1", "queued": 1, "skipped": 1}],
    ],
)
def test_answers_that_make_no_sense_are_of_missing_nodes(answers: Sequence[dict[str, Any]]) -> None:
    assert module._sum(answers, 1) == Receipt(missing=2)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (module.WATCH, {}),
        (module.WATCH, {"name": 1, "watched": {"news": ["a"]}}),
        (module.WATCH, {"name": "x", "watched": []}),
        (module.WATCH, {"name": "x", "watched": {}}),
        (module.WATCH, {"name": "x", "watched": {"news": []}}),
        (module.WATCH, {"name": "x", "watched": {"news": "a"}}),
        (module.WATCH, {"name": "x", "watched": {"news": [1]}}),
        (module.COLLECT, {}),
        (module.COLLECT, {"name": "x", "seconds": 1}),
        (module.COLLECT, {"name": "x", "seconds": "1"}),
    ],
)
def test_messages_that_make_no_sense_are_answered_with_nothing(kind: str, body: dict[str, Any]) -> None:
    async def scenario(world: World) -> None:
        assert (await world.nodes.ask(kind, json.loads(json.dumps(body)), 5)).answers == [{}]

    in_world(scenario)


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1, 1e9])
def test_a_time_that_makes_no_sense_is_no_time(seconds: float) -> None:
    async def scenario(world: World) -> None:
        world.listener()
        await world.nodes.ask(module.WATCH, {"name": "x", "watched": {"news": ["a"]}}, 5)
        assert (await world.nodes.ask(module.COLLECT, {"name": "x", "seconds": seconds}, 5)).answers == [{}]

    in_world(scenario)


def test_what_nobody_collects_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(world: World) -> None:
        for _ in range(2):
            await world.nodes.ask(module.WATCH, {"name": "x", "watched": {"news": ["a"]}}, 5)
        assert list(world.receipts._held) == ["x"] and world.receipts._size == 1
        world.receipts.close()
        monkeypatch.setattr(module, "HOLD", 0.0)
        await world.nodes.ask(module.WATCH, {"name": "y", "watched": {"news": ["a"]}}, 5)
        await turns(3)

    in_world(scenario)


def test_nothing_is_due_to_who_is_spared() -> None:
    async def scenario(world: World) -> None:
        spared, others = world.listener(), [world.listener(), world.listener()]
        elsewhere = world.listener(channel="sport")
        more = Publication("news", b"more")

        async def publish() -> None:
            world.fanout.deliver_except(HELLO, spared)
            world.fanout.deliver_except(more, elsewhere)

        assert await world.heard([HELLO, more], publish, HERE) == Receipt(written=5, answered=1)
        assert spared.sent == text_frame(b"more")
        assert [each.sent for each in others] == [FRAME + text_frame(b"more")] * 2

    in_world(scenario)


@pytest.mark.parametrize("wish", [HERE, EVERYWHERE])
def test_what_is_not_published_again_is_not_waited_for(wish: Wish) -> None:
    async def scenario(world: World) -> None:
        listener = world.listener()

        async def publish() -> None:
            world.deliver(Publication("news", b"more"))

        again, more = Taken(repeated=True), Publication("news", b"more")
        receipt = await world.heard([HELLO, more, HELLO], publish, wish, [again, PLAIN, again])
        assert receipt == Receipt(written=1, answered=1)
        assert await world.heard([HELLO], nothing, wish, [again]) == Receipt(answered=1)
        # Nobody else's equal message is taken for it.
        world.deliver(HELLO)
        await turns()
        assert listener.sent == text_frame(b"more") + FRAME

    in_world(scenario)


async def nothing() -> None:
    """Nothing is published."""


def test_what_was_counted_already_is_not_waived() -> None:
    async def scenario(world: World) -> None:
        world.listener()

        async def publish() -> None:
            world.deliver(HELLO)
            await turns()

        receipt = await world.heard([HELLO], publish, HERE, [Taken(repeated=True)])
        assert receipt == Receipt(written=1, answered=1)

    in_world(scenario)


@pytest.mark.parametrize("repeated", [None, [], {"news": "x"}, {"news": [1]}, {"other": ["x"]}, 5])
def test_nonsense_about_what_is_repeated_is_ignored(repeated: Any) -> None:
    async def scenario(world: World) -> None:
        watched = {"news": [module._digest(HELLO)]}
        await world.nodes.ask(module.WATCH, {"name": "n", "watched": watched}, 1)
        question = {"name": "n", "seconds": 0.5, "repeated": repeated}
        told = await world.nodes.ask(module.COLLECT, question, 1)
        assert told.answers == [{"written": 0, "queued": 0, "skipped": 0}]

    in_world(scenario)
