"""What clients are told of who is present, over a store whose answers are the test's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from tests.support.connections import NotingOwner, ScriptedConnection, payloads
from tornado_realtime.auth import User
from tornado_realtime.brokers.presence import PresenceSink, PresenceStore
from tornado_realtime.channels import parse_pattern
from tornado_realtime.connection import Connection, Limits
from tornado_realtime.errors import BrokerUnavailableError
from tornado_realtime.hub.fanout import Fanout
from tornado_realtime.hub.presence import IDLE_BEATS, Presence
from tornado_realtime.hub.users import Users
from tornado_realtime.members import NOBODY, Change, Member, Roll
from tornado_realtime.traits import Traits, TraitsTable
from tornado_realtime.wire.commands import AskPresence
from tornado_realtime.wire.v1 import V1

ADA = Member("ada")
TURNS = 8


class Store(PresenceStore):
    """Answers when, and what, a test says."""

    def __init__(self) -> None:
        self.asked: list[asyncio.Future[Roll]] = []
        self.watched: list[str] = []
        self.put_here: list[Member] = []
        self.closed = 0

    async def start(self, sink: PresenceSink) -> None:
        pass

    async def close(self, linger: float) -> None:
        self.closed += 1

    def put(self, channel: str, member: Member) -> None:
        self.put_here.append(member)

    def watch(self, channel: str) -> None:
        self.watched.append(f"+{channel}")

    def unwatch(self, channel: str) -> None:
        self.watched.append(f"-{channel}")

    async def read(self, channel: str, after: str, limit: int) -> Roll:
        self.asked.append(asyncio.get_running_loop().create_future())
        return await self.asked[-1]

    async def answer(self, answer: Roll | Exception) -> None:
        """Answer the oldest question, and let what follows happen."""
        question = self.asked.pop(0)
        if isinstance(answer, Exception):
            question.set_exception(answer)
        else:
            question.set_result(answer)
        await turns()


class Yard:
    """A node on whose channels users are present."""

    def __init__(self, limit: int = 2) -> None:
        loop = asyncio.get_running_loop()
        self.store, self.users = Store(), Users()
        self.fanout = Fanout(Limits(), loop.call_soon)
        traits = TraitsTable([(parse_pattern("chat"), Traits(presence=limit))])
        self.errors: list[tuple[str, bool]] = []
        self.presence = Presence(self.store, traits, self.fanout, self.users, 5.0, self.failed)

    def failed(self, connection: Connection, command: Any, fault: Any, after: int | None = None) -> None:
        self.errors.append((fault.text, fault.retry))

    async def subscriber(self, name: str) -> ScriptedConnection:
        connection = ScriptedConnection(NotingOwner(), wire=V1, user=User(name))
        self.users.add(connection)
        self.fanout.subscribe(connection, "chat")
        self.presence.entered(connection, "chat")
        return connection

    async def beat(self) -> None:
        """The next second."""
        self.presence._beat()
        await turns()

    def changes(self, version: int, count: int, member: Member) -> None:
        self.presence.changed(Change("chat", version, count, member))


def run(scenario: Callable[[Yard], Awaitable[None]], limit: int = 2) -> None:
    async def main() -> None:
        yard = Yard(limit)
        await yard.presence.start()
        await scenario(yard)
        await yard.presence.close()
        await yard.presence.close()
        assert yard.store.closed == 2
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


async def turns() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


def heard(connection: ScriptedConnection) -> list[dict[str, Any]]:
    """What came since the last time, without the channel."""
    found = [json.loads(payload) for payload in payloads(connection.sent)]
    connection.writes.clear()
    return [{key: value for key, value in each.items() if key != "channel"} for each in found]


def named(*names: str) -> dict[str, Any]:
    return {name: {"info": None, "conns": 1} for name in names}


def test_who_waits_for_the_same_list_shares_one_question() -> None:
    async def scenario(yard: Yard) -> None:
        waiting = [yard.presence.prepare("chat") for _ in range(3)]
        await turns()
        assert (len(yard.store.asked), yard.store.watched) == (1, ["+chat"])
        await yard.store.answer(Roll(7, 1, (ADA,)))
        assert all(each is not None and each.done() for each in waiting)
        assert yard.presence.prepare("chat") is None
        listing = yard.presence.listen(await yard.subscriber("bob"), "chat")
        assert listing is not None and listing.members is not None
        # His coming is not known everywhere yet.
        assert (json.loads(listing.members), listing.count) == (named("ada", "bob"), 2)

    run(scenario)


def test_what_was_missed_while_it_was_read_is_read_again() -> None:
    async def scenario(yard: Yard) -> None:
        yard.presence.prepare("chat")
        await turns()
        yard.presence.unsure(["chat", "elsewhere"])
        listener = await yard.subscriber("bob")
        assert yard.presence.listen(listener, "chat") is None
        await yard.store.answer(Roll(7, 1, (ADA,)))
        assert (heard(listener), len(yard.store.asked)) == ([], 1)
        await yard.store.answer(Roll(8, 1, (Member("cid"),)))
        assert heard(listener) == [{"type": "presence", "count": 2, "members": named("cid", "bob")}]

    run(scenario)


def test_a_change_that_is_missing_is_read() -> None:
    async def scenario(yard: Yard) -> None:
        listener = await yard.subscriber("ada")
        yard.presence.prepare("chat")
        await turns()
        await yard.store.answer(Roll(7, 1, (ADA,)))
        yard.presence.listen(listener, "chat")
        yard.changes(9, 2, Member("cid"))
        await turns()
        await yard.store.answer(Roll(9, 2, (ADA, Member("cid"))))
        assert heard(listener) == [{"type": "join", "user": "cid", "info": None, "count": 2}]

    run(scenario)


def test_a_crowd_that_shrinks_is_read_with_the_next_beat() -> None:
    async def scenario(yard: Yard) -> None:
        listener = await yard.subscriber("ada")
        yard.presence.prepare("chat")
        await turns()
        await yard.store.answer(Roll(7, 3, (ADA, Member("bob")), more=True))
        listing = yard.presence.listen(listener, "chat")
        assert listing is not None and (listing.count, listing.members, listing.more) == (3, None, True)
        yard.changes(8, 2, Member("cid", conns=0))
        await yard.beat()
        await yard.store.answer(Roll(8, 2, (ADA, Member("bob"))))
        assert heard(listener) == [{"type": "presence", "count": 2, "members": named("ada", "bob")}]

    run(scenario)


def test_what_cannot_be_read_is_tried_again_and_told_then() -> None:
    async def scenario(yard: Yard) -> None:
        waiting = yard.presence.prepare("chat")
        await turns()
        await yard.store.answer(BrokerUnavailableError("it is away"))
        assert waiting is not None and waiting.done()
        listener = await yard.subscriber("bob")
        assert yard.presence.listen(listener, "chat") is None
        for answer in (BrokerUnavailableError("it is away"), RuntimeError("a bug"), NOBODY):
            await yard.beat()
            await yard.store.answer(answer)
        assert heard(listener) == [{"type": "presence", "count": 1, "members": named("bob")}]

    run(scenario)


def test_a_question_that_cannot_be_answered_says_so() -> None:
    async def scenario(yard: Yard) -> None:
        asker = await yard.subscriber("ada")
        for answer in (BrokerUnavailableError("it is away"), RuntimeError("a bug")):
            asking = yard.presence.ask(asker, AskPresence("chat", 5))
            await turns()
            await yard.store.answer(answer)
            assert asking is not None
            (await asking)()
        assert yard.errors == [("internal error", True)] * 2
        assert yard.presence.ask(asker, AskPresence("news", 5)) is None
        assert yard.errors[2:] == [("not available", False)]
        asking = yard.presence.ask(asker, AskPresence("chat", 5, limit=99))
        await turns()
        await yard.store.answer(Roll(7, 3, (ADA, Member("bob")), more=True))
        assert asking is not None
        (await asking)()
        page = {"type": "presence", "id": 5, "count": 3, "members": named("ada", "bob")}
        assert heard(asker) == [page | {"more": True, "next": "bob"}]

    run(scenario)


def test_a_room_without_listeners_is_left_after_some_beats() -> None:
    async def scenario(yard: Yard) -> None:
        yard.presence.prepare("chat")
        await turns()
        for _ in range(IDLE_BEATS):
            await yard.beat()
        assert yard.store.watched == ["+chat"]
        await yard.beat()
        # What was still being read is not waited for.
        assert (yard.store.watched, yard.presence._rooms) == (["+chat", "-chat"], {})
        await turns()

    run(scenario)


def test_after_its_end_nothing_is_counted_or_told() -> None:
    async def scenario(yard: Yard) -> None:
        listener = await yard.subscriber("ada")
        yard.presence.prepare("chat")
        await turns()
        await yard.store.answer(Roll(7, 1, (ADA,)))
        yard.presence.listen(listener, "chat")
        await yard.presence.close()
        yard.changes(8, 2, Member("bob"))
        yard.presence.left(listener, "chat")
        await yard.subscriber("cid")
        assert yard.presence.prepare("chat") is None
        assert heard(listener) == []
        assert [member.user for member in yard.store.put_here] == ["ada"]
        yard.store.closed -= 1

    run(scenario)
