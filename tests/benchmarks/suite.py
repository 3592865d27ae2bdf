"""Run the plan: every contender of a scenario in turns, round after round, with progress on the terminal."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.install import MissingError, compiled
from tests.benchmarks.load import LoadError, Phase, Run, loop_turn, run_load
from tests.benchmarks.places import RUNS
from tests.benchmarks.plan import Scenario
from tests.benchmarks.room import Room, RoomError, serving


def _listed(found: Mapping[tuple[str, str], Any]) -> list[list[Any]]:
    return [[scenario, contender, what] for (scenario, contender), what in found.items()]


def _read(found: Sequence[Sequence[Any]]) -> dict[tuple[str, str], Any]:
    return {(scenario, contender): what for scenario, contender, what in found}


@dataclass(slots=True)
class Results:
    """Everything that came out.

    Attributes:
        runs: By scenario and contender, one for each round that counts.
        missing: Contenders that cannot be had, with the reason.
        absent: What a contender does not offer, by scenario.
        failures: Runs that do not count, with the reason.
        versions: Of the contenders that ran.
    """

    runs: dict[tuple[str, str], list[Run]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    absent: dict[tuple[str, str], str] = field(default_factory=dict)
    failures: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def of(self, scenario: str, contender: str) -> list[Run]:
        """The runs that count."""
        return self.runs.get((scenario, contender), [])

    def why_not(self, scenario: str, contender: str) -> str:
        """Why there are none."""
        if contender in self.missing:
            return f"missing: {self.missing[contender]}"
        if (scenario, contender) in self.absent:
            return self.absent[scenario, contender]
        failures = self.failures.get((scenario, contender))
        return f"failed: {failures[0]}" if failures else "not run"

    def as_json(self) -> dict[str, Any]:
        """The raw data."""
        runs = {key: [dict(run.raw) for run in found] for key, found in self.runs.items()}
        return {
            "versions": self.versions,
            "missing": self.missing,
            "absent": _listed(self.absent),
            "failures": _listed(self.failures),
            "runs": _listed(runs),
        }

    def replaced(self, fresh: Results, names: Collection[str]) -> Results:
        """These results, with those of some scenarios taken from ``fresh``."""

        def put(old: dict[tuple[str, str], Any], new: dict[tuple[str, str], Any]) -> dict[Any, Any]:
            return {key: what for key, what in old.items() if key[0] not in names} | new

        return Results(
            put(self.runs, fresh.runs),
            self.missing | fresh.missing,
            put(self.absent, fresh.absent),
            put(self.failures, fresh.failures),
            self.versions | fresh.versions,
        )

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Results:
        """The same, read back."""
        runs = {key: [Run(raw) for raw in found] for key, found in _read(data["runs"]).items()}
        return cls(
            runs,
            dict(data["missing"]),
            _read(data["absent"]),
            _read(data["failures"]),
            dict(data["versions"]),
        )


class Progress:
    """Says what is going on, one line a run; on a terminal the line stands there while it runs."""

    def __init__(self, total: int, out: TextIO = sys.stderr) -> None:
        self._total = total
        self._done = 0
        self._out = out
        self._began = time.monotonic()

    def begin(self, what: str) -> None:
        """A run begins."""
        self._done += 1
        self._line = f"[{self._done}/{self._total} {time.monotonic() - self._began:4.0f} s] {what}"
        if self._out.isatty():
            self._out.write(f"{self._line} ...")
            self._out.flush()

    def end(self, result: str) -> None:
        """It is over."""
        lead = "\r\x1b[K" if self._out.isatty() else ""
        self._out.write(f"{lead}{self._line}: {result}\n")
        self._out.flush()


def turns(scenario: Scenario, names: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Round and contender, alternating; every round begins with another one."""
    for number in range(scenario.rounds):
        shift = number % max(1, len(names))
        for name in (*names[shift:], *names[:shift]):
            yield number, name


def runners(scenario: Scenario, chosen: Sequence[str]) -> list[str]:
    """Who runs a scenario when only some are chosen; all of its contenders when nobody is."""
    return [name for name in scenario.contenders if not chosen or name in chosen]


