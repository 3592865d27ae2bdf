"""The contract between the hub and whatever carries publications to every node."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol

from tornado_realtime.brokers.presence import MemoryPresence, PresenceStore
from tornado_realtime.errors import BrokerUnavailableError
from tornado_realtime.metrics import BrokerCounters
from tornado_realtime.publication import Gap, History, Last, Position, Publication, Taken
from tornado_realtime.traits import NO_TRAITS, TraitsTable

KEY_SECONDS = 300.0
"""How long a publication's key is remembered at least."""


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

    Publications keep one order per channel. A channel with a retention is a *stream*: each of its
    publications has a position, and they reach the sink in the order of their positions, none missing and
    none twice, also after the broker was away; what cannot be had any more is told by ``missed``.

    A broker belongs to one hub and one IOLoop; every method is called on that loop's thread.
    A publication that this node makes reaches this node's own subscribers by the same road as one
    from elsewhere: through ``sink``. So order is the broker's alone.

    Args:
        traits: What is kept of which channel.

    Attributes:
        node_id: The name of this node among all, random and never used again.
        counters: What the broker counts.
        traits: See above.
        presence: Who is there, on all nodes.
    """

    def __init__(self, traits: TraitsTable = NO_TRAITS) -> None:
        self.traits = traits
        self.node_id = secrets.token_hex(8)
        self.counters = BrokerCounters()
        self.presence: PresenceStore = MemoryPresence()

    @abstractmethod
    async def start(self, sink: Sink) -> None:
        """Begin to deliver to ``sink``, which never blocks and never raises.

        Returns as soon as the node may serve; a broker that is away connects later, by itself.
        """

    @abstractmethod
    async def close(self) -> None:
        """Stop delivering and release everything; also after a ``start`` that failed. Idempotent."""

    @abstractmethod
    async def publish(self, publication: Publication, key: str = "") -> Taken:
        """Hand one publication over.

        Args:
            publication: Without a position, which the broker gives it.
            key: When something was published on the channel under the same key within ``KEY_SECONDS``, this
                is not published, and what was said of that is said again. Empty for no key.

        Returns:
            Its position, if it has one. Returning means that the broker took it.

        Raises:
            BrokerUnavailableError: It could not be taken, or it is not known whether it was; its
                ``outcome`` says which.
            BrokerClosedError: The broker was closed.
        """

    def publish_now(self, publication: Publication, key: str = "") -> Taken | None:
        """Publish without waiting, as far as this broker ever can.

        Returns:
            What ``publish`` would; None when that has to be asked, and nothing was done. All that is
            published in one turn of the loop is taken, or nothing of it.

        Raises:
            BrokerClosedError: The broker was closed.
        """
        return None

    def position(self, channel: str) -> Position | None:
        """Of the last publication that the sink got on a stream that this node listens to.

        None on every other channel, and while it is not known.
        """
        return None

    def history_now(
        self, channel: str, since: Position | Last | None, limit: int, *, reverse: bool = False
    ) -> History | None:
        """What ``history`` would answer, if that is known without waiting; None if it is not.

        Raises:
            BrokerClosedError: The broker was closed.
        """
        return None

    async def history(
        self, channel: str, since: Position | Last | None, limit: int, *, reverse: bool = False
    ) -> History:
        """Read a stream.

        Args:
            channel: One with a retention.
            since: What follows this position (with ``reverse``: what came before it), or the newest few;
                None for everything that is kept.
            limit: Most items; 0 asks for the position alone.
            reverse: The newest first.

        Returns:
            ``recovered`` is False, without items, where ``since`` is a position whose epoch is over, or that
            some of what follows it was trimmed from.

        Raises:
            BrokerUnavailableError: It cannot be read now.
            BrokerClosedError: The broker was closed.
        """
        raise BrokerUnavailableError(f"nothing is kept of {channel}")

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
