"""The broker of a single process: no network, no history."""

from __future__ import annotations

from tornado_realtime.brokers.base import Broker, Health, Sink
from tornado_realtime.brokers.sinks import deliver, told
from tornado_realtime.errors import BrokerClosedError
from tornado_realtime.publication import PLAIN, Publication, Taken
from tornado_realtime.traits import NO_TRAITS, TraitsTable


class MemoryBroker(Broker):
    """Carries publications within this process only.

    ``publish`` calls the sink before it returns and waits for nothing in between, so publications
    arrive in the order in which they were published, on all channels together.
    """

    def __init__(self, traits: TraitsTable = NO_TRAITS) -> None:
        super().__init__(traits)
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
        sink = self._open_sink()
        if publication.channel in self._channels:
            deliver(sink, publication)
        return PLAIN

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
