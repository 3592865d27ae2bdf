"""Clients that come and go, publishers, and everything that may happen to a stream, step by step.

The real hub and the real wire are driven by steps that hypothesis chooses; what clients hear is compared with
``reference``. A client (``tests.support.stream_client``) fails by itself when anything is missing, or comes
twice. Here it is checked that what it hears is true, that nobody is told without a reason that something
cannot be recovered, and that whenever everything is quiet everybody has got everything.
"""

from __future__ import annotations

import asyncio
import time
import traceback
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.model.carriers import Carrier, Far
from tests.model.reference import Reference, payloads_of
from tests.support.connections import payloads
from tests.support.lagging_broker import LaggingBroker
from tests.support.stream_client import StreamClient
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

channels = st.sampled_from(sorted(KEPT))
clients = st.integers(0, CLIENTS - 1)
places = st.sampled_from(["nothing", "position", "position", "position", "last", "older", "bogus"])


class AllMay:
    """Whoever wants may."""

    def refusal(self, *asked: Any) -> None:
        return None


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
        since: What it asked with last.
        asked: Requests that are not answered.
        acks: How many acknowledgements were looked at.
        foreign: What has no position and must come.
        seen: How much of what it heard was looked at.
    """

    is_wanted: bool = False
    since: dict[str, Any] | None = None
    asked: dict[int, dict[str, Any] | None] = field(default_factory=dict)
    position: dict[str, Any] | None = None
    foreign: set[str] = field(default_factory=set)


class StreamMachine(RuleBasedStateMachine):
    """The steps. Subclasses say where streams are kept."""

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

    @rule(
        channel=channels,
        size=st.sampled_from([1, 1, 1, 2, 5, 12]),
        spared=st.none() | clients,
        then=st.none() | st.tuples(clients, places, st.integers(0, 40)),
    )
    def publish(self, channel: str, size: int, spared: int | None, then: tuple[int, str, int] | None) -> None:
        """Somebody may subscribe while that is still on its way to those who have."""

        async def step() -> None:
            for _ in range(size):
                await self.publish_one(channel, spared)
            if then is not None:
                client, since, number = then
                self.ask_for(client, channel, self.place(client, channel, since, number))

        self.run(step())

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

    @rule(client=clients, channel=channels, echo=st.booleans())
    def publish_from_a_client(self, client: int, channel: str, echo: bool) -> None:
        author, payload = self.clients[client], self.next_payload()

        answered: list[dict[str, Any]] = []

        def answer(message: dict[str, Any]) -> None:
            answered.append(message)
            if message["type"] == "error":
                assert message["error"] == "not published", message
                return
            position = Position(message["epoch"], message["offset"])
            if self.carrier.is_prompt:
                assert self.references[channel].find(position.epoch, position.offset).payload == payload
            else:
                self.note(channel, position, payload, "" if echo else author.name)

        async def step() -> None:
            author.act = None  # who reads nothing hears no answer
            author.on_writable()
            self.ask(author, answer, "publish", channel, payload=payload, echo=echo)
            if not self.carrier.is_prompt:
                await self.until(lambda: bool(answered) or author.phase is not Phase.OPEN)

        self.run(step())

    @precondition(lambda self: self.carrier.has_others)
    @rule(channel=channels)
    def publish_past_the_stream(self, channel: str) -> None:
        payload = self.next_payload()
        self.run(self.carrier.foreign(channel, b'"%b"' % payload.encode()))
        for client, wishes in zip(self.clients, self.wishes, strict=True):
            is_live = self.hub._fanout.has(client, channel) and not wishes[channel].asked
            if is_live and self.carrier.is_certain:
                wishes[channel].foreign.add(payload)

    # -- coming and going ----------------------------------------------------------------------------

    @rule(
        client=clients,
        channel=channels,
        since=places,
        number=st.integers(0, 40),
    )
    def subscribe(self, client: int, channel: str, since: str, number: int) -> None:
        self.on_loop(lambda: self.ask_for(client, channel, self.place(client, channel, since, number)))

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
                self.check_ack(channel, since, message)

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

    @rule(client=clients, channel=channels)
    def unsubscribe(self, client: int, channel: str) -> None:
        wish = self.wishes[client][channel]
        wish.is_wanted = False
        wish.foreign.clear()
        self.on_loop(lambda: self.clients[client].say("unsubscribe", channel))

    @rule(client=clients)
    def cut(self, client: int) -> None:
        """Its connection breaks; it comes back with another, and what it wants stays."""
        self.clients[client].abort()
        self.on_loop(lambda: self.replace(client))

    def replace(self, client: int) -> None:
        self.remember(client)
        self.check_failures()
        gone = self.clients[client]
        self.answers = {number: asked for number, asked in self.answers.items() if asked[0] is not gone}
        self.clients[client] = self.client()
        for channel, wish in self.wishes[client].items():
            wish.asked.clear()
            wish.foreign.clear()
            self.check_heard(gone, channel)
            if wish.is_wanted:
                self.ask_for(client, channel, wish.position)

    @rule(client=clients)
    def stop_reading(self, client: int) -> None:
        self.clients[client].act = lambda: 0

    @rule(client=clients)
    def read_again(self, client: int) -> None:
        self.clients[client].act = None
        self.on_loop(self.clients[client].on_writable)

    # -- what happens to streams ---------------------------------------------------------------------

    @precondition(lambda self: self.carrier.forgets_in_part)
    @rule(seconds=st.sampled_from([5.0, 31.0, 60.0, 400.0]))
    def time_passes(self, seconds: float) -> None:
        self.carrier.now += seconds
        for reference in self.references.values():
            reference.age(self.carrier.now)

    @precondition(lambda self: not self.carrier.forgets_in_part)
    @rule(channel=channels)
    def all_become_too_old(self, channel: str) -> None:
        async def step() -> None:
            # What this node has not heard of could not be repaired.
            await self.quiet()
            await self.carrier.forget(channel)
            self.references[channel].forget()

        self.run(step())

    @precondition(lambda self: self.may_be_quiet)
    @rule(certain=st.sampled_from([True, False, False, False]))
    def streams_are_lost(self, certain: bool) -> None:
        async def step() -> None:
            await self.quiet()
            await self.carrier.lose()
            for reference in self.references.values():
                reference.lose()

        if certain:
            self.run(step())

    @rule()
    def the_node_is_cut_off(self) -> None:
        async def step() -> None:
            await self.carrier.cut()
            # Whether what has no position comes is open, as long as the node may be dialling.
            for wishes in self.wishes:
                for wish in wishes.values():
                    wish.foreign.clear()

        self.run(step())

    # -- reading -------------------------------------------------------------------------------------

    @precondition(lambda self: self.may_be_quiet)
    @rule(
        client=clients,
        channel=channels,
        since=st.none() | st.integers(0, 60),
        limit=st.integers(0, 30),
        reverse=st.booleans(),
    )
    def read_history(self, client: int, channel: str, since: int | None, limit: int, reverse: bool) -> None:
        async def step() -> None:
            await self.quiet()
            reference = self.references[channel]
            answered: list[dict[str, Any]] = [{"code": 100}]
            top, place = reference.top, None
            if since is not None and top is not None:
                place = {"epoch": top.epoch, "offset": since}
            asked: dict[str, Any] = {"since": place, "limit": limit, "reverse": reverse}
            while answered[0].get("code") == 100:  # Redis is away
                answered.clear()
                await self.until(lambda: self.carrier.broker.health.ready)
                await asyncio.sleep(self.carrier.seconds / 500)
                self.ask(self.clients[client], answered.append, "history", channel, **asked)
                await self.until(lambda: bool(answered))
            (found,) = answered
            kept, begin = reference.kept(), since if place is not None else None
            if begin is not None and top is not None:
                if begin > top.offset or (begin < reference.floor and not reverse):
                    assert found["type"] == "error", found
                    assert found["code"] == 112, found
                    return
                kept = [
                    entry
                    for entry in kept
                    if (entry.position.offset < begin if reverse else entry.position.offset > begin)
                ]
            expected = kept[::-1] if reverse else kept
            assert found["type"] == "history", found
            assert [item["payload"] for item in found["items"]] == payloads_of(expected[:limit])
            assert found["more"] is (len(expected) > limit)
            if top is not None:
                assert (found["epoch"], found["offset"]) == (top.epoch, top.offset)

        self.run(step())

    # -- time ----------------------------------------------------------------------------------------

    @rule(count=st.integers(1, 3))
    def the_loop_turns(self, count: int) -> None:
        async def step() -> None:
            for _ in range(count):
                await asyncio.sleep(0)

        self.run(step())

    @property
    def may_be_quiet(self) -> bool:
        """Whether enough has happened since everything arrived."""
        return self.steps >= self.carrier.lull

    @precondition(lambda self: self.may_be_quiet)
    @rule()
    def everything_arrives(self) -> None:
        self.run(self.quiet())

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
                self.check_heard(client, channel)
                if wish.is_wanted:
                    self.check_complete(client, channel, wish)
        for channel, raw in self.raw.items():
            self.check_raw(channel, raw)
        self.gaps = self.hub.metrics.counters.gaps
        self.steps = 0

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

    def remember(self, client: int) -> None:
        """What a client knows outlives its connection."""
        for channel, wish in self.wishes[client].items():
            ear = self.clients[client].ear(channel)
            if ear.epoch and not ear.gaps and not ear.replay:
                wish.position = ear.position

    # -- checks --------------------------------------------------------------------------------------

    def next_payload(self) -> str:
        self.count += 1
        return str(self.count)

    def check_failures(self) -> None:
        """What a client found wrong while the hub wrote to it is not the hub's to catch."""
        for client in self.clients:
            for failure in client.failures:
                raise failure

    def check_ack(self, channel: str, since: dict[str, Any] | None, ack: dict[str, Any]) -> None:
        """The moment a client is told where it begins."""
        reference, position = self.references[channel], Position(ack["epoch"], ack["offset"])
        if since is None:
            assert "recovered" not in ack
        elif "last" in since:
            assert ack["recovered"] is True
            assert ack["replay"] <= min(since["last"], MOST)
        elif ack["recovered"]:
            assert ack["replay"] == ack["offset"] - since["offset"]
        else:
            place = Position(since["epoch"], since["offset"])
            assert reference.lost or reference.may_be_lost(place, position, MOST), (since, ack, reference)

    def check_heard(self, client: StreamClient, channel: str) -> None:
        """What a client heard was published."""
        reference, ear = self.references[channel], client.ear(channel)
        for epoch, offset, payload in ear.heard:
            if offset is not None:
                entry = reference.find(epoch, offset)
                is_spared = entry.exclude == client.name
                assert payload == (None if is_spared else entry.payload), (epoch, offset, payload)
        foreign = Counter(payload for _, offset, payload in ear.heard if offset is None)
        assert not foreign or max(foreign.values()) == 1, foreign

    def check_complete(self, client: StreamClient, channel: str, wish: Wish) -> None:
        """Everything is quiet, and it has everything."""
        reference, ear = self.references[channel], client.ear(channel)
        assert not ear.replay, "not all that was promised came"
        if reference.top is not None:
            assert Position(ear.epoch, ear.offset) == reference.top, (ear.acks[-1], ear.position)
        wish.foreign.clear()
        ear.heard.clear()

    def check_raw(self, channel: str, raw: RawListener) -> None:
        """A client of the older wire has got everything in order, but for what the log tells of."""
        expected = [b'"%b"' % payload.encode() for payload in self.raw_expected[channel]]
        heard = [text for text in raw.heard if text in set(expected)]
        if self.hub.metrics.counters.gaps == self.gaps:
            assert heard == expected
        else:
            assert heard == [text for text in expected if text in set(heard)]
        raw.heard.clear()
        self.raw_expected[channel].clear()

    @invariant()
    def nobody_is_held_for_nothing(self) -> None:
        """What joins is held, and nothing else."""
        self.steps += 1
        if hasattr(self, "hub"):
            room = self.hub._recovery._joining
            users = Counter(channel for (_, channel) in room._joins)
            assert {name: held.users for name, held in room.held.items()} == dict(users)


class FarMachine(StreamMachine):
    """Where everything takes its time, a step says what arrives."""

    make_carrier = Far

    @property
    def broker(self) -> LaggingBroker:
        broker = self.carrier.broker
        assert isinstance(broker, LaggingBroker)
        return broker

    @rule(count=st.integers(1, 6))
    def the_node_hears(self, count: int) -> None:
        self.on_loop(lambda: self.broker.hear(count))

    @precondition(lambda self: self.broker.reads)
    @rule(which=st.integers(0, 9))
    def a_stream_is_read(self, which: int) -> None:
        self.broker.look(which % len(self.broker.reads))

    @precondition(lambda self: self.broker.reads)
    @rule(which=st.integers(0, 9), heard=st.integers(0, 3))
    def a_read_is_answered(self, which: int, heard: int) -> None:
        async def step() -> None:
            self.broker.hear(heard)
            await self.broker.answer(which % len(self.broker.reads))

        self.run(step())

    @precondition(lambda self: self.broker.reads)
    @rule(which=st.integers(0, 49))
    def a_read_fails(self, which: int) -> None:
        if which < len(self.broker.reads):
            self.run(self.broker.answer(which, BrokerUnavailableError("away")))
