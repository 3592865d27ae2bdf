"""``make audit`` tells what it found, and above all whether it could look at all."""

from __future__ import annotations

from typing import Any

import pytest

from tools.audit import report

OURS = {"name": "tornado-realtime", "skip_reason": "Dependency not found on PyPI"}
GOOD = {"name": "lark", "version": "1.3", "vulns": []}
UNKNOWN = {"name": "redis", "skip_reason": "Dependency not found on PyPI"}
BAD = {"name": "tornado", "version": "6.0", "vulns": [{"id": "CVE-1", "fix_versions": ["6.1", "6.2"]}]}
WORSE = {"name": "jinja", "version": "1", "vulns": [{"id": "CVE-2"}]}


@pytest.mark.parametrize(
    ("dependencies", "lines"),
    [
        ([OURS, GOOD], ["no known vulnerability in 1 packages"]),
        ([BAD, GOOD], ["tornado 6.0: CVE-1, fixed in 6.1, 6.2"]),
        ([WORSE], ["jinja 1: CVE-2, fixed in no version yet"]),
        (
            [GOOD, UNKNOWN],
            [
                "no known vulnerability in 1 packages",
                "not audited, because the database could not be asked about them: redis",
            ],
        ),
    ],
)
def test_report(dependencies: list[dict[str, Any]], lines: list[str]) -> None:
    assert report(dependencies) == lines


@pytest.mark.parametrize("dependencies", [[], [OURS], [OURS, UNKNOWN]])
def test_no_database_is_no_good_news(dependencies: list[dict[str, Any]]) -> None:
    (line,) = report(dependencies)
    assert line.startswith("NOTHING WAS AUDITED")
