"""The suite's plan, verdicts, tables and pictures, on invented figures."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks import suite
from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.load import Phase, Run
from tests.benchmarks.plan import (
    CROWD,
    FANOUT,
    FULL,
    HISTORY,
    IDLE,
    PRESENCE,
    QUICK,
    RESTART,
    STORM,
    Scale,
    comparisons,
    scenarios,
)
from tests.benchmarks.plots import draw_all
from tests.benchmarks.report import comparison_table, line_of, number, put_into, report, targets_table
from tests.benchmarks.suite import Results, turns
from tests.benchmarks.svg import nice_steps, spread_out
from tests.benchmarks.targets import Row, rows


def _phase(
    name: str, per_second: float, cpu: float = 0.5, waited: float = 0.02, lost: int = 0
) -> dict[str, Any]:
    latency = {"count": 10, "max": 9.0, "at": [[part, 1.0] for part in (0.5, 0.75, 0.9, 0.95, 0.99, 0.999)]}
    counts = {"lost": lost, "refused": 0, "gone": 0, "wrong": 0, "drained": True}
    return {
        **counts,
        "name": name,
        "seconds": 2.0,
        "deliveries": per_second * 2,
        "published": per_second * 2,
        "sample_messages": 320,
        "sample_segments": 20,
        "generator_cpu": cpu,
        "server_cpu": 1.0,
        "waited": waited,
        "latency_ms": latency,
        "probe_ms": {"max": 7.0},
    }


def _run(per_second: float, kib: float = 1.0, **more: Any) -> Run:
    names = ("w64", "w16", "w1", "rate", "turn")
    connecting = {
        "connected": 10,
        "failed": 0,
        "connect_seconds": 1.0,
        "connect_generator_cpu": 0.1,
        "connect_waited": 0.0,
    }
    memory = {"rss_before_kib": 0, "rss_idle_kib": 10 * kib}
    redis = {"again_seconds": 0.5, "commands": {"subscribe": 20, "ping": 3}}
    streams = {"pages": 100.0, "pongs": 400.0, "small_us": 80.0, "large_us": 96.0}
    phases = [_phase(name, per_second, **more) for name in names]
    return Run({**connecting, **memory, **redis, **streams, "phases": phases})


def _results(scale: Scale = FULL) -> Results:
    """Ours is twice as fast as everybody; three rounds."""
    found = Results(versions=dict.fromkeys(CONTENDERS, "1.0"))
    for scenario in scenarios(scale):
        for name in scenario.contenders:
            speed = 200.0 if name == "ours" else 100.0
            found.runs[scenario.name, name] = [_run(speed * factor) for factor in (0.9, 1.0, 1.1)]
    return found


def _row(work: str, contender: str | None = None) -> Row:
    (found,) = [
        row
        for row in rows(FULL)
        if work in row.work and (contender is None or (row.beside and row.beside.contender == contender))
    ]
    return found


def test_a_measurement_of_another_kind_is_judged_alike() -> None:
    line = line_of(_row("commands for that"), _results())
    assert (line.ours, line.verdict) == ("23", "reached")
    said = {found.name: found.measure.say(_run(1.0)) for found in scenarios(FULL) if found.measure}
    assert said == {
        RESTART: "all back 0.50 s after Redis; 3 ping, 20 subscribe",
        STORM: "all back after 1.00 s, longest turn 0.0 ms",
        HISTORY: "100 pages of 50 a second, 400 pongs",
        PRESENCE: "80 us for each of few, 96 us for each of many",
    }
    page = targets_table(
        [line_of(_row("pages of 50"), _results()), line_of(_row("10,000 present"), _results())]
    )
    assert "| 100 | its pongs | 400 | **0.25x** | 0.1x | reached |" in page
    assert "| 96 | itself at 1,000 | 80 | **1.20x** | at most 1.5x | reached |" in page


# -- the plan ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [FULL, QUICK])
def test_every_side_of_every_row_is_run(scale: Scale) -> None:
    run = {(scenario.name, name) for scenario in scenarios(scale) for name in scenario.contenders}
    sides = [side for row in rows(scale) for side in (row.ours, row.beside) if side]
    assert {(side.scenario, side.contender) for side in sides} <= run
    assert {comparison.scenario for comparison in comparisons(scale)} <= {name for name, _ in run}
    assert {name for _, name in run} == set(CONTENDERS) - ({"ours-uvloop"} if scale is QUICK else set())


def test_every_phase_that_is_read_is_run() -> None:
    phases = {s.name: {stretch.name for stretch in s.work.stretches} for s in scenarios(FULL)}
    for row in rows(FULL):
        for side in (row.ours, row.beside):
            assert side is None or side.phase in {"", "idle", *phases[side.scenario]}


def test_rounds_begin_with_another_one_each() -> None:
    scenario = next(s for s in scenarios(FULL) if s.name == FANOUT)
    order = [name for _, name in turns(scenario, ["a", "b", "c"])]
    assert order == ["a", "b", "c", "b", "c", "a", "c", "a", "b"]


# -- verdicts ------------------------------------------------------------------------------------------


def test_a_ratio_is_judged() -> None:
    assert line_of(_row("fan-out to 1,000, window 64", "c-joined"), _results()).verdict == "reached"
    line = line_of(_row("fan-out to 1,000, window 64", "nats"), _results())
    assert (line.verdict, line.ratio, line.reach) == (
        "**missed**",
        "**2.00x**",
        "3x",
    )


def test_a_ceiling_is_judged_the_other_way_round() -> None:
    results = _results()
    assert line_of(_row("memory"), results).verdict == "reached"
    results.runs[IDLE, "ours"] = [_run(1, kib=1.6)]
    assert line_of(_row("memory"), results).verdict == "**missed**"
    assert line_of(_row("longest turn"), results).ours == "7"
    results.runs[CROWD, "ours"] = [Run({**_run(1).raw, "loop_turn_ms": 21.0})]
    assert line_of(_row("longest turn"), results).verdict == "**missed**"


def test_who_is_missing_is_named_with_the_reason() -> None:
    results = _results()
    results.missing["nats"] = "there is no go here"
    del results.runs[FANOUT, "nats"]
    line = line_of(_row("fan-out to 1,000, window 64", "nats"), results)
    assert (line.theirs, line.verdict) == ("-", "missing: there is no go here")
    table = comparison_table(comparisons(FULL)[0], ["ours", "nats"], results)
    assert "| nats-server | missing: there is no go here |" in table


def test_a_run_that_lost_a_message_does_not_count() -> None:
    results = _results()
    results.failures[FANOUT, "ours"] = ["w64: 3 lost"]
    del results.runs[FANOUT, "ours"]
    assert line_of(_row("fan-out to 1,000, window 64", "c-joined"), results).verdict == "failed: w64: 3 lost"


@pytest.mark.parametrize(
    ("lost", "said"), [(0, []), (3, ["w: 3 lost"]), (-2, ["w: 2 more than there should be"])]
)
def test_what_is_wrong_is_said(lost: int, said: list[str]) -> None:
    assert Phase(_phase("w", 1, lost=lost)).problems() == said


def test_a_busy_generator_is_marked() -> None:
    results = _results()
    results.runs[FANOUT, "c-joined"] = [_run(100, cpu=0.96)]
    assert line_of(_row("fan-out to 1,000, window 64", "c-joined"), results).theirs == "100 [16.0] †"


def _attempts(monkeypatch: pytest.MonkeyPatch, *runs: Run) -> tuple[Run, int]:
    """What comes of these attempts when there may be two repeats, and how many were needed."""
    waiting = list(runs)
    monkeypatch.setattr(suite, "_measure", lambda _name, _scenario: waiting.pop(0))
    chosen = suite._least_disturbed("ours", scenarios(QUICK)[0], repeats=2)
    return chosen, len(runs) - len(waiting)


def test_a_disturbed_run_is_tried_again_and_the_least_disturbed_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quiet, busy, busier = _run(1), _run(9, waited=0.3), _run(9, waited=0.5)
    assert _attempts(monkeypatch, quiet, busy) == (quiet, 1)
    assert _attempts(monkeypatch, busier, quiet, busy) == (quiet, 2)
    assert _attempts(monkeypatch, busier, busy, busier, quiet) == (busy, 3)


def test_a_loss_is_never_tried_away(monkeypatch: pytest.MonkeyPatch) -> None:
    lossy, quiet = _run(1, waited=0.5, lost=1), _run(1)
    assert _attempts(monkeypatch, lossy, quiet) == (lossy, 1)
    assert _attempts(monkeypatch, _run(1, waited=0.2), lossy, quiet) == (lossy, 2)


# -- the page ------------------------------------------------------------------------------------------


def test_the_report_goes_into_its_place_and_stays_there() -> None:
    results = _results()
    lines = [line_of(row, results) for row in rows(FULL)]
    text = report(
        scenarios(FULL), lines, ["a table\n"], results, {"memory": "1 GiB"}, {"Plot": "images/p.svg"}
    )
    page = put_into("before\n<!-- measured -->\nold\n<!-- end of measured -->\nafter\n", text)
    assert page == put_into(page, text)
    assert "old" not in page
    assert page.startswith("before\n")
    assert page.endswith("after\n")
    assert "![Plot](images/p.svg)" in page
    assert targets_table(lines).count("\n") == len(rows(FULL)) + 2
    with pytest.raises(ValueError, match="no <!-- measured --> part"):
        put_into("nothing", text)


def test_results_survive_being_written() -> None:
    results = _results(QUICK)
    results.absent["publish-batch", "ours"] = "one at a time"
    results.failures[FANOUT, "nats"] = ["lost"]
    again = Results.from_json(json.loads(json.dumps(results.as_json())))
    assert again.as_json() == results.as_json()
    row = rows(QUICK)[0]
    assert line_of(row, again) == line_of(row, results)


def test_scenarios_that_were_measured_alone_take_the_place_of_the_same_ones() -> None:
    old, fresh = _results(), Results(versions={"ours": "2.0"})
    old.failures[STORM, "ours-stream"] = ["lost"]
    old.absent[FANOUT, "ours"] = "no"
    fresh.runs[STORM, "ours-stream"] = [_run(7)]
    found = old.replaced(fresh, {STORM})
    assert found.of(STORM, "ours-stream") == fresh.of(STORM, "ours-stream")
    assert found.of(STORM, "ours-v1") == []
    assert found.of(FANOUT, "ours") == old.of(FANOUT, "ours")
    assert (found.failures, found.absent) == ({}, old.absent)
    assert (found.versions["ours"], found.versions["nats"]) == ("2.0", "1.0")


def test_every_plot_is_drawn(tmp_path: Path) -> None:
    drawn = draw_all(_results(), tmp_path)
    assert len(drawn) == 4
    for file in drawn.values():
        root = ET.parse(tmp_path / file).getroot()
        assert root.tag.endswith("svg")
        assert "tornado_realtime" in "".join(root.itertext())
    assert draw_all(Results(), tmp_path) == {}


@pytest.mark.parametrize(
    ("value", "shown"), [(0.5, "0.5"), (7, "7"), (999, "999"), (1234, "1.23 k"), (5_310_000, "5.31 M")]
)
def test_numbers_have_three_digits(value: float, shown: str) -> None:
    assert number(value) == shown


def test_steps_are_round_and_reach_the_largest() -> None:
    assert nice_steps(27) == [0, 10, 20, 30]
    assert nice_steps(0) == [0, 1]
    assert nice_steps(5_331_213)[-1] == 6_000_000


def test_labels_keep_their_distance() -> None:
    assert spread_out([10, 12, 50], 16) == [10, 26, 50]
    assert spread_out([50, 12, 10], 16) == [50, 26, 10]
