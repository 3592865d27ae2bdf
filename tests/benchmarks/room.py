"""One server process in a folder of its own: started on its core, waited for, stopped by its id."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.places import ROOT

START_SECONDS = 20.0
STOP_SECONDS = 15.0


class RoomError(Exception):
    """A server did not come up."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a server, and how the generator talks to it.

    Attributes:
        command: Its command line.
        port: Where subscribers connect, on 127.0.0.1.
        publish: The generator's words about publishing.
        batch: Those about publishing several messages with one request; empty where there is no such thing.
        subscribe: The generator's words about subscribing.
        second_port: Where every other subscriber connects instead, if there is a second node.
        publish_port: Where publishers connect, if not at ``port``.
        variables: More environment variables.
        version: For the report.
        probe: A path for small requests that ask how responsive it is.
        metrics: A path, and a header, of its metrics.
        processes: How many it consists of.
    """

    command: tuple[str, ...]
    port: int
    publish: tuple[str, ...] = ()
    batch: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
    second_port: int = 0
    publish_port: int = 0
    variables: Mapping[str, str] = field(default_factory=dict)
    version: str = ""
    probe: str = ""
    metrics: tuple[str, str] = ("", "")
    processes: int = 1


@dataclass(frozen=True, slots=True)
class Room:
    """A folder for one server."""

    folder: Path

    def port(self) -> int:
        """A loopback port that nobody listens on at the moment."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    def write(self, name: str, text: str) -> Path:
        """A file in this room."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path


def cores() -> tuple[int, int]:
    """The cores for server and generator; the same one twice where there is only one."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1] if len(allowed) < 2 else allowed[1]


def pinned(core: int, command: tuple[str, ...]) -> list[str]:
    """``command`` bound to one core."""
    return ["taskset", "-c", str(core), *command]


@contextmanager
def serving(room: Room, launch: Launch) -> Iterator[list[int]]:
    """Run a server until the block ends.

    Yields:
        The ids of its processes.

    Raises:
        RoomError: It did not come up; with the end of its log.
    """
    log_file = room.folder / "server.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            pinned(cores()[0], launch.command),
            cwd=room.folder,
            env=os.environ | dict(launch.variables),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        for port in {launch.port, launch.second_port or launch.port, launch.publish_port or launch.port}:
            _wait_for_port(process, port, log_file)
        yield _whole_family(process.pid, launch.processes)
    finally:
        _stop(process)


def _wait_for_port(process: subprocess.Popen[bytes], port: int, log_file: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            pass
        if process.poll() is not None or time.monotonic() > deadline:
            raise RoomError(f"it did not start: {last_line(log_file.read_text('utf-8', 'replace'))}")
        time.sleep(0.02)


def _whole_family(pid: int, size: int) -> list[int]:
    """A process and its descendants, once there are as many as there will be."""
    deadline = time.monotonic() + START_SECONDS
    while len(found := _family(pid)) < size:
        if time.monotonic() > deadline:
            raise RoomError(f"it has {len(found)} processes, not {size}")
        time.sleep(0.02)
    return found


def last_line(text: str) -> str:
    """What a program said at last, without this machine's folders."""
    lines = text.strip().splitlines() or ["it said nothing"]
    return lines[-1].replace(f"{ROOT}/", "").strip()[:300]


def _family(pid: int) -> list[int]:
    """A process and all its descendants."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [pid, *(descendant for child in children for descendant in _family(int(child)))]


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask it to stop; whatever of it is left after a while, children included, is killed."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
