"""Where the benchmarks keep things. All of it is git-ignored, except for what ends in the documentation."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = Path(__file__).resolve().parent
HOME = ROOT / ".local" / "bench"
"""Peers, compiled programs, logs and results."""

VENV = HOME / "venv"
NODE_MODULES = HOME / "node_modules"
DISTRIBUTION = HOME / "distribution"
"""Unpacked packages of the distribution; nothing of the system is changed."""
GO = HOME / "go"
PROGRAMS = HOME / "programs"
RUNS = HOME / "runs"
RESULTS = HOME / "results.json"

PAGE = ROOT / "docs" / "benchmarks.md"
DATA = ROOT / "docs" / "benchmarks.json"
IMAGES = ROOT / "docs" / "images"
