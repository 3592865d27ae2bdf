"""Who is present on a single node."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from tornado_realtime.brokers.presence import MemoryPresence
from tornado_realtime.members import NOBODY, Change, Member, Roll


class Sink:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.changes: list[Change] = []

    def changed(self, change: Change) -> None:
        self.changes.append(change)

    def unsure(self, channels: Collection[str]) -> None:
        raise AssertionError("nothing is ever missed")


def started() -> tuple[MemoryPresence, Sink]:
    store, sink = MemoryPresence(), Sink()
    asyncio.run(store.start(sink))
    return store, sink


def test_changes_are_told_where_somebody_watches() -> None:
    store, sink = started()
    store.put("chat", Member("ada"))
    store.watch("chat")
    store.put("chat", Member("bob", b"1"))
    store.put("news", Member("bob"))
    store.put("chat", Member("ada", conns=0))
    store.unwatch("chat")
    store.put("chat", Member("cid"))
    assert sink.changes == [
        Change("chat", 2, 2, Member("bob", b"1")),
        Change("chat", 3, 1, Member("ada", conns=0)),
    ]


def test_a_list_that_begins_anew_begins_with_a_higher_version() -> None:
    store, sink = started()
    store.watch("chat")
    for conns in (1, 2, 0, 1):
        store.put("chat", Member("ada", conns=conns))
    versions = [change.version for change in sink.changes]
    assert versions == sorted(set(versions))
    store.put("chat", Member("ada", conns=0))
    store.put("chat", Member("ada", conns=0))
    assert (len(sink.changes), store.read_now("chat", "", 10)) == (5, NOBODY)
    assert store._channels == {}


def test_pages_follow_the_order_of_utf_8() -> None:
    store, _ = started()
    names = ["b", "a", "\N{GRINNING FACE}", "\uffff", "é", "B", "10", "9"]
    for name in names:
        store.put("chat", Member(name))
    order = sorted(names, key=str.encode)
    found: list[str] = []
    page = Roll(more=True)
    while page.more:
        page = store.read_now("chat", found[-1] if found else "", 3)
        assert page.count == len(names)
        found += [member.user for member in page.members]
    assert found == order
    assert store.read_now("chat", "~", 0).members == ()


def test_it_is_forgotten_with_its_end() -> None:
    store, sink = started()
    store.watch("chat")
    store.put("chat", Member("ada"))
    asyncio.run(store.close(5.0))
    asyncio.run(store.close(5.0))
    store.put("chat", Member("bob"))
    assert len(sink.changes) == 1
