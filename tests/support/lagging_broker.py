"""A broker that is far away: what it carries and what is read of it arrives when a test says so."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from tornado_realtime.brokers.memory import MemoryBroker
from tornado_realtime.brokers.sinks import deliver
from tornado_realtime.errors import BrokerError
from tornado_realtime.publication import History, Last, Position, Publication, Taken
from tornado_realtime.traits import TraitsTable


@dataclass(frozen=True)
class Subscribed:
    """The broker follows a channel from here on."""

    channel: str
    position: Position


@dataclass(eq=False)
class Read:
    """One question under way.

    Attributes:
        look: Reads the stream as it is then.
        found: What it was; None while nobody looked.
    """

    look: Callable[[], History]
    answer: asyncio.Future[History]
    found: History | None = None


class LaggingBroker(MemoryBroker):
    """Streams are in memory; between them and this node lies a road on which everything keeps its order.

    Attributes:
        road: What is on its way to this node.
        reads: Questions that are not answered yet.
    """

    def __init__(self, traits: TraitsTable, clock: Callable[[], float] = lambda: 1000.0) -> None:
        super().__init__(traits, clock)
        self.road: deque[Publication | Subscribed] = deque()
        self.reads: list[Read] = []
        self._heard: dict[str, Position] = {}

    # -- the contract --------------------------------------------------------------------------------

    def publish_now(self, publication: Publication, key: str = "") -> Taken | None:
        self._open_sink()
        channel, retention = publication.channel, self.traits.of(publication.channel).retention
        taken = Taken()
        if retention is not None:
            publication = self._streams.append(publication, retention)
            taken = Taken(publication.position)
        if channel in self._channels:
            self.road.append(publication)
        return taken

    def position(self, channel: str) -> Position | None:
        return self._heard.get(channel)

    def history_now(
        self, channel: str, since: Position | Last | None, limit: int, *, reverse: bool = False
    ) -> History | None:
        self._open_sink()
        return None

    async def history(
        self, channel: str, since: Position | Last | None, limit: int, *, reverse: bool = False
    ) -> History:
        retention = self.traits.of(channel).retention
        assert retention is not None

        def look() -> History:
            return self._streams.read(channel, retention, since, limit, reverse=reverse)

        self.reads.append(Read(look, asyncio.get_running_loop().create_future()))
        return await self.reads[-1].answer

    def subscribe(self, channel: str) -> None:
        super().subscribe(channel)
        if self.traits.of(channel).retention is not None:
            self.road.append(Subscribed(channel, self._streams.position(channel)))

    def unsubscribe(self, channel: str) -> None:
        super().unsubscribe(channel)
        self._heard.pop(channel, None)
        self.road = deque(item for item in self.road if item.channel != channel)

    # -- what a test says ----------------------------------------------------------------------------

    def foreign(self, channel: str, data: bytes) -> None:
        """Another program publishes past the stream."""
        if channel in self._channels:
            self.road.append(Publication(channel, data))

    def hear(self, count: int = 1_000_000) -> None:
        """Let so much arrive of what is on the road."""
        for _ in range(min(count, len(self.road))):
            item = self.road.popleft()
            if isinstance(item, Subscribed):
                self._heard[item.channel] = item.position
                continue
            if item.position is not None:
                self._heard[item.channel] = item.position
            deliver(self._open_sink(), item)

    def forget(self, channel: str) -> None:
        """Lose what is on the road, and the stream itself."""
        self.road = deque(item for item in self.road if item.channel != channel)
        self._streams.clear()

    def look(self, index: int = 0) -> None:
        """Have a question read the stream now, whenever it is answered."""
        read = self.reads[index]
        read.found = read.look()

    async def answer(self, index: int = 0, error: BrokerError | None = None) -> None:
        """Answer a question, and let the loop turn until that has arrived."""
        read = self.reads.pop(index)
        if not read.answer.done():
            if error is not None:
                read.answer.set_exception(error)
            else:
                read.answer.set_result(read.found or read.look())
        await turns()


async def turns(count: int = 6) -> None:
    """Let the loop turn."""
    for _ in range(count):
        await asyncio.sleep(0)
