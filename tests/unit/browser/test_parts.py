"""The browser's client, part by part, in Node: a played server, and time that passes when it is told to."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tools.node import command

FOLDER = Path(__file__).parent
FILES = sorted(path.name for path in FOLDER.glob("*.test.mjs"))


@pytest.mark.parametrize("name", FILES)
def test_the_parts_do_what_their_tests_say(name: str) -> None:
    done = subprocess.run(
        command("node", "--test", "--test-reporter=tap", name), cwd=FOLDER, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\n# skipped 0\n" in done.stdout and "\n# pass 0\n" not in done.stdout


def test_there_are_such_files() -> None:
    assert len(FILES) == 6
