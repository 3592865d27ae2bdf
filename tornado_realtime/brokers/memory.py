"""The broker of a single process: no network, and what is kept is gone with it."""

from __future__ import annotations

import time
from collections.abc import Callable

from tornado_realtime.brokers.base import Broker, Health, Sink
from tornado_realtime.brokers.keys import Keys
from tornado_realtime.brokers.sinks import deliver, told
from tornado_realtime.brokers.streams import Streams
from tornado_realtime.errors import BrokerClosedError
from tornado_realtime.publication import PLAIN, History, Last, Position, Publication, Taken
from tornado_realtime.traits import NO_TRAITS, TraitsTable


class MemoryBroker(Broker):
    """Carries publications within this process only.

    ``publish`` calls the sink before it returns and waits for nothing in between, so publications
    arrive in the order in which they were published, on all channels together. What is kept of streams is
    bounded for each and for all together, see ``brokers.streams``.

    Args:
        traits: What is kept of which channel.
        clock: Unix time.
    """

    def __init__(self, traits: TraitsTable = NO_TRAITS, clock: Callable[[], float] = time.time) -> None:
        super().__init__(traits)
        self._streams = Streams(clock, self.counters)
        self._keys = Keys(clock, self.counters)
        self._sink: Sink | None = None
        self._closed = False
        self._channels: set[str] = set()

    async def start(self, sink: Sink) -> None:
        """Begin to deliver to ``sink``.

        Raises:
            BrokerClosedError: The broker was closed; a broker lives once.
        """
        if self._closed:
            raise BrokerClosedError("the memory broker is closed")
        self._sink = sink

    async def close(self) -> None:
        """Stop delivering; what was published is delivered already."""
        self._closed = True
        self._sink = None
        self._channels.clear()
        self._streams.clear()
        self._keys.clear()

    async def publish(self, publication: Publication, key: str = "") -> Taken:
        """Deliver one publication at once, if its channel has a subscriber.

        Raises:
            BrokerClosedError: Before ``start`` or after ``close``.
        """
        taken = self.publish_now(publication, key)
        assert taken is not None  # it never has to wait
        return taken

    def publish_now(self, publication: Publication, key: str = "") -> Taken | None:
        """See Broker: this one never has to wait."""
        sink, channel = self._open_sink(), publication.channel
        if key and (before := self._keys.find(channel, key)) is not None:
            return Taken(before.position, repeated=True)
        taken, retention = PLAIN, self.traits.of(channel).retention
        if retention is not None:
            publication = self._streams.append(publication, retention)
            taken = Taken(publication.position)
        if key:
            self._keys.remember(channel, key, taken)
        if channel in self._channels:
            deliver(sink, publication)
        return taken

    def position(self, channel: str) -> Position | None:
        """See Broker."""
        is_stream = channel in self._channels and self.traits.of(channel).retention is not None
        return self._streams.position(channel) if is_stream else None

    def history_now(
        self, channel: str, since: Position | Last | None, limit: int, *, reverse: bool = False
    ) -> History | None:
        """See Broker: this one always knows it at once, of streams."""
        self._open_sink()
        retention = self.traits.of(channel).retention
        if retention is None:
            return None
        return self._streams.read(channel, retention, since, limit, reverse=reverse)

    async def history(
        self, channel: str, since: Position | Last | None, limit: int, *, reverse: bool = False
    ) -> History:
        """See Broker."""
        found = self.history_now(channel, since, limit, reverse=reverse)
        return found or await super().history(channel, since, limit, reverse=reverse)

    async def tell(self, message: bytes, to: str = "") -> int:
        """Hand one node message to this process, the only node there is, at once.

        Raises:
            BrokerClosedError: Before ``start`` or after ``close``.
        """
        sink = self._open_sink()
        if to not in ("", self.node_id):
            return 0
        told(sink, message)
        return 1

    @property
    def health(self) -> Health:
        """Ready from ``start`` to ``close``."""
        return Health(True) if self._sink is not None else Health(False, "not started, or closed")

    def subscribe(self, channel: str) -> None:
        """Deliver ``channel`` from now on."""
        self._channels.add(channel)

    def unsubscribe(self, channel: str) -> None:
        """Deliver ``channel`` no longer."""
        self._channels.discard(channel)

    def _open_sink(self) -> Sink:
        if self._sink is None:
            raise BrokerClosedError("the memory broker is closed or not started")
        return self._sink
