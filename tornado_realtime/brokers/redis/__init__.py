"""The broker that carries publications between nodes through Redis, and keeps streams there.

::

    broker      the contract: RedisBroker
    streams     which streams this node follows, and what is read of them
    follower    one stream: what was delivered, and what comes next; pure
    asks        what is asked of Redis beyond PUBLISH, and what the replies mean
    presence    who is present on all nodes, and what this one says of it
    rollcall    what is asked of Redis about that, and what the replies mean
    scripts     the Lua scripts, which lie in lua/
    heads       what stands before the messages of a stream
    names       how everything is called in Redis
    shard       one server: all connections to it, and what may be published over them
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
