"""What can be looked up about a hub when somebody asks; see metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sized
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tornado_realtime.brokers.base import Broker
    from tornado_realtime.connection.outbox import Outbox
    from tornado_realtime.hub.heart import Heart
    from tornado_realtime.hub.turns import LoopTurns
    from tornado_realtime.metrics import Gauge


def gauges(broker: Broker, heart: Heart, turns: LoopTurns, **sizes: Sized) -> Mapping[str, Gauge]:
    """By name.

    Args:
        broker: What carries publications.
        heart: Knows for whom something waits.
        turns: Watches the loop.
        sizes: What is counted as it is.
    """

    def waiting(count: Callable[[Outbox], int]) -> int:
        return sum(count(each.outbox) for each in heart.slow if each.outbox is not None)

    return {
        "broker_ready": lambda: int(broker.health.ready),
        "probe_seconds": lambda: broker.probe_seconds,
        **{name: partial(len, counted) for name, counted in sizes.items()},
        "clients_backlogged": lambda: len(heart.slow),
        "outbox_frames": lambda: waiting(lambda outbox: outbox.frames),
        "outbox_bytes": lambda: waiting(lambda outbox: outbox.size_bytes),
        "loop_turn_max_seconds": turns.longest,
    }
