"""Damaged requests over both roads: the lane and Tornado answer alike, byte by byte, and do the same.

``make test`` runs a fixed thousand. ``make fuzz`` runs new ones for minutes: FUZZ_SECONDS says how long,
FUZZ_SEED which ones, and FUZZ_CASE (as a failure prints it) runs a single one.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from itertools import count, takewhile
from random import Random

from tests.fuzz.mutations import packets_of
from tests.support.lane_requests import JWT_SECRET, SECRET
from tests.support.roads import Road, both_roads, compare

logger = logging.getLogger(__name__)

SEED = os.environ.get("FUZZ_SEED", "")
SECONDS = float(os.environ.get("FUZZ_SECONDS", "0"))
CASE = os.environ.get("FUZZ_CASE", "")
CASES = 1_000
WORKERS = 4

DOOR = f"""
@rt path /ws /internal/broadcast
handle @rt {{
	go_handler {{
		jwt {{
			secret "{JWT_SECRET}"
		}}
		broadcast_secret {SECRET}
	}}
}}
"""
CADDYFILES = (
    f"http://:0 {{\n{DOOR}\nrespond page\n}}\n",
    f"http://localhost:0 {{\n{DOOR}\nrespond page\n}}\nhttp://:0 {{\nrespond other\n}}\n",
    f"http://:0 {{\nroute {{\n@bad header User-Agent *bad*\nrespond @bad no\n{DOOR}}}\nrespond page\n}}\n",
)


def test_both_roads_agree_on_damaged_requests() -> None:
    seed = SEED or (str(time.time_ns()) if SECONDS else "1")
    logger.warning("FUZZ_SEED=%s", seed)
    numbers = numbers_until(time.monotonic() + SECONDS) if SECONDS else iter(range(CASES))
    if CASE:
        numbers = iter([int(CASE)])
    asyncio.run(everything(seed, numbers))


def numbers_until(end: float) -> Iterator[int]:
    """The numbers of the cases to run: new ones until then."""
    numbers = count()
    yield from takewhile(lambda _: time.monotonic() < end, numbers)
    logger.warning("%d cases", next(numbers) - 1)


async def everything(seed: str, numbers: Iterator[int]) -> None:
    """Run the cases, a few at a time: some have to wait until a server has been silent for a while."""
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        for _ in range(WORKERS):
            pairs = [await stack.enter_async_context(both_roads(text)) for text in CADDYFILES]
            group.create_task(work(seed, numbers, pairs))


async def work(seed: str, numbers: Iterator[int], pairs: list[tuple[Road, Road]]) -> None:
    for number in numbers:
        random = Random(f"{seed}/{number}")
        fast, slow = pairs[number % len(pairs)]
        try:
            await compare(fast, slow, *packets_of(random))
        except AssertionError as error:
            raise AssertionError(f"FUZZ_SEED={seed} FUZZ_CASE={number}\n{error}") from None
