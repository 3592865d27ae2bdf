"""Who is where, on every node: for an application that asks, never for a client.

Nothing is kept for it. A question goes to all nodes, and each looks at what it has anyway.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from tornado_realtime.connection import Connection
    from tornado_realtime.hub.nodes import Answers, Body, Nodes
    from tornado_realtime.hub.users import Users

# Seconds that nodes have to answer.
PATIENCE = 5.0
# Names that are looked at in one turn of the loop; about half a millisecond.
SLICE_SIZE = 4096
# Names of channels that a node tells of one user.
MOST_NAMES = 10_000
CHANNELS, USER = "channels", "user"


_Wanted = tuple[str, str, int]
"""Prefix, after which name, and how many."""


class Host(Protocol):
    """What is asked of the hub."""

    users: Users

    def channels(self) -> Iterable[str]:
        """The channels with a subscriber on this node."""
        ...

    def subscribers(self, channel: str) -> int:
        """How many of this node's connections are subscribed to one."""
        ...

    def client_name(self, connection: Connection) -> str:
        """A connection's public name; empty if it has none."""
        ...


@dataclass(frozen=True, slots=True)
class ChannelPage:
    """Some channels, in the order of their names.

    Attributes:
        subscribers: How many connections are subscribed to each, on the nodes that answered.
        after: Behind which name the next page begins; None if there is none.
        answered: Nodes that this is the sum of.
        missing: Nodes that did not tell in time.
    """

    subscribers: Mapping[str, int]
    after: str | None
    answered: int
    missing: int


@dataclass(frozen=True, slots=True)
class Place:
    """One connection.

    Attributes:
        node: The node that it is on.
        client: Its public name; empty if its wire has none.
        wire: What it speaks.
        channels: What it is subscribed to, in order.
    """

    node: str
    client: str
    wire: str
    channels: Sequence[str]


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """A user's connections.

    Attributes:
        count: How many there are, on the nodes that answered.
        places: Some of them; all, if they are not too many.
        answered: Nodes that this is the sum of.
        missing: Nodes that did not tell in time.
    """

    count: int
    places: Sequence[Place]
    answered: int
    missing: int


class Directory:
    """One node's part: it asks the others, and answers what any of them asks.

    Args:
        host: What this node has.
        nodes: The other nodes.
        node: The name of this one.
    """

    def __init__(self, host: Host, nodes: Nodes, node: str) -> None:
        self._host = host
        self._nodes = nodes
        self._node = node
        # One looks at a million names at a time, and who asks the same meanwhile gets the same answer.
        self._turn = asyncio.Lock()
        self._waiting: dict[_Wanted, asyncio.Future[Body]] = {}
        nodes.on(CHANNELS, self._on_channels)
        nodes.on(USER, self._on_user)

    async def channels(self, prefix: str, after: str, limit: int) -> ChannelPage:
        """The first ``limit`` channels that begin with ``prefix`` and come behind ``after``.

        Raises:
            BrokerUnavailableError: The other nodes cannot be asked.
            BrokerClosedError: The hub is closed.
        """
        question = {"prefix": prefix, "after": after, "limit": limit}
        return _merged(await self._nodes.ask(CHANNELS, question, PATIENCE), limit)

    async def user(self, user: str, limit: int) -> Whereabouts:
        """At most ``limit`` connections of a user; those of nobody in particular are not known.

        Raises:
            BrokerUnavailableError: The other nodes cannot be asked.
            BrokerClosedError: The hub is closed.
        """
        told = await self._nodes.ask(USER, {"user": user, "limit": limit}, PATIENCE)
        count, places, answered = 0, [], 0
        for answer in told.answers:
            match answer:
                case {"count": int(here), "node": str(node), "connections": list(connections)}:
                    answered, count = answered + 1, count + here
                    places += [place for each in connections if (place := _place(node, each))]
        places.sort(key=lambda place: (place.node, place.client))
        return Whereabouts(count, places[:limit], answered, told.missing + len(told.answers) - answered)

    # -- for other nodes -----------------------------------------------------------------------------

    async def _on_channels(self, body: Body) -> Body:
        match body:
            case {"prefix": str(prefix), "after": str(after), "limit": int(limit)} if limit > 0:
                wanted = (prefix, after, limit)
                waiting = self._waiting.get(wanted)
                return await (self._look(wanted) if waiting is None else asyncio.shield(waiting))
        return {}

    async def _look(self, wanted: _Wanted) -> Body:
        prefix, after, limit = wanted
        found = self._waiting[wanted] = asyncio.get_running_loop().create_future()
        try:
            async with self._turn:
                # Who asks from now on may know of channels that are not among these.
                del self._waiting[wanted]
                names = await _first(list(self._host.channels()), prefix, after, limit + 1)
            counts = [(name, self._host.subscribers(name)) for name in names]
            # Somebody may have left meanwhile; how far this node looked holds all the same.
            through = names[-1] if len(names) > limit else None
            answer = {"channels": [entry for entry in counts if entry[1]], "through": through}
            found.set_result(answer)
        finally:
            if self._waiting.get(wanted) is found:
                del self._waiting[wanted]
            found.cancel()  # where that went wrong
        return answer

    def _on_user(self, body: Body) -> Body:
        match body:
            case {"user": str(user), "limit": int(limit)} if limit > 0:
                connections = list(islice(self._told(user), limit))
                return {"node": self._node, "count": self._host.users.count(user), "connections": connections}
        return {}

    def _told(self, user: str) -> Iterable[tuple[str, str, list[str]]]:
        names = 0
        for connection in self._host.users.of(user):
            names += len(connection.channels)
            if names > MOST_NAMES + len(connection.channels):
                return
            yield self._host.client_name(connection), connection.wire.name, sorted(connection.channels)


async def _first(names: Sequence[str], prefix: str, after: str, size: int) -> list[str]:
    """The first of ``names`` in order that begin with ``prefix`` and come behind ``after``."""
    best: list[str] = []
    for start in range(0, len(names), SLICE_SIZE):
        if start:
            await asyncio.sleep(0)
        part = [name for name in names[start : start + SLICE_SIZE] if name > after]
        if prefix:
            part = [name for name in part if name.startswith(prefix)]
        if len(best) == size:
            last = best[-1]
            part = [name for name in part if name < last]
        if part:
            best = sorted(best + part)[:size]
    return best


def _merged(told: Answers, limit: int) -> ChannelPage:
    """One page out of those of the nodes, no longer than all of them looked."""
    subscribers: dict[str, int] = {}
    ends: list[str] = []
    answered = 0
    for answer in told.answers:
        match answer:
            case {"channels": list(entries), "through": (str() | None) as through}:
                answered += 1
                if through is not None:
                    ends.append(through)
                for name, count in _counts(entries):
                    subscribers[name] = subscribers.get(name, 0) + count
    end = min(ends, default=None)
    names = sorted(name for name in subscribers if end is None or name <= end)
    if len(names) > limit:
        names, end = names[:limit], names[limit - 1]
    missing = told.missing + len(told.answers) - answered
    return ChannelPage({name: subscribers[name] for name in names}, end, answered, missing)


def _counts(entries: list[Any]) -> Iterable[tuple[str, int]]:
    for entry in entries:
        match entry:
            case [str(name), int(count)]:
                yield name, count


def _place(node: str, told: Any) -> Place | None:
    match told:
        case [str(client), str(wire), list(channels)]:
            return Place(node, client, wire, [name for name in channels if isinstance(name, str)])
    return None
