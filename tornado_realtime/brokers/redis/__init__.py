"""The broker that carries publications between nodes through Redis publish/subscribe.

::

    broker      the contract: RedisBroker
    shard       one server: both connections to it, and what may be published over them
    subscriber  which channels this node listens to; what comes in
    publisher   what goes out, pipelined
    link        one supervised connection: dial, health check, reconnect with backoff; outages
    line        one connection as redis-py gives it, its errors translated
    address     what the operator wrote -> where and how to dial
"""

from __future__ import annotations

from tornado_realtime.brokers.redis.broker import RedisBroker
from tornado_realtime.brokers.redis.link import Timing

__all__ = ["RedisBroker", "Timing"]
