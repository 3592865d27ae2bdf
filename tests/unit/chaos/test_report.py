"""What the report of a run of faults says."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from tests.chaos.checker import KINDS, Finding, judge
from tests.chaos.faults import FAULTS, Run
from tests.chaos.history import History, Span
from tests.chaos.report import HEAD, cells, findings, table, timeline
from tests.unit.chaos.test_checker import LIMITS, good, lose, repeat

DOCS = Path(__file__).resolve().parents[3] / "docs" / "faults.md"


def run_of(history: History) -> Run:
    return Run(FAULTS[0], history, judge(history, LIMITS))


def test_a_good_run_is_a_line_of_figures() -> None:
    told = dict(zip(HEAD, cells(run_of(good())), strict=True))
    assert told["fault"] == FAULTS[0].name
    assert (told["acknowledged"], told["rejected"], told["unknown"]) == ("30", "10", "0")
    assert (told["lost (unmarked)"], told["marked"], told["verdict"]) == ("0 (0)", "10.6 s", "good")
    assert findings([run_of(good())]) == ""


def test_what_was_found_is_named_and_shown() -> None:
    history = good()
    lose(history)
    repeat(history)
    run = run_of(history)
    assert cells(run)[-1] == "BAD: loss, duplicate"
    assert len(findings([run]).splitlines()) == 2
    assert "redis-killed: loss: alice at node-0 missed news #0.5" in findings([run])


def test_many_findings_of_a_kind_are_counted() -> None:
    run = run_of(good())
    run.verdict.findings += [Finding("loss", f"this one: {number}") for number in range(1000)]
    assert findings([run]).splitlines()[-1] == "redis-killed: loss: and 995 more"


def test_every_kind_of_finding_is_shown() -> None:
    run = run_of(good())
    run.verdict.findings += [Finding(kind, "so it was") for kind in KINDS]
    assert findings([run]).count("so it was") == len(KINDS)


def test_the_columns_of_a_table_stand_under_one_another() -> None:
    lines = table([run_of(good()), run_of(good())]).splitlines()
    assert len({len(line) for line in lines}) == 1


def test_a_picture_shows_the_fault_and_the_marks() -> None:
    history = good()
    history.marks = [Span(9.8, 20.4, "node-0")]
    picture = timeline(run_of(history))
    ElementTree.fromstring(picture)
    assert all(text in picture for text in ("answers", "deliveries", "node-0 marked", "30 s"))


def test_the_documentation_has_every_fault() -> None:
    section = DOCS.read_text(encoding="utf-8").partition("## The faults")[2]
    assert re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE) == [fault.name for fault in FAULTS]
