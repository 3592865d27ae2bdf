"""SECURITY.md promises tests by name: each of them exists, and each threat has one."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def tables() -> list[list[str]]:
    """The rows of all tables, heads and rules left out, each as its cells."""
    rows = [line.strip("|").split(" | ") for line in PAGE.splitlines() if line.startswith("| ")]
    return [row for row in rows if row[-1].strip() != "test"]


@pytest.mark.parametrize(("path", "test"), sorted(set(NAMED.findall(PAGE))))
def test_every_named_test_exists(path: str, test: str) -> None:
    if path.startswith("tests/fuzz/targets/"):
        assert (ROOT / path).exists()
        return
    module = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    functions = {node.name for node in module.body if isinstance(node, ast.FunctionDef)}
    assert test in functions


def test_every_row_names_a_test() -> None:
    assert len(tables()) > 30
    assert not [row[0] for row in tables() if not NAMED.search(row[-1])]
