"""The grammar is found in a checkout and in an installed package."""

from __future__ import annotations

from pathlib import Path

import pytest

from tornado_realtime.caddyfile import parser


def test_the_checkout_has_the_grammar() -> None:
    assert "bare_site" in parser.grammar_text()


def test_an_installed_package_has_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "grammar").mkdir()
    (tmp_path / "grammar" / "caddyfile.lark").write_text("installed")
    monkeypatch.setattr("importlib.resources.files", lambda package: tmp_path)
    assert parser.grammar_text() == "installed"
