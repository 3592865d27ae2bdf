"""``python -m tests.benchmarks``: install, measure, report.

The full suite writes its table, plots and raw data into the documentation; the quick one, and one of
chosen parts only, leave everything in ``.local/bench`` and print the table.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.benchmarks import places
from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.install import MissingError
from tests.benchmarks.machine import machine
from tests.benchmarks.plan import FULL, QUICK, Scale, Scenario, comparisons, scenarios
from tests.benchmarks.plots import draw_all
from tests.benchmarks.report import Line, comparison_table, line_of, put_into, report
from tests.benchmarks.suite import Results, prepare, run_suite, runners, save
from tests.benchmarks.targets import rows


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description="Measure this server beside its peers.")
    parser.add_argument("--quick", action="store_true", help="one short round, under two minutes")
    parser.add_argument("--only", metavar="NAME,...", default="", help="scenarios whose names begin so")
    parser.add_argument("--with", dest="chosen", metavar="NAME,...", default="", help="only these servers")
    parser.add_argument("--rounds", type=int, default=0, metavar="N", help="rounds of every scenario")
    parser.add_argument("--list", action="store_true", help="print scenarios and servers, and exit")
    parser.add_argument(
        "--again", action="store_true", help="measure nothing: write the documentation from its raw data anew"
    )
    parser.add_argument(
        "--merge",
        action="store_true",
        help="with --only: put what was measured in place of the same scenarios in the documentation",
    )
    return parser.parse_args()


@dataclass(frozen=True, slots=True)
class Session:
    """What is to be done, of what there is.

    Attributes:
        scale: How much of everything.
        only: Beginnings of scenarios' names; empty for all.
        chosen: Contenders; empty for all.
    """

    scale: Scale
    only: tuple[str, ...] = ()
    chosen: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether its results belong into the documentation."""
        return self.scale is FULL and not self.only and not self.chosen

    @property
    def plan(self) -> list[Scenario]:
        """The scenarios."""
        return [s for s in scenarios(self.scale) if not self.only or s.name.startswith(self.only)]

    @property
    def contenders(self) -> list[str]:
        """Who is needed."""
        return [name for name in CONTENDERS if any(name in runners(s, self.chosen) for s in self.plan)]

    def lines(self, results: Results) -> list[Line]:
        """The targets whose both sides were to be run, judged."""
        runs = {(s.name, name) for s in self.plan for name in runners(s, self.chosen)}
        wanted = [
            row
            for row in rows(self.scale)
            if all(side is None or (side.scenario, side.contender) in runs for side in (row.ours, row.beside))
        ]
        return [line_of(row, results) for row in wanted]

    def tables(self, results: Results) -> list[str]:
        """Everybody beside everybody."""
        who = {scenario.name: runners(scenario, self.chosen) for scenario in self.plan}
        return [
            comparison_table(comparison, who[comparison.scenario], results)
            for comparison in comparisons(self.scale)
            if who.get(comparison.scenario)
        ]

    def about(self) -> dict[str, str]:
        """When, how much, on what."""
        rounds = f"{self.scale.rounds} round{'s' if self.scale.rounds > 1 else ''}"
        return {
            "measured": time.strftime("%Y-%m-%d"),
            "suite": f"{self.scale.name}, {rounds}",
            **machine(),
        }

    def write(self, results: Results, about: dict[str, str]) -> Path:
        """Write data, plots and report; the file that has the report."""
        images = places.IMAGES if self.is_whole else places.HOME / "images"
        page = places.PAGE if self.is_whole else places.HOME / "report.md"
        save(results, places.DATA if self.is_whole else places.RESULTS, about)
        links = {what: f"images/{file}" for what, file in draw_all(results, images).items()}
        text = report(self.plan, self.lines(results), self.tables(results), results, about, links)
        whole = put_into(page.read_text(encoding="utf-8"), text) if self.is_whole else text
        page.write_text(whole, encoding="utf-8")
        return page


def _session(arguments: argparse.Namespace) -> Session:
    scale = QUICK if arguments.quick else FULL
    only, chosen = (
        tuple(name for name in text.split(",") if name) for text in (arguments.only, arguments.chosen)
    )
    return Session(replace(scale, rounds=arguments.rounds) if arguments.rounds else scale, only, chosen)


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")


def _say(session: Session, results: Results, page: Path) -> None:
    for line in session.lines(results):
        beside = f" beside {CONTENDERS[line.row.beside.contender].title}" if line.row.beside else ""
        found = line.ratio.replace("**", "") or f"{line.ours} {line.row.unit}"
        _print(f"{line.verdict.strip('*'):>8}  {line.row.work}{beside}: {found}  (reach: {line.reach})")
    for name, reason in results.missing.items():
        _print(f" missing  {CONTENDERS[name].title}: {reason}")
    _print(f"\nreport: {page.relative_to(places.ROOT)}")


def _again() -> int:
    data = json.loads(places.DATA.read_text(encoding="utf-8"))
    session = Session(FULL)
    results = Results.from_json(data)
    _say(session, results, session.write(results, data["about"]))
    return 0


def _merge(session: Session, fresh: Results) -> int:
    """Put whole scenarios that were measured alone into the documentation."""
    data = json.loads(places.DATA.read_text(encoding="utf-8"))
    names = {scenario.name for scenario in session.plan}
    about = data["about"] | {f"measured alone, {time.strftime('%Y-%m-%d')}": ", ".join(sorted(names))}
    whole = Session(FULL)
    results = Results.from_json(data).replaced(fresh, names)
    _say(session, fresh, whole.write(results, about))
    return 0


def _list(plan: Sequence[Scenario]) -> int:
    _print("scenarios: " + " ".join(scenario.name for scenario in plan))
    _print("servers: " + " ".join(CONTENDERS))
    return 0


def main() -> int:
    """Run; 0 when all that counts was measured without a loss, 1 otherwise. Ratios do not decide."""
    arguments = _arguments()
    session = _session(arguments)
    if arguments.again:
        return _again()
    if arguments.list:
        return _list(session.plan)
    if arguments.merge and (session.scale is not FULL or session.chosen):
        _print("--merge needs whole scenarios at full size: --only, without --quick, --with and --rounds")
        return 1
    try:
        results = prepare(session.contenders)
    except MissingError as error:
        _print(f"the load generator cannot be built: {error}")
        return 1
    run_suite(session.plan, session.chosen, session.scale.repeats, results)
    if arguments.merge:
        _merge(session, results)
    else:
        _say(session, results, session.write(results, session.about()))
    return 1 if any(name.startswith("ours") for _, name in results.failures) else 0


if __name__ == "__main__":
    sys.exit(main())
