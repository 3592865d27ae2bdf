"""Each ``golden/*.caddyfiletest`` is a Caddyfile, a line of dashes, and what adapting it gives.

That is the JSON of ``adapt --tokens`` and the warnings, or the error. ``# env: NAME=value`` lines set the
environment. To accept new results after a change: run this file as a script.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tornado_realtime.caddyfile import parse
from tornado_realtime.errors import ConfigError
from tornado_realtime.site.adapter import adapt
from tornado_realtime.site.tokens_report import tokens_report

DASHES = "-" * 10
FOLDER = Path(__file__).parent / "golden"
CASES = sorted(FOLDER.glob("*.caddyfiletest"))


def read(case: Path) -> tuple[str, str]:
    text, _, expected = case.read_text().rpartition(DASHES + "\n")
    return text, expected


def result_of(text: str) -> str:
    env = dict(re.findall(r"^# env: (\w+)=(.*)$", text, re.MULTILINE))
    try:
        document = parse(text, "Caddyfile", env)
        plan = adapt(document)
    except ConfigError as error:
        return f"{error}\n"
    warnings = "".join(f"warning: {warning}\n" for warning in plan.warnings)
    return json.dumps(tokens_report(document, plan), indent=2) + "\n" + warnings


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_golden(case: Path) -> None:
    text, expected = read(case)
    assert result_of(text) == expected


def test_there_are_golden_files() -> None:
    assert len(CASES) > 40


if __name__ == "__main__":
    for path in CASES:
        source, _ = read(path)
        path.write_text(f"{source}{DASHES}\n{result_of(source)}")
