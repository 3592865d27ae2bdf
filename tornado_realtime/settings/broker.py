"""What carries publications: the options of the broker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tornado_realtime.settings.option import Option, duration, one_of, read_number, text
from tornado_realtime.units import parse_duration

LEAST_CANARY = 0.1


def _canary(words: Sequence[str]) -> dict[str, Any]:
    if words[0] == "off":
        return {"canary": 0.0}
    seconds = parse_duration(words[0])
    if seconds < LEAST_CANARY:
        raise ValueError(f"must be off, or {LEAST_CANARY * 1000:g}ms or longer, not {words[0]!r}")
    return {"canary": seconds}


def _replicas(words: Sequence[str]) -> dict[str, Any]:
    if words[0] == "off":
        return {"replicas": None}
    return {"replicas": 0 if words[0] == "0" else read_number(words[0], most=16)}


def _interop(words: Sequence[str]) -> dict[str, Any]:
    return {"interop": one_of("interop", "on", "off")(words)["interop"] == "on"}


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
        "Where Redis is, for `driver redis`: `host:port`, `redis://`, `rediss://`, `unix://`, "
        "`sentinel://` or `redis-cluster://`.",
    ),
    Option(
        "canary",
        _canary,
        "DURATION|off",
        "5s",
        "How often a probe goes to Redis, and how soon it must be back; else the node is not ready, and "
        "subscribes anew.",
    ),
    Option(
        "publish_timeout",
        duration("publish_timeout"),
        "DURATION",
        "2s",
        "How long Redis may take to answer a publication; then the publisher gets 503, outcome `unknown`.",
    ),
    Option(
        "replicas",
        _replicas,
        "NUMBER|off",
        "off",
        "How many replicas of Redis must have a publication on a channel with a history before it counts as "
        "taken; then clients go on where they were also after a failover. `0`: Redis has none, and loses "
        "nothing in a restart. With `off` both begin a new epoch.",
    ),
    Option(
        "interop",
        _interop,
        "on|off",
        "off",
        "With `driver redis`, publishes what is published on channels with a history on `realtime:CHANNEL`, "
        "too, for other programs on the same Redis. Plain channels are published there anyway.",
    ),
)
