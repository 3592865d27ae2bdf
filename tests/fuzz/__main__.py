"""``make fuzz``: every target for its share of FUZZ_SECONDS (300), one on each processor.

FUZZ names some targets instead of all; ``roads`` is the comparison of the fast lane with Tornado. What was
reached before is kept in .local/fuzz, and begun with.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

from tests.fuzz.targets import TARGETS

HERE = Path(__file__).parent
CHECKOUT = HERE.parents[1]
KEPT = CHECKOUT / ".local" / "fuzz"
ROADS = "roads"
# Seconds between lines of progress, and libFuzzer's bound of one input: what takes longer hangs.
PROGRESS_SECONDS = 10.0
HANG_SECONDS = 20
LONGEST_INPUT_BYTES = 4096
_PROGRESS = re.compile(r"#(\d+)\s.*?cov: (\d+)")


@dataclass
class Run:
    """One target and how far it is."""

    name: str
    seconds: float
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=60))
    inputs: int = 0
    places: int = 0
    begun: float = 0.0
    code: int | None = None

    @property
    def progress(self) -> str:
        """One line."""
        if not self.begun:
            return f"{self.name}: waits"
        end = {None: f"{time.monotonic() - self.begun:.0f} of {self.seconds:.0f} s", 0: "nothing found"}
        done = end.get(self.code, "FOUND SOMETHING")
        reached = f", {self.places} places reached" if self.places else ""
        return f"{self.name}: {done}, {self.inputs} inputs{reached}"

    def work(self) -> None:
        """Run it to its end."""
        self.begun = time.monotonic()
        process = subprocess.Popen(
            _command(self.name, self.seconds),
            cwd=CHECKOUT,
            env=os.environ | {"FUZZ_SECONDS": str(self.seconds)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        assert process.stdout is not None
        for line in process.stdout:
            self._read(line.rstrip())
        self.code = process.wait()

    def _read(self, line: str) -> None:
        if not line.startswith(("INFO: ", "#")):
            self.tail.append(line)
        if found := _PROGRESS.match(line):
            self.inputs, self.places = int(found[1]), int(found[2])
        elif found := re.search(r"(\d+) cases", line):
            self.inputs = int(found[1])


def _command(name: str, seconds: float) -> Sequence[str]:
    if name == ROADS:
        return (
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "--log-cli-level=WARNING",
            str(HERE / "test_fuzz_roads.py"),
        )
    corpus, found = KEPT / "corpus" / name, KEPT / "found"
    for folder in (corpus, found):
        folder.mkdir(parents=True, exist_ok=True)
    return (
        *(sys.executable, "-m", "tests.fuzz.libfuzzer", name),
        f"-max_total_time={seconds:.0f}",
        f"-max_len={LONGEST_INPUT_BYTES}",
        f"-timeout={HANG_SECONDS}",
        f"-artifact_prefix={found}/{name}-",
        str(corpus),
        str(HERE / "corpus" / name),
    )


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


@contextmanager
def _telling(runs: Sequence[Run]) -> Iterator[None]:
    """Say now and then how far they are."""
    over = Event()

    def tell() -> None:
        while not over.wait(PROGRESS_SECONDS):
            for run in runs:
                if run.begun and run.code is None:
                    _say(f"  {run.progress}")

    teller = Thread(target=tell)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()


def main(env: Mapping[str, str]) -> int:
    """Run what is asked for; the exit code."""
    names = env.get("FUZZ", "").split() or [*TARGETS, ROADS]
    unknown = [name for name in names if name not in (*TARGETS, ROADS)]
    if unknown:
        _say(f"unknown target {unknown[0]}; there are: {' '.join((*TARGETS, ROADS))}")
        return 1
    workers = min(os.cpu_count() or 1, len(names))
    share = max(1.0, float(env.get("FUZZ_SECONDS", "300")) * workers / len(names))
    runs = [Run(name, share) for name in names]
    _say(f"fuzzing {len(runs)} targets, {share:.0f} s each, {workers} at a time")
    with _telling(runs), ThreadPoolExecutor(workers) as pool:
        for run, _ in zip(runs, pool.map(Run.work, runs), strict=True):
            _say(run.progress)
    return _report([run for run in runs if run.code])


def _report(failed: Sequence[Run]) -> int:
    for run in failed:
        _say("\n".join(("", f"{run.name} found something:", "", *run.tail)))
        if run.name != ROADS:
            _say(
                f"\nTo keep it: copy the file named above to tests/fuzz/corpus/{run.name}/, under a name "
                "that tells what it is;\nmake test replays it from then on."
            )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(os.environ))
