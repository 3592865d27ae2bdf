"""A real HAProxy for tests, stopped by pid, and what it thinks of its servers."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.php_app import wait_for_port
from tests.support.processes import wait_until


@dataclass(frozen=True, slots=True)
class Balancer:
    """A running HAProxy."""

    socket_path: Path

    def state(self, server: str) -> str:
        """Whether it sends requests to BACKEND/NAME: ``UP``, ``DOWN`` and a few more."""
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(self.socket_path))
            client.sendall(b"show stat -1 4 -1\n")
            lines = client.makefile(encoding="utf-8").read().splitlines()
        names = lines[0].removeprefix("# ").split(",")
        rows = [dict(zip(names, line.split(","), strict=False)) for line in lines[1:] if line]
        return next(row["status"] for row in rows if f"{row['pxname']}/{row['svname']}" == server).split()[0]

    def wait_for(self, server: str, state: str) -> None:
        """Wait until it thinks so."""
        wait_until(lambda: self.state(server) == state, 20)


@contextmanager
def haproxy(configuration: str, port: int) -> Iterator[Balancer]:
    """Run it until the block ends.

    Args:
        configuration: Its file, without a stats socket.
        port: One that it listens on.
    """
    program = shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        raise RuntimeError("haproxy is missing: install the package haproxy (make test does)")
    # A folder with a short name: that of a Unix socket must have less than a hundred characters.
    with tempfile.TemporaryDirectory(prefix="haproxy-") as name:
        yield from _running(program, Path(name), configuration, port)


def _running(program: str, folder: Path, configuration: str, port: int) -> Iterator[Balancer]:
    control, file = folder / "control.sock", folder / "haproxy.cfg"
    file.write_text(
        f"{configuration}\nglobal\n    stats socket {control} mode 600 level admin\n", encoding="utf-8"
    )
    with (folder / "haproxy.log").open("wb") as log:
        process = subprocess.Popen([program, "-db", "-f", str(file)], stdout=log, stderr=log)
    try:
        wait_for_port(port, process)
        yield Balancer(control)
    finally:
        process.terminate()
        process.wait(10)
