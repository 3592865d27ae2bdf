"""Whom to ask where the primaries are, and what the answers mean: nodes of a cluster, or Sentinels."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Protocol

from tornado_realtime.brokers.redis.address import Place, RedisAddress
from tornado_realtime.brokers.redis.cluster.sentinels import parse_sentinel, sentinel_questions
from tornado_realtime.brokers.redis.cluster.topology import QUESTIONS, Topology, parse_topology
from tornado_realtime.brokers.redis.line import Command
from tornado_realtime.brokers.redis.link import Timing

logger = logging.getLogger(__name__)

# How long it takes at most until all Sentinels know of a failover: they tell one another every 2 seconds.
SETTLE_SECONDS = 3.0


class Guide(Protocol):
    """What differs between a cluster and a primary under Sentinels.

    Attributes:
        questions: Commands, each with one reply.
        pause: Seconds between two questions while all is well, at most.
        settle: Seconds before and after this node goes to another primary in which others may still publish
            at the old one, or already at the new one; 0 where the old one refuses.
        unknown: Why the node is not ready as long as there was no answer; for everybody.
        unwell: Why it is not when who answers says that it is not well; empty where that is no trouble.
        silence: What is logged when nobody answers; with the place and the reason.
    """

    questions: tuple[Command, ...]
    pause: float
    settle: float
    unknown: str
    unwell: str
    silence: str

    def whom(self, place: Place) -> RedisAddress:
        """How to reach somebody who knows."""

    def read(self, replies: list[object], asked: Place) -> Topology:
        """Read the replies to ``questions``; raises ValueError with a message that may be logged."""

    def report(self, before: Topology, now: Topology, moved: int) -> None:
        """Log what has changed, and how many channels moved."""


def make_guide(address: RedisAddress, timing: Timing, lost: Callable[[], bool]) -> Guide:
    """The one that ``address`` needs; ``lost`` as for SentinelGuide."""
    if address.scheme.form == "sentinel":
        return SentinelGuide(address, lost)
    return ClusterGuide(address, timing)


class ClusterGuide:
    """Every node of a cluster knows all the others.

    Args:
        address: Of the cluster.
        timing: How patient connections are.
    """

    questions: tuple[Command, ...] = QUESTIONS
    settle = 0.0
    unknown = "it is not known who serves what in the Redis cluster"
    # A part that is cut off from the majority takes publications, and nobody else hears them.
    unwell = "the Redis cluster says that it is down"
    silence = (
        "no node of the Redis cluster at %s says who serves what (the last: %s); publications are refused"
    )

    def __init__(self, address: RedisAddress, timing: Timing) -> None:
        self._address = address
        self.pause = timing.ping_every

    def whom(self, place: Place) -> RedisAddress:
        """A node like any other."""
        return self._address.at(place)

    def read(self, replies: list[object], asked: Place) -> Topology:
        """See ``parse_topology``."""
        return parse_topology(replies, asked)

    def report(self, before: Topology, now: Topology, moved: int) -> None:
        """A primary that comes or goes is worth a warning; slots move by somebody's will."""
        shown = self._address.shown
        if not before.shares or now.sharded != before.sharded:
            if now.sharded:
                text = "the Redis cluster at %s shares the channels among %s"
                logger.info(text, shown, _listed(now.primaries))
            else:
                text = (
                    "the Redis cluster at %s knows no sharded channels, as Redis 7 does; %s carries them all"
                )
                logger.warning(text, shown, _listed(now.primaries[:1]))
        elif set(now.primaries) != set(before.primaries):
            text = "the Redis cluster at %s changed: primaries are %s, and were %s; %d channels move"
            logger.warning(text, shown, _listed(now.primaries), _listed(before.primaries), moved)
        else:
            logger.info("slots moved in the Redis cluster at %s, and with them %d channels", shown, moved)


class SentinelGuide:
    """Every Sentinel knows the primary, and the other Sentinels.

    They are asked every second: a primary that was replaced while it was frozen goes on as if it were
    one, and its connections with it. One that comes back after it was down is not believed for a while,
    because it may be replaced already, and not every Sentinel knows: what is published there, the nodes
    at the new one do not hear. That one Sentinel doubts it counts where this node lost it, too.

    Args:
        address: Of the Sentinels.
        lost: Whether this node has no connection to the primary that it uses.
        clock: Seconds that never go back.
    """

    pause = 1.0
    settle = SETTLE_SECONDS + pause
    unknown = "the Sentinels name no Redis primary that is up"
    unwell = ""
    silence = "no Sentinel of %s says where the primary is (the last: %s); publications are refused"

    def __init__(
        self, address: RedisAddress, lost: Callable[[], bool], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._address = address
        self._lost = lost
        self._clock = clock
        self._epoch = -1  # of the last primary that was one, or went down
        self._believed: Place | None = None
        self._down: Place | None = None  # who was down last
        self._down_at = -math.inf
        self._primary = ""  # the last that was one
        self.questions: tuple[Command, ...] = sentinel_questions(address.master)

    def whom(self, place: Place) -> RedisAddress:
        """A Sentinel, with the login for Sentinels."""
        return self._address.sentinel(place)

    def read(self, replies: list[object], asked: Place) -> Topology:
        """See ``parse_sentinel``; a primary that is down, or was a moment ago, is none."""
        topology, state = parse_sentinel(replies)
        (place,) = topology.primaries
        is_known = topology.epoch <= self._epoch
        is_down = state == "down" or (state == "doubted" and self._lost())
        if is_down and is_known and self._believed not in (None, place):
            # While it ends a failover a Sentinel still speaks of the one before, with the new epoch.
            return replace(topology, shares=tuple(replace(s, owner=self._believed) for s in topology.shares))
        if is_down:
            self._down, self._down_at = place, self._clock()
        waits = is_known and place == self._down and self._clock() - self._down_at < SETTLE_SECONDS
        self._epoch = max(self._epoch, topology.epoch)
        self._believed = None if is_down or waits else place
        return topology if self._believed else replace(topology, shares=())

    def report(self, before: Topology, now: Topology, moved: int) -> None:
        """A failover is worth a warning."""
        shown, primary, last = self._address.shown, _listed(now.primaries), self._primary
        if not now.shares:
            logger.warning("the Sentinels of %s say that the primary %s is down", shown, last)
            return
        self._primary = primary
        if last in ("", primary):
            logger.info("the Sentinels of %s say that the primary is %s", shown, primary)
        else:
            text = "the Sentinels of %s say that the primary is %s, and was %s; %d channels move"
            logger.warning(text, shown, primary, last, moved)


def _listed(places: Iterable[Place]) -> str:
    return ", ".join(map(str, places)) or "nobody"
