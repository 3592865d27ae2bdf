"""Who is present on all nodes, as Redis keeps it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from itertools import count, islice
from typing import Protocol, TypeVar

from tornado_realtime.brokers.presence import PresenceSink, PresenceStore
from tornado_realtime.brokers.redis import rollcall
from tornado_realtime.brokers.redis.names import presence_topic
from tornado_realtime.brokers.redis.publisher import Ask
from tornado_realtime.brokers.redis.rollcall import AT_ONCE, NODES, parse_channels, parse_lease
from tornado_realtime.brokers.redis.subscriber import Ear
from tornado_realtime.brokers.sinks import changed, unsure
from tornado_realtime.errors import BrokerError, BrokerUnavailableError
from tornado_realtime.members import Member, Roll
from tornado_realtime.metrics import BrokerCounters

logger = logging.getLogger(__name__)

T = TypeVar("T")

# Seconds between two looks for nodes whose lease ended, at each of which the own one is renewed; and how
# many there are in a lease at least.
LOOK_SECONDS = 0.5
LOOKS = 4
# Clocks of two servers of a cluster may differ by that part of a lease.
SKEW = 10
# Seconds that a farewell may take.
FAREWELL = 1.0

Send = Callable[[bytes, Ask], Awaitable[object]]


class Ears(Protocol):
    """What listens to topics; see shard.Carrier."""

    def follow(self, topic: bytes, ear: Ear) -> None:
        """Listen."""

    def unfollow(self, topic: bytes) -> None:
        """Listen no longer."""


class _LateError(BrokerUnavailableError):
    """What a node says of its members does not count: its lease ended, or is about to."""


class _Watch:
    """Listens to the changes on one channel.

    Args:
        channel: Its name.
        sink: Who is told.
    """

    settled = True

    def __init__(self, channel: str, sink: PresenceSink) -> None:
        self._channel = channel
        self._sink = sink
        self._is_deaf = False

    def confirmed(self) -> None:
        """See Ear."""
        if self._is_deaf:
            self._is_deaf = False
            unsure(self._sink, self._channel)

    def interrupted(self, since: float) -> None:
        """See Ear."""
        self._is_deaf = True
        unsure(self._sink, self._channel)

    def take(self, data: bytes) -> bytes:
        """See Ear."""
        change = rollcall.parse_change(self._channel, data)
        if change is not None:
            changed(self._sink, change)
        return b""


class RedisPresence(PresenceStore):
    """Keeps this node's members in Redis under a lease, and takes dead nodes' members away.

    One task says in Redis what is not said there yet. Every step may be made twice; one that failed is made
    again, for as long as it takes. After Redis was away, and when the lease ended all the same (Redis was
    emptied, the process stood still), everything is said anew under another name, and what was said under
    the old one is taken away like that of a dead node: whoever was known stays so without a word.

    Args:
        node: The name of this node.
        lease: Seconds after which a node that does not renew its lease is dead.
        send: Asks who serves a topic, and waits for the reply; raises BrokerError.
        ears: What listens to topics.
        counters: Where to count.
    """

    def __init__(self, node: str, lease: float, send: Send, ears: Ears, counters: BrokerCounters) -> None:
        self.settle = lease + 1.0
        self._node = node
        self._lease = lease
        self._send = send
        self._ears = ears
        self._counters = counters
        self._sink: PresenceSink | None = None
        self._here: dict[str, dict[str, Member]] = {}
        self._unsaid: dict[str, set[str]] = {}  # users by channel
        self._names = count(1)
        self._name = ""  # under which the lease runs
        self._old_names: dict[str, list[str]] = {}  # names of before, and channels of which they had members
        self._until = 0  # when what is said stops to count (Unix milliseconds, by Redis' clock)
        self._noted: set[str] = set()  # channels of which Redis knows that this node has members there
        self._steps = count(1)
        self._look_at = 0.0
        self._must_rename = True
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._reaping: dict[str, asyncio.Task[None]] = {}
        self._mute_since: float | None = None
        self._told_of_it = False

    async def start(self, sink: PresenceSink) -> None:
        """See PresenceStore."""
        self._sink = sink
        self._task = asyncio.create_task(self._run())

    async def close(self, linger: float) -> None:
        """See PresenceStore: the lease is cut to ``linger``, and the others do the rest."""
        if self._task is None:
            return
        task, self._task, self._sink = self._task, None, None
        for each in (task, *self._reaping.values()):
            each.cancel()
        await asyncio.gather(task, *self._reaping.values(), return_exceptions=True)
        if self._name:
            with suppress(BrokerError, TimeoutError):
                async with asyncio.timeout(FAREWELL):
                    await self._send(NODES, rollcall.lease(self._name, min(linger, self._lease)))

    def put(self, channel: str, member: Member) -> None:
        """See PresenceStore."""
        if member.conns:
            self._here.setdefault(channel, {})[member.user] = member
        else:
            here = self._here.get(channel, {})
            here.pop(member.user, None)
            if not here:
                self._here.pop(channel, None)
        self._unsaid.setdefault(channel, set()).add(member.user)
        self._wake.set()

    def watch(self, channel: str) -> None:
        """See PresenceStore."""
        if self._sink is not None:
            self._ears.follow(presence_topic(channel), _Watch(channel, self._sink))

    def unwatch(self, channel: str) -> None:
        """See PresenceStore."""
        self._ears.unfollow(presence_topic(channel))

    async def read(self, channel: str, after: str, limit: int) -> Roll:
        """See PresenceStore; what is asked waits until changes are heard that come after the answer."""
        asked = rollcall.read(channel, after, limit)
        return rollcall.parse_roll(await self._send(presence_topic(channel), asked))

    def relinked(self) -> None:
        """Redis was away, or is another one now: it may have lost what it was told."""
        self._must_rename = True
        self._look_at = 0.0
        self._wake.set()

    # -- what this node says -----------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            try:
                await self._say()
                self._said()
            except BrokerError as error:
                self._failed(error)
                # Whatever wakes us would fail as well.
                await asyncio.sleep(self._pause)
            except Exception:
                logger.exception("who is present here could not be told")
                await asyncio.sleep(self._pause)
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, self._look_at - asyncio.get_running_loop().time())):
                    await self._wake.wait()

    @property
    def _pause(self) -> float:
        return min(LOOK_SECONDS, self._lease / LOOKS)

    async def _say(self) -> None:
        """Make Redis know what it does not know yet."""
        await self._renew()
        while self._unsaid:
            await self._renew()
            await self._put_some()
        for name in tuple(self._old_names):
            await self._retire(name, self._old_names[name])
            del self._old_names[name]

    async def _retire(self, name: str, channels: list[str]) -> None:
        """Let whoever looks next take away what was said under a name of before; it is said again by now.

        Redis may have forgotten the name, and been told something under it afterwards.
        """
        for chunk in _chunks(channels, AT_ONCE) if channels else ([],):
            await self._send(NODES, rollcall.lease(name, 0.0, chunk, is_new=True))

    async def _renew(self) -> None:
        """Renew the lease when that is due, and see whose ended."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._look_at:
            return
        ends, dead = 0, list[str]()
        if self._name and not self._must_rename:
            ends, dead = parse_lease(await self._send(NODES, rollcall.lease(self._name, self._lease)))
            if not ends:
                self._counters.leases_lost += 1
                logger.warning("this node was taken for dead, or Redis forgot it; its members enter again")
        if not ends:
            ends, dead = await self._take_name()
        self._until = ends - round(self._lease * 1000 / SKEW)
        self._look_at = loop.time() + self._pause
        for name in dead:
            if name not in self._reaping:
                self._reaping[name] = asyncio.create_task(self._reap(name))

    async def _take_name(self) -> tuple[int, list[str]]:
        """Begin under a name that nobody knows: everything has to be said again."""
        self._must_rename = False
        name = f"{self._node}.{next(self._names)}"
        try:
            found = parse_lease(await self._send(NODES, rollcall.lease(name, self._lease, is_new=True)))
        except BrokerError:
            self._must_rename = True
            raise
        if self._name:
            self._old_names[self._name] = list(self._noted)
        self._name = name
        self._noted.clear()
        for channel, members in self._here.items():
            self._unsaid.setdefault(channel, set()).update(members)
        return found

    async def _put_some(self) -> None:
        channels = list(islice(self._unsaid, AT_ONCE))
        await self._note([channel for channel in channels if channel in self._here])
        await _all(self._put(channel, self._unsaid.pop(channel)) for channel in channels)
        empty = [channel for channel in channels if channel in self._noted and channel not in self._here]
        if empty:
            self._noted.difference_update(empty)
            await self._send(NODES, rollcall.forget(self._name, empty, is_dead=False))

    async def _note(self, channels: Iterable[str]) -> None:
        """Have Redis know where members of this node are, before there are any."""
        new = [channel for channel in channels if channel not in self._noted]
        if not new:
            return
        ends, _ = parse_lease(await self._send(NODES, rollcall.lease(self._name, self._lease, new)))
        if not ends:
            raise self._too_late()
        self._noted.update(new)

    async def _put(self, channel: str, users: set[str]) -> None:
        """Say how many connections some users have now; what fails is said again."""
        rest = sorted(users)
        try:
            for chunk in _chunks(rest, AT_ONCE):
                await self._put_chunk(channel, chunk)
                users.difference_update(chunk)
        finally:
            if users:
                self._unsaid.setdefault(channel, set()).update(users)

    async def _put_chunk(self, channel: str, users: list[str]) -> None:
        here = self._here.get(channel, {})
        members = [here.get(user) or Member(user, conns=0) for user in users]
        asked = rollcall.put(
            channel,
            self._name,
            members,
            until=self._until,
            step=next(self._steps),
            kept=round(self._lease * 1000),
        )
        if await self._send(presence_topic(channel), asked) != 1:
            raise self._too_late()

    def _too_late(self) -> _LateError:
        self._look_at = 0.0
        return _LateError("the lease of this node ended")

    # -- what dead nodes said ----------------------------------------------------------------------

    async def _reap(self, name: str) -> None:
        """Take a dead node's members away; others may do the same, and whoever is last finds nothing."""
        try:
            while channels := parse_channels(await self._send(NODES, rollcall.some_channels(name))):
                await _all(self._clear(channel, name) for channel in channels)
                await self._send(NODES, rollcall.forget(name, channels, is_dead=True))
            await self._send(NODES, rollcall.forget(name, [], is_dead=True))
            if name.partition(".")[0] != self._node:
                self._counters.nodes_reaped += 1
                logger.info("a node is gone, and so are its users from the lists of who is present")
        except BrokerError as error:  # it is still dead at the next look
            logger.debug("the members of a dead node cannot be taken away now: %s", error)
        except Exception:
            logger.exception("the members of a dead node could not be taken away")
        finally:
            self._reaping.pop(name, None)

    async def _clear(self, channel: str, name: str) -> None:
        while await self._send(presence_topic(channel), rollcall.clear(channel, name)):
            pass

    # -- what an operator is told ------------------------------------------------------------------

    def _failed(self, error: BrokerError) -> None:
        now = asyncio.get_running_loop().time()
        if self._mute_since is None:
            self._mute_since = now
        if now - self._mute_since >= self._lease and not self._told_of_it:
            self._told_of_it = True
            logger.warning("other nodes take the users of this one for gone; Redis cannot be told: %s", error)

    def _said(self) -> None:
        if self._told_of_it:
            logger.warning("other nodes know the users of this one again")
        self._mute_since, self._told_of_it = None, False


async def _all(steps: Iterable[Awaitable[None]]) -> None:
    """Wait until all of ``steps`` are over; then fail if one failed."""
    for error in filter(None, await asyncio.gather(*steps, return_exceptions=True)):
        raise error


def _chunks(items: list[T], size: int) -> Iterator[list[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))
