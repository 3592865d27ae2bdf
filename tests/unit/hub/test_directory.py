"""Pages of channels and a user's connections, put together from what nodes tell."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.connections import NotingOwner, ScriptedConnection
from tornado_realtime.auth import User
from tornado_realtime.connection import Connection
from tornado_realtime.hub.directory import MOST_NAMES, SLICE_SIZE, ChannelPage, Directory, Place
from tornado_realtime.hub.nodes import Answers, Body, Handler, Nodes
from tornado_realtime.hub.users import Users

Subscribers = Mapping[str, int]


class Node:
    """What one node has; its channels may change while it looks at them."""

    def __init__(self, subscribers: Subscribers) -> None:
        self.counts = dict(subscribers)
        self.users = Users()

    def channels(self) -> Iterable[str]:
        return self.counts.keys()

    def subscribers(self, channel: str) -> int:
        return self.counts.get(channel, 0)

    def client_name(self, connection: Connection) -> str:
        return f"c{len(connection.channels)}"


class Cluster:
    """Nodes that ask one another, or say ``words`` instead."""

    def __init__(self, *hosts: Node, words: Iterable[Body] = (), missing: int = 0) -> None:
        self.words, self.missing = words, missing
        self.handlers: list[tuple[str, Handler]] = []
        self.directories = [
            Directory(host, cast(Nodes, self), f"node{number}") for number, host in enumerate(hosts)
        ]

    def on(self, kind: str, handler: Handler) -> None:
        self.handlers.append((kind, handler))

    async def ask(self, kind: str, body: Body, timeout: float) -> Answers:
        answers: list[Any] = list(self.words)
        for known, handler in self.handlers:
            if known == kind:
                answer = handler(body)
                answers.append(await answer if asyncio.iscoroutine(answer) else answer)
        return Answers(answers, self.missing)

    async def page(self, prefix: str = "", after: str = "", limit: int = 10) -> ChannelPage:
        return await self.directories[0].channels(prefix, after, limit)


NAMES = st.text(st.sampled_from("ab\N{LATIN SMALL LETTER Z WITH CARON}\U0001f389"), min_size=1, max_size=3)
NODES = st.lists(st.dictionaries(NAMES, st.integers(1, 3)), min_size=1, max_size=4)


@settings(deadline=None)
@given(NODES, st.sampled_from(["", "a", "ab"]), st.integers(1, 5))
def test_pages_behind_one_another_are_all_there_is(
    nodes: list[dict[str, int]], prefix: str, limit: int
) -> None:
    async def main() -> None:
        cluster = Cluster(*map(Node, nodes))
        found: list[tuple[str, int]] = []
        after: str | None = ""
        while after is not None:
            page = await cluster.page(prefix, after, limit)
            assert len(page.subscribers) <= limit
            assert page.answered == len(nodes)
            found += page.subscribers.items()
            after = page.after
        names = sorted({name for node in nodes for name in node if name.startswith(prefix)})
        assert found == [(name, sum(node.get(name, 0) for node in nodes)) for name in names]

    asyncio.run(main())


def test_a_full_last_page_is_the_last() -> None:
    async def main() -> None:
        cluster = Cluster(Node({"a": 1, "b": 2}), Node({"b": 1}))
        assert await cluster.page(limit=2) == ChannelPage({"a": 1, "b": 3}, None, 2, 0)
        assert await cluster.page(limit=1) == ChannelPage({"a": 1}, "a", 2, 0)

    asyncio.run(main())


def test_a_million_names_do_not_hold_up_the_loop() -> None:
    class Leaving(Node):
        """Everybody leaves the first channels while they are looked for."""

        def channels(self) -> Iterable[str]:
            asyncio.get_running_loop().call_soon(self.leave)
            return super().channels()

        def leave(self) -> None:
            for number in range(100_000):
                self.counts.pop(f"{number:07}", None)

    async def main() -> None:
        host = Leaving({f"{number:07}": 1 for number in range(1_000_000)})
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(count())
        cluster = Cluster(host)
        first = await cluster.page(limit=100)
        counting.cancel()
        assert turns >= 1_000_000 // SLICE_SIZE
        # Nobody is there any more, and that is not the end.
        assert first == ChannelPage({}, "0000100", 1, 0)
        second = await cluster.page(after="0099998", limit=2)
        assert second == ChannelPage({"0100000": 1, "0100001": 1}, "0100001", 1, 0)

    asyncio.run(main())


def test_nonsense_of_other_nodes_is_missing() -> None:
    words: list[Body] = [{}, {"channels": 1, "through": None}, {"channels": [], "through": 5}]
    entries: list[Any] = [["a", 1], ["b"], [1, "b"], "ab", None, ["c", 1.5]]

    async def main() -> None:
        cluster = Cluster(Node({}), words=[*words, {"channels": entries, "through": None}], missing=2)
        assert await cluster.page() == ChannelPage({"a": 1}, None, 2, 5)
        wrong: list[Body] = [{}, {"node": "x"}, {"node": 1, "count": 1, "connections": []}]
        places: list[Any] = [["c", "raw", ["news", 5]], ["c"], 7]
        cluster = Cluster(Node({}), words=[*wrong, {"node": "x", "count": 3, "connections": places}])
        there = await cluster.directories[0].user("ada", 10)
        assert (there.count, there.answered, there.missing) == (3, 2, 3)
        assert there.places == [Place("x", "c", "raw", ["news"])]

    asyncio.run(main())


def test_questions_that_make_no_sense_are_not_answered() -> None:
    async def main() -> None:
        cluster = Cluster(Node({"a": 1}))
        for kind in ("channels", "user"):
            for body in ({}, {"prefix": 1, "after": "", "limit": 1}, {"user": "a", "limit": 0}):
                assert (await cluster.ask(kind, body, 1)).answers == [{}]

    asyncio.run(main())


def connection(user: str, *channels: str) -> ScriptedConnection:
    found = ScriptedConnection(NotingOwner(), user=User(user))
    found.channels.update(channels)
    return found


def test_a_user_s_connections_on_every_node() -> None:
    async def main() -> None:
        one, two = Node({}), Node({})
        one.users.add(connection("ada", "news", "chat"))
        one.users.add(connection("bob", "news"))
        for count in range(3):
            two.users.add(connection("ada", *map(str, range(count))))
        cluster = Cluster(two, one)
        there = await cluster.directories[0].user("ada", 3)
        assert (there.count, there.answered, there.missing, len(there.places)) == (4, 2, 0, 3)
        assert [place.node for place in there.places] == ["node0"] * 3
        there = await cluster.directories[0].user("ada", 10)
        assert there.places[-1] == Place("node1", "c2", "raw", ["chat", "news"])
        assert (await cluster.directories[0].user("eve", 10)).places == []

    asyncio.run(main())


def test_of_connections_with_very_many_channels_some_are_told() -> None:
    async def main() -> None:
        host = Node({})
        for number in range(5):
            host.users.add(connection("ada", *(f"{number}.{name}" for name in range(MOST_NAMES // 2))))
        there = await Cluster(host).directories[0].user("ada", 10)
        assert (there.count, len(there.places)) == (5, 3)

    asyncio.run(main())


def test_who_asks_the_same_while_it_waits_is_answered_together() -> None:
    class Counting(Node):
        looks = 0

        def channels(self) -> Iterable[str]:
            self.looks += 1
            return super().channels()

    async def main() -> None:
        host = Counting({f"{number:05}": 1 for number in range(3 * SLICE_SIZE)})
        cluster = Cluster(host)
        first = asyncio.create_task(cluster.page(limit=1))
        await asyncio.sleep(0)
        assert host.looks == 1
        # It was looked already, so who asks now may know of more; and those who ask the same share it.
        host.counts["0"] = 1
        others = [asyncio.create_task(cluster.page(limit=1)) for _ in range(5)]
        another = asyncio.create_task(cluster.page(limit=2))
        assert list((await first).subscribers) == ["00000"]
        assert [list(page.subscribers) for page in await asyncio.gather(*others)] == [["0"]] * 5
        assert list((await another).subscribers) == ["0", "00000"]
        assert host.looks == 3
        assert not cluster.directories[0]._waiting

    asyncio.run(main())


def test_who_is_cut_off_while_it_waits_leaves_nothing_behind() -> None:
    async def main() -> None:
        cluster = Cluster(Node({f"{number:05}": 1 for number in range(3 * SLICE_SIZE)}))
        asked = [asyncio.create_task(cluster.page(limit=limit)) for limit in (1, 2, 2)]
        await asyncio.sleep(0)
        for task in asked[:2]:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        assert all(task.cancelled() for task in asked)
        assert not cluster.directories[0]._waiting
        assert (await cluster.page(limit=1)).answered == 1

    asyncio.run(main())
