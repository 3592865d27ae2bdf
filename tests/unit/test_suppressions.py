"""Whoever silences a warning about security says why, and which one."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("tornado_realtime", "tools", "examples")
WITH_REASON = re.compile(r"# nosec B\d{3} # \w+.*")


def test_every_nosec_names_its_rule_and_its_reason() -> None:
    found = [
        (str(path.relative_to(ROOT)), line[line.index("# nosec") :])
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if "# nosec" in line
    ]
    assert not [place for place in found if not WITH_REASON.fullmatch(place[1])]
