"""Which processes there are, as ``ps`` tells it; those that only wait to be collected do not count."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Process:
    """One line of ``ps``."""

    pid: int
    parent: int
    group: int
    user: str
    command: str


def processes() -> list[Process]:
    """All processes that live."""
    text = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,ppid=,pgid=,stat=,user:32=,args="],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = []
    for line in text.splitlines():
        pid, parent, group, state, user, *command = line.split(None, 5)
        if not state.startswith("Z"):
            found.append(Process(int(pid), int(parent), int(group), user, "".join(command)))
    return found


def members(group: int) -> list[Process]:
    """The processes of a group."""
    return [process for process in processes() if process.group == group]


def wait_until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait, looking often, until something is so; fail when that takes too long."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
