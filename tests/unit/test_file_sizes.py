"""No file of code is so long that it has to be searched instead of read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from tools.browser import built

ROOT = Path(__file__).resolve().parents[2]
MOST_LINES = 500
SUFFIXES = {".py", ".js", ".mjs", ".php", ".css", ".lua"}
INSTALLED = {"build", "dist", "node_modules"}
"""Folders of what tools put there, as are all whose names begin with a dot."""


def files() -> Iterator[Path]:
    """All code that people write: what ``tools/browser.py`` builds is as long as its parts together."""
    generated = built().keys()
    for folder, inside, names in os.walk(ROOT):
        inside[:] = [name for name in inside if name not in INSTALLED and not name.startswith(".")]
        for path in (Path(folder, name) for name in names):
            if path.suffix in SUFFIXES and path not in generated:
                yield path


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_no_file_of_code_has_more_than_500_lines() -> None:
    sizes = {str(path.relative_to(ROOT)): lines(path) for path in files()}
    assert {"tools/browser.py", "browser/realtime.js", "tests/unit/test_file_sizes.py"} <= sizes.keys()
    long = [f"{name} has {size} lines" for name, size in sorted(sizes.items()) if size > MOST_LINES]
    assert not long, f"split by subject what has more than {MOST_LINES} lines: {', '.join(long)}"
