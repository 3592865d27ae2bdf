"""The contract between the hub and whatever carries publications to every node."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol

from tornado_realtime.metrics import BrokerCounters
from tornado_realtime.publication import Gap, Position, Publication


class Sink(Protocol):
    """Where a broker's deliveries go. None of these blocks or raises."""

    def deliver(self, publication: Publication) -> None:
        """A publication on a channel with a local subscriber, whoever made it."""

    def told(self, message: bytes) -> None:
        """A node message, from whichever node, this one included."""

    def missed(self, gap: Gap) -> None:
        """Publications may have been missed."""


@dataclass(frozen=True, slots=True)
class Health:
    """Whether what is published anywhere reaches this node now.

    Attributes:
        ready: It does, as far as is known.
        reason: One line for an operator, which anybody may read: no addresses. Empty when ready.
    """

    ready: bool
    reason: str = ""


class Broker(ABC):
    """Carries publications between nodes, and what nodes tell one another; each at most once.

    Publications keep one order per channel.

    A broker belongs to one hub and one IOLoop; every method is called on that loop's thread.
    A publication that this node makes reaches this node's own subscribers by the same road as one
    from elsewhere: through ``sink``. So order is the broker's alone.

    Attributes:
        node_id: The name of this node among all, random and never used again.
        counters: What the broker counts.
    """

    def __init__(self) -> None:
        self.node_id = secrets.token_hex(8)
        self.counters = BrokerCounters()

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
            BrokerUnavailableError: It could not be taken, or it is not known whether it was; its
                ``outcome`` says which.
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
    async def tell(self, message: bytes, to: str = "") -> int:
        """Hand one node message to the sink of every node, this one's too, or of one node.

        Args:
            message: Any bytes, not empty.
            to: The ``node_id`` of one node; empty for all.

        Returns:
            How many nodes it went to.

        Raises:
            BrokerUnavailableError: It could not be sent, or it is not known whether it was.
            BrokerClosedError: Before ``start``, or after ``close``.
        """

    @property
    @abstractmethod
    def health(self) -> Health:
        """Whether publications can be made and heard now."""

    @property
    def probe_seconds(self) -> float:
        """What the last probe took, there and back; 0 for a broker that needs none."""
        return 0.0

    @abstractmethod
    def subscribe(self, channel: str) -> None:
        """The first local subscriber of ``channel`` came. Never waits; takes effect as soon as possible."""

    @abstractmethod
    def unsubscribe(self, channel: str) -> None:
        """The last local subscriber of ``channel`` left."""
