"""Publications that were sent to a node which does not serve their slot any longer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tornado_realtime.brokers.redis.cluster.topology import key_slot
from tornado_realtime.brokers.redis.publisher import QUEUE_BYTES, Parcel
from tornado_realtime.errors import BrokerError, BrokerUnavailableError


@dataclass(slots=True)
class _Queue:
    """What waits for one slot; ``back`` was all handed in before ``later``."""

    back: list[Parcel] = field(default_factory=list)
    later: list[Parcel] = field(default_factory=list)


class Detour:
    """Keeps what a node sent back, and all that is published on the same slots after it, in order.

    Nobody got what was sent back, so it may be sent once more, elsewhere. What of the same slot is
    still on its way to that node will come back, too, and belongs before what waits here already:
    whoever lets the queues go must know that none is on its way.
    """

    def __init__(self) -> None:
        self._queues: dict[int, _Queue] = {}
        self._bytes = 0

    def takes(self, parcel: Parcel) -> bool:
        """Keep ``parcel``, which is new, if something of its slot waits already."""
        queue = self._queues.get(key_slot(parcel.topic)) if self._queues else None
        if queue is not None:
            self._keep(queue.later, parcel)
        return queue is not None

    def take_back(self, parcel: Parcel) -> None:
        """Keep ``parcel``, which a node sent back."""
        parcel.sent = False
        self._keep(self._queues.setdefault(key_slot(parcel.topic), _Queue()).back, parcel)

    def release(self, may_go: Callable[[int], bool]) -> list[Parcel]:
        """Take out what waits for the slots that ``may_go``, in the order in which it is to be sent."""
        free: list[Parcel] = []
        for slot in [slot for slot in self._queues if may_go(slot)]:
            queue = self._queues.pop(slot)
            free += queue.back + queue.later
        self._bytes -= sum(len(parcel.data) for parcel in free)
        return free

    def fail(self, error: BrokerError) -> None:
        """Fail everything that waits."""
        for parcel in self.release(lambda _: True):
            parcel.fail(error)

    def _keep(self, queue: list[Parcel], parcel: Parcel) -> None:
        if self._bytes and self._bytes + len(parcel.data) > QUEUE_BYTES:
            parcel.fail(BrokerUnavailableError("too many publications wait for Redis"))
            return
        self._bytes += len(parcel.data)
        queue.append(parcel)
