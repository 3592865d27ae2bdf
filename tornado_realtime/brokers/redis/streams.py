"""The streams of a node: which it follows, and what is read of them."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from tornado_realtime.brokers.redis import asks
from tornado_realtime.brokers.redis.follower import Follower, Page
from tornado_realtime.brokers.redis.heads import COPIED, MESSAGE, parse_live, parse_page
from tornado_realtime.brokers.redis.link import cancelled
from tornado_realtime.brokers.redis.names import stream_topic, topic_of
from tornado_realtime.brokers.redis.publisher import Ask, Parcel, answered
from tornado_realtime.brokers.redis.shard import Carrier
from tornado_realtime.errors import BrokerUnavailableError
from tornado_realtime.metrics import BrokerCounters
from tornado_realtime.publication import Gap, History, Last, Position, Publication
from tornado_realtime.traits import Retention

logger = logging.getLogger(__name__)

PAGE = 100  # publications in one answer to a follower
AT_ONCE = 16  # followers for which the node reads at a time: thousands may ask in one moment
MOST_QUESTIONS = 50_000  # that wait for an answer at a time
MOST_TRIES = 3  # of reading a history that is trimmed while it is read
AGAIN_SECONDS = 0.5  # after which is read again what could not be
TOGETHER_SECONDS = 0.2  # channels on which something was missed are told together


class _Ear(Follower):
    """A follower with what is needed to read for it, and to hear for it (see subscriber.Ear)."""

    __slots__ = ("_streams", "retention", "waiters")

    def __init__(self, channel: str, retention: Retention, streams: Streams) -> None:
        super().__init__(channel, streams)
        self.retention = retention
        self.waiters: list[asyncio.Future[None]] = []  # who wants to know where the stream stands
        self._streams = streams

    def take(self, data: bytes) -> bytes:
        kind = data[:1]
        if kind not in (MESSAGE, COPIED):
            return b""
        publication = parse_live(self.channel, data)
        if publication is None:
            self._streams.unreadable(self.channel)
        else:
            self.live(publication)
        return topic_of(self.channel) if kind == COPIED else b""


class Streams:
    """Follows every stream with a local subscriber, and answers what its history is.

    Args:
        carrier: Redis.
        deliver: Takes what followers deliver.
        missed: Is told on which channels something is not to be had any more.
        unreadable: Is told that a message on a channel could not be read.
        counters: Where to count.
        patience: Seconds that an answer may take.
        answer_bytes: Of messages, after which a history has no more of them.
        lasting: See ``asks.read``.
    """

    def __init__(
        self,
        carrier: Carrier,
        deliver: Callable[[Publication], None],
        missed: Callable[[Gap], None],
        unreadable: Callable[[str], None],
        counters: BrokerCounters,
        patience: float,
        answer_bytes: int,
        *,
        lasting: bool = False,
    ) -> None:
        self.unreadable = unreadable
        self._carrier = carrier
        self._deliver = deliver
        self._missed = missed
        self._counters = counters
        self._patience = patience
        self._answer_bytes = answer_bytes
        self._lasting = lasting
        self._ears: dict[str, _Ear] = {}
        self._due: deque[_Ear] = deque()  # followers that want to read
        self._failed: list[_Ear] = []  # those that could not
        self._reads: set[asyncio.Task[None]] = set()
        self._again: asyncio.TimerHandle | None = None
        self._is_said = False  # that they could not
        self._waiting = 0  # for an answer
        self._lost: dict[str, float] = {}  # channels on which something was missed, and since when
        self._telling: asyncio.TimerHandle | None = None

    async def close(self) -> None:
        """Follow nothing any longer."""
        for timer in (self._again, self._telling):
            if timer is not None:
                timer.cancel()
        ears, self._ears = self._ears, {}
        self._due.clear()
        self._failed.clear()
        for ear in ears.values():
            self._told(ear)
        await cancelled(*self._reads)

    # -- what the node listens to ------------------------------------------------------------------

    def follow(self, channel: str, retention: Retention) -> None:
        """The first local subscriber of a stream came."""
        if channel not in self._ears:
            ear = self._ears[channel] = _Ear(channel, retention, self)
            self._carrier.follow(stream_topic(channel), ear)

    def unfollow(self, channel: str) -> None:
        """The last local subscriber left."""
        ear = self._ears.pop(channel, None)
        if ear is not None:
            self._carrier.unfollow(stream_topic(channel))
            self._lost.pop(channel, None)
            self._told(ear)

    def hears(self, channel: str) -> bool:
        """False for a stream whose subscription is not confirmed: what is heard of it may be a copy."""
        ear = self._ears.get(channel)
        return ear is None or ear.hears

    def position(self, channel: str) -> Position | None:
        """See Broker."""
        ear = self._ears.get(channel)
        return None if ear is None else ear.position

    # -- the keeper of followers (follower.Keeper) -------------------------------------------------

    def deliver(self, publication: Publication) -> None:
        """See Keeper."""
        if publication.channel in self._lost:
            self._tell_lost()
        self._deliver(publication)

    def missed(self, follower: Follower) -> None:
        """See Keeper: who hears nothing soon is told of together."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._lost[follower.channel] = now if follower.deaf_since is None else follower.deaf_since
        if self._telling is None:
            self._telling = loop.call_later(TOGETHER_SECONDS, self._tell_lost)

    def read(self, follower: Follower) -> None:
        """See Keeper: they take turns."""
        assert isinstance(follower, _Ear)
        self._due.append(follower)
        self._work()

    def settled(self, follower: Follower) -> None:
        """See Keeper: what this node itself publishes may come now."""
        assert isinstance(follower, _Ear)
        self._told(follower)
        if self._ears.get(follower.channel) is follower:
            topic = stream_topic(follower.channel)
            self._carrier.shard(topic).subscriber.settle(topic)

    def readable(self) -> None:
        """Redis is there again."""
        self._retry()

    def _tell_lost(self) -> None:
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None
        lost, self._lost = self._lost, {}
        if lost:
            self._missed(Gap(tuple(lost), asyncio.get_running_loop().time() - min(lost.values())))

    def _work(self) -> None:
        while self._due and len(self._reads) < AT_ONCE:
            task = asyncio.create_task(self._read_for(self._due.popleft()))
            self._reads.add(task)
            task.add_done_callback(self._worked)

    def _worked(self, task: asyncio.Task[None]) -> None:
        self._reads.discard(task)
        if not task.cancelled() and (error := task.exception()):  # our bug in one stream; the others go on
            logger.error("a stream could not be followed", exc_info=error)
        self._work()

    async def _read_for(self, ear: _Ear) -> None:
        if self._ears.get(ear.channel) is not ear:  # nobody listens any longer
            return
        limit = PAGE if ear.settled else 0
        ask = asks.read(ear.channel, ear.retention, ear.position, limit, lasting=self._lasting)
        try:
            page = await self._turn(ear.channel, ask)
        except BrokerUnavailableError as error:
            self._fail(ear, error)
            return
        self._is_said = False
        if self._ears.get(ear.channel) is ear:
            self._counters.publications_repaired += len(page.items)
            ear.turned(page)

    def _fail(self, ear: _Ear, error: BrokerUnavailableError) -> None:
        self._failed.append(ear)
        is_away = not self._carrier.shard(stream_topic(ear.channel)).reader.online  # others say that
        if not self._is_said and not is_away:
            self._is_said = True
            logger.warning("streams cannot be read, and wait: %s", error.reason)
        if self._again is None:
            self._again = asyncio.get_running_loop().call_later(AGAIN_SECONDS, self._retry)

    def _retry(self) -> None:
        if self._again is not None:
            self._again.cancel()
            self._again = None
        failed, self._failed = self._failed, []
        self._due.extend(failed)
        self._work()

    def _told(self, ear: _Ear) -> None:
        waiters, ear.waiters = ear.waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    # -- history -------------------------------------------------------------------------------------

    def history_now(self, channel: str, since: Position | Last | None, *, reverse: bool) -> History | None:
        """See Broker: who has what was delivered last missed nothing."""
        if reverse or not isinstance(since, Position) or since != self.position(channel):
            return None
        return History(since)

    async def history(
        self, channel: str, retention: Retention, since: Position | Last | None, limit: int, *, reverse: bool
    ) -> History:
        """See Broker.

        A stream that is followed is read once its follower has begun, so that whatever comes after the answer
        is delivered.
        """
        ear = self._ears.get(channel)
        if ear is not None and not ear.settled:
            waiter = asyncio.get_running_loop().create_future()
            ear.waiters.append(waiter)
            await asyncio.wait([waiter], timeout=self._patience)
            if not waiter.done():
                waiter.cancel()
                raise BrokerUnavailableError("the channel is not subscribed at Redis yet")
        for _ in range(MOST_TRIES):
            found = await self._collect(channel, retention, since, limit, reverse=reverse)
            if found is not None:
                return found
        raise BrokerUnavailableError("the history changes too fast")

    async def _collect(
        self, channel: str, retention: Retention, since: Position | Last | None, limit: int, *, reverse: bool
    ) -> History | None:
        """Read page by page; None if what lies between two of them was lost meanwhile."""
        items: list[Publication] = []
        size, place, rest = 0, since, min(limit, since.count) if isinstance(since, Last) else limit
        while True:
            ask = asks.read(channel, retention, place, rest, reverse=reverse, lasting=self._lasting)
            page = await self._turn(channel, ask)
            if items and (not page.complete or page.position.epoch != _epoch_of(items)):
                return None
            if not page.complete:
                return History(page.position, recovered=False)
            items += page.items
            size += sum(len(item.data) for item in page.items)
            rest -= len(page.items)
            if not page.more or not page.items or rest <= 0 or size >= self._answer_bytes:
                return History(page.position, tuple(items), more=page.more)
            place = page.items[-1].position

    async def _turn(self, channel: str, ask: Ask) -> Page:
        """Ask for a page."""
        if self._waiting >= MOST_QUESTIONS:
            raise BrokerUnavailableError("too many questions wait for Redis")
        parcel = Parcel(stream_topic(channel), b"", asyncio.get_running_loop().create_future(), ask=ask)
        self._waiting += 1
        try:
            self._carrier.question(parcel)
            if not await answered(parcel, self._patience):
                self._carrier.shard(parcel.topic).reader.doubt(self._patience)
                raise BrokerUnavailableError(f"no answer from Redis within {self._patience:g} s")
            page = parse_page(channel, parcel.taken.result())
        finally:
            self._waiting -= 1
            parcel.withdraw()
        if page is None:
            raise BrokerUnavailableError("Redis answered with something else")
        return page


def _epoch_of(items: list[Publication]) -> str:
    position = items[-1].position
    assert position is not None
    return position.epoch
