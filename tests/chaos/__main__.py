"""``make chaos``: every fault, or those that FAULT names; the report is printed and kept in ``.local/chaos``.

CHAOS_SEED replays a run: the same messages, the same choices of nodes, the same moments.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from tests.chaos.faults import FAULTS, Fault, Run, run
from tests.chaos.report import findings, judgement, table, timeline

HOME = Path(__file__).resolve().parents[2] / ".local" / "chaos"


class Progress:
    """A line for each fault that is over; on a terminal, the last line tells what goes on."""

    def __init__(self, total: int, out: TextIO = sys.stderr) -> None:
        self._total = total
        self._done = 0
        self._out = out
        self._began = time.monotonic()
        self._now: dict[str, str] = {}

    def say(self, name: str, what: str) -> None:
        """A run got somewhere."""
        self._now[name] = what
        self._show()

    def over(self, name: str, result: str) -> None:
        """A run is over."""
        self._now.pop(name, None)
        self._done += 1
        lead = "\r\x1b[K" if self._out.isatty() else ""
        elapsed = time.monotonic() - self._began
        self._out.write(f"{lead}[{self._done}/{self._total} {elapsed:4.0f} s] {name}: {result}\n")
        self._show()

    def _show(self) -> None:
        if self._out.isatty() and self._now:
            now = ", ".join(f"{name} {what}" for name, what in self._now.items())
            columns = shutil.get_terminal_size().columns
            self._out.write(f"\r\x1b[K{now}"[: columns + 3])
        self._out.flush()


async def run_all(faults: Sequence[Fault], seed: str, jobs: int, progress: Progress) -> list[Run]:
    """Run them, ``jobs`` at a time; those that want to be alone, afterwards and one by one."""
    places = asyncio.Semaphore(jobs)

    async def one(fault: Fault) -> Run:
        async with places:
            folder = HOME / fault.name
            shutil.rmtree(folder, ignore_errors=True)
            done = await run(fault, folder, seed, lambda what: progress.say(fault.name, what))
            progress.over(fault.name, judgement(done.verdict))
            if done.history.sendings:
                (HOME / f"{fault.name}.svg").write_text(timeline(done), encoding="utf-8")
            return done

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(fault)) for fault in faults if not fault.alone]
    return [*(task.result() for task in tasks), *[await one(fault) for fault in faults if fault.alone]]


def _chosen(names: str) -> list[Fault]:
    wanted = [name for name in names.replace(",", " ").split() if name]
    unknown = set(wanted) - {fault.name for fault in FAULTS}
    if unknown:
        sys.exit(
            f"no such fault: {', '.join(sorted(unknown))}; there are: {' '.join(f.name for f in FAULTS)}"
        )
    return [fault for fault in FAULTS if not wanted or fault.name in wanted]


def main() -> int:
    """Run; 0 when the checker found nothing."""
    parser = argparse.ArgumentParser(prog="make chaos", description="Faults, and what they cost.")
    parser.add_argument("faults", nargs="*", metavar="FAULT", help="names; all without")
    parser.add_argument("--jobs", type=int, default=3, metavar="N", help="faults at a time (3)")
    parser.add_argument("--list", action="store_true", help="print the faults, and exit")
    arguments = parser.parse_args()
    if arguments.list:
        sys.stdout.writelines(f"{fault.name:16} {fault.title}\n" for fault in FAULTS)
        return 0
    faults = _chosen(" ".join(arguments.faults))
    seed = os.environ.get("CHAOS_SEED") or str(time.time_ns())
    sys.stderr.write(f"CHAOS_SEED={seed}\n")
    HOME.mkdir(parents=True, exist_ok=True)
    try:
        runs = asyncio.run(run_all(faults, seed, arguments.jobs, Progress(len(faults))))
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped\n")
        return 130
    bad = findings(runs)
    if bad:
        names = " ".join(run.fault.name for run in runs if run.verdict.findings)
        bad += f'\nonce more: make chaos CHAOS_SEED={seed} FAULT="{names}"\n'
    sys.stdout.write(f"\n{table(runs)}\n{bad}")
    page = HOME / "report.md"
    pictures = "".join(f"\n### {run.fault.title}\n\n![]({run.fault.name}.svg)\n" for run in runs)
    page.write_text(
        f"# Faults, and what they cost\n\nCHAOS_SEED={seed}\n\n{table(runs)}\n{bad}{pictures}", "utf-8"
    )
    sys.stdout.write(f"report: {page.relative_to(HOME.parents[1])}\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
