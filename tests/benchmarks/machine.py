"""What this was measured on."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from pathlib import Path

import tornado

from tests.benchmarks.room import cores


def machine() -> dict[str, str]:
    """Processor, memory, system and the versions that matter."""
    server, generator = cores()
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{_memory_gib():.0f} GiB",
        "system": f"{_distribution()}, Linux {platform.release()}",
        "Python": platform.python_version(),
        "Tornado": tornado.version,
        "compiler": _first_line(["cc", "--version"]),
        "cores": f"server on {server}, generator on {generator}",
    }


def _processor() -> str:
    found = re.search(r"^model name\s*: (.+)$", _read("/proc/cpuinfo"), re.MULTILINE)
    return found[1] if found else platform.machine()


def _memory_gib() -> float:
    found = re.search(r"^MemTotal:\s*([0-9]+) kB", _read("/proc/meminfo"), re.MULTILINE)
    return int(found[1]) / 1024 / 1024 if found else 0.0


def _distribution() -> str:
    found = re.search(r'^PRETTY_NAME="?([^"\n]+)', _read("/etc/os-release"), re.MULTILINE)
    return found[1] if found else platform.system()


def _first_line(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return "none"
    return done.stdout.partition("\n")[0]


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
