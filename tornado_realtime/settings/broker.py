"""What carries publications: the options of the broker."""

from __future__ import annotations

from tornado_realtime.settings.option import Option, duration, one_of, text

BROKER_OPTIONS: tuple[Option, ...] = (
    Option(
        "driver",
        one_of("driver", "memory", "redis"),
        "memory|redis",
        "memory",
        "What carries publications: `memory` serves one process, `redis` joins many nodes.",
    ),
    Option(
        "redis_address",
        text("redis_address"),
        "ADDRESS",
        "localhost:6379",
        "Where Redis is, for `driver redis`: `host:port`, `redis://`, `rediss://`, `unix://` or `redis-cluster://`.",
    ),
    Option(
        "publish_timeout",
        duration("publish_timeout"),
        "DURATION",
        "2s",
        "How long Redis may take to answer a publication; then the publisher gets 503, outcome `unknown`.",
    ),
)
