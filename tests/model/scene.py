"""What the steps stand on: a hub, clients that ask and come back, and what each of them wants."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any

from hypothesis.stateful import RuleBasedStateMachine, initialize

from tests.model.carriers import Carrier
from tests.model.checks import check_ack, check_complete, check_heard, check_raw
from tests.model.reference import Reference
from tests.support.connections import payloads
from tests.support.stream_client import AllMay, StreamClient
from tornado_realtime.channels import parse_pattern
from tornado_realtime.connection import Limits, Phase
from tornado_realtime.errors import BrokerUnavailableError
from tornado_realtime.hub import Hub
from tornado_realtime.publication import Position, Publication, Taken
from tornado_realtime.traits import Retention, Traits, TraitsTable
from tornado_realtime.wire.base import Farewell
from tornado_realtime.wire.raw import RawWire

KEPT = {"a": Retention(8, 60.0, 10**6), "b": Retention(30, 600.0, 10**6)}
TRAITS = TraitsTable((parse_pattern(name), Traits(kept)) for name, kept in KEPT.items())
LIMITS = Limits(outbox_frames=16)
# What a client can miss and get at once: all but the acknowledgement.
MOST = LIMITS.outbox_frames - 1
CLIENTS = 3
PATIENCE = 10.0
TURNS = 500


class RawListener(StreamClient):
    """A client of the older wire, which gets everything live."""

    def __init__(self, hub: Hub) -> None:
        super().__init__(hub)
        self.wire = RawWire()
        self.heard: list[bytes] = []

    def _read(self, data: bytes) -> None:
        self.heard += payloads(data)


@dataclass
class Wish:
    """What somebody wants of a channel, across all its connections.

    Attributes:
        is_wanted: Whether it wants to hear it.
        asked: Requests that are not answered.
        position: What it has got; None as long as it knows none.
        foreign: What has no position and must come.
    """

    is_wanted: bool = False
    asked: dict[int, dict[str, Any] | None] = field(default_factory=dict)
    position: dict[str, Any] | None = None
    foreign: set[str] = field(default_factory=set)


class Scene(RuleBasedStateMachine):
    """Everything but the steps. Subclasses say where streams are kept."""

    make_carrier: Callable[[TraitsTable], Carrier]

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.count = self.gaps = self.steps = 0
        self.requests = 0
        self.references = {name: Reference(kept) for name, kept in KEPT.items()}
        self.wishes = [{name: Wish() for name in KEPT} for _ in range(CLIENTS)]
        self.answers: dict[int, tuple[StreamClient, Callable[[dict[str, Any]], None]]] = {}
        self.raw_expected: dict[str, list[Any]] = {name: [] for name in KEPT}

    def run(self, step: Coroutine[Any, Any, None]) -> None:
        try:
            self.loop.run_until_complete(step)
        except AssertionError:
            # Where real time is involved hypothesis may not see it a second time, and then says only that.
            traceback.print_exc()
            raise

    def on_loop(self, step: Callable[[], None]) -> None:
        """What the hub begins must begin on the loop."""

        async def main() -> None:
            step()

        self.run(main())

    @initialize()
    def begin(self) -> None:
        async def start() -> None:
            self.carrier = type(self).make_carrier(TRAITS)
            if self.carrier.is_prompt:
                self.note_at_once()
            self.hub = Hub(self.carrier.broker, LIMITS, authorizer=AllMay())
            await self.hub.start()
            self.clients = [self.client() for _ in range(CLIENTS)]
            self.raw = {name: self.raw_listener(name) for name in KEPT}

        self.run(start())

    def note_at_once(self) -> None:
        """Note what is published when it is, whether or not its author learns of that."""
        broker = self.carrier.broker
        publish_now = broker.publish_now

        def noting(publication: Publication, key: str = "") -> Taken | None:
            taken = publish_now(publication, key)
            assert taken is not None
            assert taken.position is not None
            payload = publication.data.decode().strip('"')
            self.note(publication.channel, taken.position, payload, publication.exclude)
            return taken

        setattr(broker, "publish_now", noting)  # noqa: B010

    def client(self) -> StreamClient:
        client = StreamClient(self.hub)
        self.hub.opened(client)
        client.begin()
        client.on_message = self.check_answer
        return client

    def raw_listener(self, channel: str) -> RawListener:
        listener = RawListener(self.hub)
        self.hub.opened(listener)
        listener.say("subscribe", channel)
        return listener

    def teardown(self) -> None:
        async def stop() -> None:
            await self.quiet()
            await self.hub.close(Farewell.SHUTDOWN, 0)
            await self.carrier.close()
            assert asyncio.all_tasks() == {asyncio.current_task()}

        try:
            if hasattr(self, "hub"):
                self.run(stop())
        finally:
            self.loop.close()

    # -- publishing ----------------------------------------------------------------------------------

    async def publish_one(self, channel: str, spared: int | None) -> None:
        exclude = self.clients[spared].name if spared is not None else ""
        payload = self.next_payload()
        publication = Publication(channel, b'"%b"' % payload.encode(), exclude=exclude)
        taken = await self.taken(publication)
        assert taken.position is not None
        if not self.carrier.is_prompt:
            self.note(channel, taken.position, payload, exclude)

    async def taken(self, publication: Publication) -> Taken:
        """Publish, as often as it takes while the broker is certainly not there."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return self.hub.publish_now(publication) or await self.hub.publish(publication)
            except BrokerUnavailableError as error:
                assert error.outcome == "rejected", "publish again? That cannot be said"
                assert time.monotonic() < end
                await asyncio.sleep(0.005)

    def note(self, channel: str, position: Position, payload: Any, exclude: str) -> None:
        self.references[channel].age(self.carrier.now)
        self.references[channel].published(position, payload, self.carrier.now, exclude)
        self.raw_expected[channel].append(payload)

    def next_payload(self) -> str:
        self.count += 1
        return str(self.count)

    # -- asking --------------------------------------------------------------------------------------

    def place(self, client: int, channel: str, since: str, number: int) -> dict[str, Any] | None:
        known = self.wishes[client][channel].position
        if since == "last":
            return {"last": number}
        if since == "nothing" or known is None:
            return None
        offset = known["offset"]
        places = {"position": offset, "older": max(0, offset - number), "bogus": offset + number + 1}
        return known | {"offset": places[since]}

    def ask_for(self, client: int, channel: str, since: dict[str, Any] | None) -> None:
        wish, asker = self.wishes[client][channel], self.clients[client]
        wish.is_wanted = True
        wish.foreign.clear()

        def answer(message: dict[str, Any]) -> None:
            del wish.asked[number]
            if message["type"] == "subscribed":
                check_ack(self.references[channel], since, message, MOST)

        number = self.requests + 1
        self.ask(asker, answer, "subscribe", channel, since=since, later=wish.asked)

    def ask(
        self,
        client: StreamClient,
        answer: Callable[[dict[str, Any]], None],
        action: str,
        channel: str,
        later: dict[int, dict[str, Any] | None] | None = None,
        **members: Any,
    ) -> None:
        """Send a request, and have its answer looked at the moment it comes."""
        self.requests += 1
        if client.phase is Phase.OPEN:
            self.answers[self.requests] = client, answer
            if later is not None:
                later[self.requests] = None
            client.say(action, channel, id=self.requests, **members)

    def check_answer(self, message: dict[str, Any]) -> None:
        asked = self.answers.pop(message.get("id", 0), None)
        if asked is not None:
            asked[1](message)

    # -- coming back ---------------------------------------------------------------------------------

    def replace(self, client: int) -> None:
        self.remember(client)
        self.check_failures()
        gone = self.clients[client]
        self.answers = {number: asked for number, asked in self.answers.items() if asked[0] is not gone}
        self.clients[client] = self.client()
        for channel, wish in self.wishes[client].items():
            wish.asked.clear()
            wish.foreign.clear()
            check_heard(self.references[channel], gone, channel)
            if wish.is_wanted:
                self.ask_for(client, channel, wish.position)

    def remember(self, client: int) -> None:
        """What a client knows outlives its connection."""
        for channel, wish in self.wishes[client].items():
            ear = self.clients[client].ear(channel)
            if ear.epoch and not ear.gaps and not ear.replay:
                wish.position = ear.position

    # -- waiting until everything has arrived --------------------------------------------------------

    async def until(self, condition: Callable[[], bool]) -> None:
        end, turns = time.monotonic() + self.carrier.seconds, 0
        while not condition():
            turns += 1
            assert turns < TURNS or time.monotonic() < end, self.what_is_going_on()
            await self.carrier.settle()
            for client in self.clients:
                if client.outbox is not None and client.act is None:
                    client.on_writable()
            await asyncio.sleep(0)

    def what_is_going_on(self) -> str:
        """For whoever wonders why it does not end."""
        room, broker = self.hub._recovery._joining, self.carrier.broker
        return (
            f"joins {[(c, j.position) for (_, c), j in room._joins.items()]}, ready {len(room._ready)}, "
            f"answers {list(self.answers)}, outboxes {[client.outbox for client in self.clients]}, "
            f"heard {[(name, broker.position(name), self.references[name].top) for name in KEPT]}, "
            f"wishes {self.wishes}"
        )

    @property
    def may_be_quiet(self) -> bool:
        """Whether enough has happened since everything arrived."""
        return self.steps >= self.carrier.lull

    async def quiet(self) -> None:
        """Let everything arrive, have every client do what it should, and check that all is well."""
        self.check_failures()
        for number, client in enumerate(self.clients):
            client.act = None
            if client.phase is not Phase.OPEN:
                self.replace(number)
        await self.until(self.is_quiet)
        self.check_failures()
        for number, wishes in enumerate(self.wishes):
            client = self.clients[number]
            for channel, wish in wishes.items():
                check_heard(self.references[channel], client, channel)
                if wish.is_wanted:
                    check_complete(self.references[channel], client.ear(channel))
                    client.ear(channel).heard.clear()
                    wish.foreign.clear()
        gaps = self.hub.metrics.counters.gaps
        for channel, raw in self.raw.items():
            check_raw(raw.heard, self.raw_expected[channel], gaps == self.gaps)
            raw.heard.clear()
            self.raw_expected[channel].clear()
        self.gaps = gaps
        self.steps = 0

    def check_failures(self) -> None:
        """What a client found wrong while the hub wrote to it is not the hub's to catch."""
        for client in self.clients:
            for failure in client.failures:
                raise failure

    def is_quiet(self) -> bool:
        if not self.carrier.broker.health.ready:
            return False
        for number, client in enumerate(self.clients):
            if client.phase is not Phase.OPEN:
                self.replace(number)
                return False
            self.remember(number)
            for channel, wish in self.wishes[number].items():
                ear = client.ear(channel)
                if wish.is_wanted and not wish.asked and (ear.gaps or not ear.is_subscribed):
                    # It was told that something is missing, or that it should try again.
                    self.ask_for(number, channel, wish.position)
                    return False
        room = self.hub._recovery._joining
        return (
            self.hub._fanout.idle.is_set()
            and not (room._ready or self.answers)
            # Who was told a lost stream's next epoch waits for the node to hear of it.
            and all(join.position and self.references[name].lost for (_, name), join in room._joins.items())
            and all(client.outbox is None for client in self.clients)
            and all(self.is_heard(channel) for channel in KEPT)
            and all(wish.foreign <= heard for wish, heard in self.foreign())
        )

    def foreign(self) -> Iterator[tuple[Wish, set[str]]]:
        """What each client heard that has no position."""
        for client, wishes in zip(self.clients, self.wishes, strict=True):
            for channel, wish in wishes.items():
                yield wish, {payload for _, offset, payload in client.ear(channel).heard if offset is None}

    def is_heard(self, channel: str) -> bool:
        """Whether this node has heard everything; somebody listens all the time."""
        top = self.references[channel].top
        return top is None or self.carrier.broker.position(channel) == top
