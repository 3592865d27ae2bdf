"""Clients that come and go, publishers, and everything that may happen to a stream, step by step.

The real hub and the real wire are driven by steps that hypothesis chooses; what clients hear is compared with
``reference``. A client (``tests.support.stream_client``) fails by itself when anything is missing, or comes
twice. Here it is checked that what it hears is true, that nobody is told without a reason that something
cannot be recovered, and that whenever everything is quiet everybody has got everything.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from tests.model.carriers import Far
from tests.model.reference import payloads_of
from tests.model.scene import CLIENTS, KEPT, Scene
from tests.support.lagging_broker import LaggingBroker
from tornado_realtime.connection import Phase
from tornado_realtime.errors import BrokerUnavailableError
from tornado_realtime.publication import Position

channels = st.sampled_from(sorted(KEPT))
clients = st.integers(0, CLIENTS - 1)
places = st.sampled_from(["nothing", "position", "position", "position", "last", "older", "bogus"])


class StreamMachine(Scene):
    """The steps."""

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

    @precondition(lambda self: self.may_be_quiet)
    @rule()
    def everything_arrives(self) -> None:
        self.run(self.quiet())

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
