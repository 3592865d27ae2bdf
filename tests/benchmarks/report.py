"""The table, in words: every row with its figures, ratio, target and verdict."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.load import DISTURBED, Run
from tests.benchmarks.plan import Column, Comparison, Scenario
from tests.benchmarks.suite import Results
from tests.benchmarks.targets import Row, Side
from tornado_realtime.bench.statistics import Spread, ratios

_PART = re.compile(r"(<!-- measured -->\n).*(<!-- end of measured -->)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Line:
    """One row with what was measured."""

    row: Row
    ours: str
    theirs: str
    ratio: str
    reach: str
    verdict: str


def line_of(row: Row, results: Results) -> Line:
    """Judge one row."""
    ours = _runs(results, row.ours)
    theirs = _runs(results, row.beside) if row.beside else []
    absent = [side for side, runs in ((row.ours, ours), (row.beside, theirs)) if side and not runs]
    return Line(
        row,
        _figure(row, row.ours, ours),
        _figure(row, row.beside, theirs) if row.beside else "",
        _ratio(row, ours, theirs),
        _reach(row),
        results.why_not(absent[0].scenario, absent[0].contender) if absent else _verdict(row, ours, theirs),
    )


def _runs(results: Results, side: Side) -> list[Run]:
    return results.of(side.scenario, side.contender)


def _values(side: Side, runs: Sequence[Run]) -> list[float]:
    return [side.read(run) for run in runs]


def _measured(row: Row, ours: Sequence[Run], theirs: Sequence[Run]) -> Spread | None:
    """The ratio, or the figure itself for a row that stands alone."""
    if not ours or (row.beside and not theirs):
        return None
    mine = _values(row.ours, ours)
    return ratios(mine, _values(row.beside, theirs)) if row.beside else Spread.of(mine)


def _verdict(row: Row, ours: Sequence[Run], theirs: Sequence[Run]) -> str:
    found = _measured(row, ours, theirs)
    return "reached" if found and row.reached(found.median) else "**missed**"


def _ratio(row: Row, ours: Sequence[Run], theirs: Sequence[Run]) -> str:
    found = _measured(row, ours, theirs) if row.beside else None
    if found is None:
        return ""
    return f"**{found.median:.2f}x**" + _range(found, "{:.2f}".format)


def _reach(row: Row) -> str:
    least = "at most " if row.at_most else ""
    return f"{least}{row.reach:g}x" if row.beside else f"{least}{row.reach:g} {row.unit}"


def _figure(row: Row, side: Side, runs: Sequence[Run]) -> str:
    counts_frames = row.unit.startswith("deliveries")
    return figure(Column("", side.read, side.phase, counts_frames), runs)


def figure(column: Column, runs: Sequence[Run]) -> str:
    """Median, range, frames a write; with a dagger where the generator was at its limit."""
    if not runs:
        return "-"
    spread = Spread.of([column.read(run) for run in runs])
    text = number(spread.median) + _range(spread, number)
    if column.counts_frames:
        frames = Spread.of([run.phases[column.phase].frames_per_write for run in runs])
        text += f" [{frames.median:.1f}]"
    return text + (" †" if any(run.is_saturated(column.phase) for run in runs) else "")


def _range(spread: Spread, write: Callable[[float], str]) -> str:
    return f" ({write(spread.low)}..{write(spread.high)})" if spread.high > spread.low else ""


def number(value: float) -> str:
    """Three digits that count: 1.23 M, 45.6 k, 7.89."""
    for limit, unit in ((1e6, " M"), (1e3, " k")):
        if abs(value) >= limit:
            return f"{value / limit:.3g}{unit}"
    return f"{value:.3g}"


# -- tables ------------------------------------------------------------------------------------------


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    text = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*text, *("| " + " | ".join(line) + " |" for line in lines)]) + "\n"


def targets_table(lines: Sequence[Line]) -> str:
    """What must be reached, and whether it is."""
    head = ("work", "unit", "ours", "beside", "theirs", "ratio", "reach", "verdict")
    return table(head, [_cells(line) for line in lines])


def _cells(line: Line) -> tuple[str, ...]:
    row = line.row
    beside = "-"
    if row.beside is not None:
        same = row.beside.contender == row.ours.contender
        beside = row.against if same else CONTENDERS[row.beside.contender].title
    return (
        row.work,
        row.unit,
        line.ours,
        beside,
        line.theirs or "-",
        line.ratio or "-",
        line.reach,
        line.verdict,
    )


def comparison_table(comparison: Comparison, contenders: Sequence[str], results: Results) -> str:
    """Everybody in one scenario: figures, and how many times theirs ours is."""
    head = ["server"]
    for column in comparison.columns:
        head += [column.heading, "ours is"]
    lines = [_compared(comparison, name, results) for name in contenders]
    return f"#### {comparison.title}\n\n" + table(head, lines)


def _compared(comparison: Comparison, name: str, results: Results) -> list[str]:
    runs, ours = results.of(comparison.scenario, name), results.of(comparison.scenario, "ours")
    cells = [CONTENDERS[name].title]
    for column in comparison.columns:
        cells += [figure(column, runs) if runs else results.why_not(comparison.scenario, name)]
        cells += [_times(column, ours, runs) if name != "ours" else ""]
    return cells


def _times(column: Column, ours: Sequence[Run], theirs: Sequence[Run]) -> str:
    if not ours or not theirs:
        return "-"
    found = ratios([column.read(run) for run in ours], [column.read(run) for run in theirs])
    return f"{found.median:.2f}x"


def contenders_table(results: Results) -> str:
    """Who was there, in which version, used how; and who was not, and why."""
    there = [
        (contender.title, results.versions.get(name, "?"), contender.note)
        for name, contender in CONTENDERS.items()
        if name in results.versions
    ]
    absent = [(CONTENDERS[name].title, "**missing**", reason) for name, reason in results.missing.items()]
    return table(("server", "version", "how"), [*there, *absent])


def costs_table(plan: Sequence[Scenario], results: Results) -> str:
    """What it cost both cores, in every phase."""
    lines = [
        (scenario.title, phase, CONTENDERS[name].title, *_costs(runs, phase))
        for scenario in plan
        for name in scenario.contenders
        if (runs := results.of(scenario.name, name))
        for phase in runs[0].phases
    ]
    return table(("load", "phase", "server", "its core", "the generator's", "latency p50 / p99, ms"), lines)


def _costs(runs: Sequence[Run], phase: str) -> tuple[str, str, str]:
    phases = [run.phases[phase] for run in runs]
    latency = "-"
    if phases[0].latency_ms:
        middle, late = (Spread.of([p.latency_at(part) for p in phases]).median for part in (0.5, 0.99))
        latency = f"{number(middle)} / {number(late)}"
    server = Spread.of([p.server_cpu for p in phases]).median
    generator = Spread.of([p.generator_cpu for p in phases]).median
    return f"{server:.0%}", f"{generator:.0%}", latency


def disturbances(results: Results) -> str:
    """How far other programs had a part in the figures."""
    runs = [run for found in results.runs.values() for run in found]
    disturbed = sum(run.is_disturbed() for run in runs)
    return (
        f"{disturbed} of {len(runs)} runs were disturbed: other programs kept server or generator waiting "
        f"for more than {DISTURBED:.0%} of the time.\n"
    )


def failures_list(results: Results) -> str:
    """Runs that do not count."""
    return "".join(
        f"- {scenario}, {CONTENDERS[name].title}: {reason}\n"
        for (scenario, name), reasons in results.failures.items()
        for reason in reasons
    )


# -- the page ----------------------------------------------------------------------------------------


def report(
    plan: Sequence[Scenario],
    lines: Sequence[Line],
    tables: Sequence[str],
    results: Results,
    about: Mapping[str, str],
    images: Mapping[str, str],
) -> str:
    """Everything that was measured, in Markdown.

    Args:
        plan: What was run.
        lines: The judged rows.
        tables: The comparisons.
        results: What came out.
        about: What it was measured on.
        images: Plots: what they show, and their file from the page's folder.
    """
    parts = [
        "\n".join(f"- {name}: {value}" for name, value in about.items()) + "\n",
        "### Targets\n\n" + targets_table(lines),
        *(f"![{what}]({file})\n" for what, file in images.items()),
        "### Everybody\n",
        *tables,
        disturbances(results),
        "### Who\n\n" + contenders_table(results),
        "### What it cost\n\n" + costs_table(plan, results),
    ]
    if results.failures:
        parts.append("### Runs that do not count\n\n" + failures_list(results))
    return "\n".join(parts)


def put_into(page: str, measured: str) -> str:
    """``page`` with the measured part made anew.

    Raises:
        ValueError: It has no place for it.
    """
    if not _PART.search(page):
        raise ValueError("the page has no <!-- measured --> part")
    return _PART.sub(lambda found: found[1] + "\n" + measured + "\n" + found[2], page)
