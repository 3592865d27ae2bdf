"""The contract between the hub and whatever carries publications to every node."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from tornado_realtime.publication import Position, Publication

Sink = Callable[[Publication], None]


class Broker(ABC):
    """Carries publications between nodes, at most once, in one order per channel.

    A broker belongs to one hub and one IOLoop; every method is called on that loop's thread.
    A publication that this node makes reaches this node's own subscribers by the same road as one
    from elsewhere: through ``sink``. So order is the broker's alone.
    """

    @abstractmethod
    async def start(self, sink: Sink) -> None:
        """Begin to deliver to ``sink``, which never blocks and never raises.

        Returns as soon as the node may serve; a broker that is away connects later, by itself.
        """

    @abstractmethod
    async def close(self) -> None:
        """Stop delivering and release everything; also after a ``start`` that failed. Idempotent."""

    @abstractmethod
    async def publish(self, publication: Publication) -> Position | None:
        """Hand one publication over.

        Returns:
            Its position, or None on a channel without history. Returning means that the broker took it.

        Raises:
            BrokerUnavailableError: It could not be taken; nothing was sent, as far as can be known.
            BrokerClosedError: The broker was closed.
        """

    def publish_now(self, publication: Publication) -> bool:
        """Publish without waiting, as far as this broker ever can.

        Returns:
            True when it was taken; False when ``publish`` has to be asked, and nothing was done. All that
            is published in one turn of the loop gets the same answer.

        Raises:
            BrokerClosedError: The broker was closed.
        """
        return False

    @abstractmethod
    def subscribe(self, channel: str) -> None:
        """The first local subscriber of ``channel`` came. Never waits; takes effect as soon as possible."""

    @abstractmethod
    def unsubscribe(self, channel: str) -> None:
        """The last local subscriber of ``channel`` left."""
