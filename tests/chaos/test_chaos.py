"""The most telling faults, shortened, all at the same time: each has a Redis and nodes of its own.

``make chaos`` runs all of them at full length. CHAOS_SEED (as a failure prints it) replays this run.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from tests.chaos.faults import FAULTS, Run, run
from tests.chaos.report import findings, table

SEED = os.environ.get("CHAOS_SEED", "1")
CANARY = 1.0
SECONDS = {
    "redis-killed": 2.0,
    "redis-stopped": 4.0,
    "half-deaf": 8.0,
    "overflow": 1.0,
    "password": 2.0,
    "cluster-killed": 1.0,
    "node-killed": 1.0,
}


async def all_at_once(folder: Path) -> list[Run]:
    return await asyncio.gather(
        *(
            run(fault, folder / fault.name, SEED, lambda _: None, SECONDS[fault.name], CANARY)
            for fault in FAULTS
            if fault.name in SECONDS
        )
    )


def test_nothing_is_lost_silently_and_nothing_promised_in_vain(tmp_path: Path) -> None:
    runs = asyncio.run(all_at_once(tmp_path))
    assert len(runs) == len(SECONDS)
    bad = findings(runs)
    assert not bad, f"CHAOS_SEED={SEED}\n{table(runs)}\n{bad}"