def prepare(names: Sequence[str]) -> Results:
    """Install what the contenders need, before any clock runs; whoever cannot be had is missing from now on.

    Raises:
        MissingError: The load generator itself cannot be compiled.
    """
    results = Results()
    progress = Progress(len(names))
    compiled("load")
    for name in names:
        progress.begin(f"getting {CONTENDERS[name].title}")
        try:
            results.versions[name] = CONTENDERS[name].launch(_room(name)).version
            progress.end(results.versions[name])
        except MissingError as error:
            results.missing[name] = str(error)
            progress.end(f"MISSING: {error}")
    return results


def run_suite(plan: Sequence[Scenario], chosen: Sequence[str], repeats: int, results: Results) -> None:
    """Run everything.

    Args:
        plan: The scenarios.
        chosen: Contenders to run; all when empty.
        repeats: How often a disturbed run is tried again.
        results: Gets what comes out.
    """
    progress = Progress(sum(s.rounds * len(runners(s, chosen)) for s in plan))
    for scenario in plan:
        for number, name in turns(scenario, runners(scenario, chosen)):
            title = f"{scenario.title}, round {number + 1}/{scenario.rounds}: {CONTENDERS[name].title}"
            progress.begin(title)
            progress.end(_run_one(results, scenario, name, repeats))


def _run_one(results: Results, scenario: Scenario, name: str, repeats: int) -> str:
    """Run one contender once; what is to be said about it."""
    if name in results.missing:
        return "missing"
    if scenario.work.per_request > 1 and not CONTENDERS[name].launch(_room(name)).batch:
        return results.absent.setdefault((scenario.name, name), "it takes one message a request")
    try:
        run = _least_disturbed(name, scenario, repeats)
    except (RoomError, LoadError) as error:
        results.failures.setdefault((scenario.name, name), []).append(str(error))
        return f"FAILED: {error}"
    problems = run.problems()
    if problems:
        results.failures.setdefault((scenario.name, name), []).append("; ".join(problems))
        return "FAILED: " + "; ".join(problems)
    results.runs.setdefault((scenario.name, name), []).append(run)
    return _summary(scenario, run)


def _least_disturbed(name: str, scenario: Scenario, repeats: int) -> Run:
    """One run; tried again when other programs got in its way, except to get rid of a loss."""
    found = [_measure(name, scenario)]
    while found[-1].is_disturbed() and len(found) <= repeats and not found[-1].problems():
        found.append(_measure(name, scenario))
    return found[-1] if found[-1].problems() else min(found, key=lambda run: run.waited)


def _room(name: str) -> Room:
    folder = RUNS / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return Room(folder)


def _measure(name: str, scenario: Scenario) -> Run:
    room = _room(name)
    if scenario.measure is not None:
        return scenario.measure.run(room, name)
    launch = CONTENDERS[name].launch(room)
    with serving(room, launch) as pids:
        run = run_load(launch, pids, scenario.work)
        found = loop_turn(launch)
    more = {} if found is None else {"loop_turn_ms": found * 1000}
    return Run({**run.raw, **more, "crowded": launch.processes > 2})


def _summary(scenario: Scenario, run: Run) -> str:
    if scenario.measure is not None:
        return scenario.measure.say(run)
    if not run.phases:
        said = f"{run.handshakes_per_second:,.0f} handshakes/s, {run.kib_per_connection:.2f} KiB each"
        said += _saturation(run)
    else:
        said = ", ".join(
            f"{phase.name} {_speed(scenario, phase)}{_saturation(run, phase.name)}"
            for phase in run.phases.values()
        )
    return said + (f" (disturbed: waited {run.waited:.0%})" if run.is_disturbed() else "")


def _speed(scenario: Scenario, phase: Phase) -> str:
    if scenario.work.subscribers:
        return f"{phase.deliveries_per_second:,.0f}/s [{phase.frames_per_write:.1f}]"
    return f"{phase.publishes_per_second:,.0f} messages/s"


def _saturation(run: Run, phase: str = "") -> str:
    return " (generator saturated)" if run.is_saturated(phase) else ""


def save(results: Results, path: Path, about: Mapping[str, str]) -> None:
    """Write the raw data."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"about": dict(about), **results.as_json()}) + "\n", encoding="utf-8")
