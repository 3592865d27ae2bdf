"""Many publications of one request, handed to the broker in their order, a part at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import starmap

from tornado_realtime.errors import BrokerError
from tornado_realtime.hub import Hub
from tornado_realtime.publication import Publication, Taken

# One part is published in one turn of the loop, and waits for one round trip to the broker.
PART_SIZE = 256
PART_BYTES = 1024 * 1024

Keyed = tuple[Publication, str]
"""A publication, and the key under which the broker knows it; empty for none."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it went.

    Attributes:
        taken: What the broker said of each that it took.
        error: Why it did not take the others; None if it took all. Its ``outcome`` is unknown if that
            of any of them is.
    """

    taken: Sequence[Taken]
    error: BrokerError | None = None


async def publish_all(hub: Hub, publications: Iterable[Keyed]) -> Outcome:
    """Publish in order; after the first part of which something was not taken, no more.

    Publications that go to the broker together are answered together, so behind one that it did not take
    there may be some that it took.
    """
    taken: list[Taken] = []
    for part in _parts(publications):
        if taken:
            await asyncio.sleep(0)
        outcome = await _publish(hub, part)
        taken += outcome.taken
        if outcome.error is not None:
            return Outcome(taken, outcome.error)
    return Outcome(taken)


def _parts(publications: Iterable[Keyed]) -> Iterable[Sequence[Keyed]]:
    part: list[Keyed] = []
    size_bytes = 0
    for publication, key in publications:
        if part and (len(part) >= PART_SIZE or size_bytes + len(publication.data) > PART_BYTES):
            yield part
            part, size_bytes = [], 0
        part.append((publication, key))
        size_bytes += len(publication.data)
    if part:
        yield part


async def _publish(hub: Hub, part: Sequence[Keyed]) -> Outcome:
    taken: list[Taken] = []
    try:
        while len(taken) < len(part) and (now := hub.publish_now(*part[len(taken)])) is not None:
            taken.append(now)
    except BrokerError as error:
        return Outcome(taken, error)
    # The broker has to be waited for; it gets the rest in this order, before it answers the first of it.
    answers = await asyncio.gather(*starmap(hub.publish, part[len(taken) :]), return_exceptions=True)
    refused: list[BrokerError] = []
    for answer in answers:
        if not isinstance(answer, BaseException):
            taken.append(answer)
        elif not isinstance(answer, BrokerError):
            raise answer
        else:
            refused.append(answer)
    # Of those that are equally bad the first.
    worst = max(refused, key=lambda error: error.outcome == "unknown", default=None)
    return Outcome(taken, worst)
