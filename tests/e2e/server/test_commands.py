"""validate, adapt, fmt, version, and wrong command lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.running import run_cli
from tornado_realtime import __version__

GOOD = ":9090\n\nrespond hello\n"


def _write(folder: Path, text: str, name: str = "Caddyfile") -> None:
    (folder / name).write_text(text, encoding="utf-8")


def test_version(tmp_path: Path) -> None:
    assert run_cli("version", cwd=tmp_path) == (0, f"tornado-realtime {__version__}\n", "")
    assert run_cli("--version", cwd=tmp_path) == (0, f"tornado-realtime {__version__}\n", "")


def test_validate(tmp_path: Path) -> None:
    _write(tmp_path, GOOD)
    assert run_cli("validate", cwd=tmp_path) == (0, "Valid configuration\n", "")
    _write(tmp_path, ":9090\nrespnd hello\n")
    code, out, err = run_cli("validate", cwd=tmp_path)
    assert (code, out) == (1, "")
    assert err.startswith("Caddyfile:2: ")
    assert "respond" in err


def test_validate_builds_the_handlers(tmp_path: Path) -> None:
    _write(tmp_path, "https://localhost:9443 {\n\ttls no.pem no.key\n}\n")
    code, _, err = run_cli("validate", cwd=tmp_path)
    assert code == 1
    assert err.startswith("Caddyfile:2: ")
    assert run_cli("adapt", cwd=tmp_path)[0] == 0


def test_adapt_tokens(tmp_path: Path) -> None:
    _write(tmp_path, GOOD, "f")
    expected = {
        "addresses": [[":9090"]],
        "directives": [["respond"]],
        "handlers": ["static_response:hello"],
    }
    for words in (["--tokens", "f"], ["--config", "f", "--tokens"]):
        code, out, err = run_cli("adapt", *words, cwd=tmp_path)
        assert (code, err) == (0, "")
        assert json.loads(out) == expected


def test_adapt_prints_json_of_its_own(tmp_path: Path) -> None:
    _write(tmp_path, GOOD)
    code, out, _ = run_cli("adapt", "--pretty", cwd=tmp_path)
    assert code == 0
    assert json.loads(out)


def test_fmt(tmp_path: Path) -> None:
    ugly, pretty = ":9090 {\nrespond   hello\n}\n", ":9090 {\n\trespond hello\n}\n"
    _write(tmp_path, ugly)
    code, out, err = run_cli("fmt", cwd=tmp_path)
    assert (code, out) == (1, pretty)
    assert "not formatted" in err
    code, out, _ = run_cli("fmt", "--diff", cwd=tmp_path)
    assert code == 1
    assert "+\trespond hello" in out
    assert run_cli("fmt", "-", cwd=tmp_path, stdin=ugly.encode()) == (0, pretty, "")
    assert run_cli("fmt", "--overwrite", cwd=tmp_path)[0] == 0
    assert (tmp_path / "Caddyfile").read_text(encoding="utf-8") == pretty
    assert run_cli("fmt", cwd=tmp_path) == (0, pretty, "")


def test_fmt_takes_broken_files(tmp_path: Path) -> None:
    _write(tmp_path, ":9090 {\nrespond\n")
    code, out, _ = run_cli("fmt", cwd=tmp_path)
    assert code == 1
    assert "respond" in out


@pytest.mark.parametrize("words", [["nonsense"], ["run", "--nonsense"], ["fmt", "a", "b"]])
def test_a_wrong_command_line_ends_with_1(tmp_path: Path, words: list[str]) -> None:
    code, out, err = run_cli(*words, cwd=tmp_path)
    assert (code, out) == (1, "")
    assert "Traceback" not in err


def test_help_names_every_command(tmp_path: Path) -> None:
    code, out, _ = run_cli(cwd=tmp_path)
    assert code == 0
    for verb in ("run", "validate", "adapt", "fmt", "version"):
        assert f"\n    {verb} " in out
