"""``tornado-realtime run`` as a process, on a Caddyfile of the test's own."""

from __future__ import annotations

import http.client
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.php_app import clean_environment

PATIENCE = 20.0


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server process, what it logged, and how to talk to it."""

    process: subprocess.Popen[bytes]
    log_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def wait_for(self, text: str, times: int = 1) -> None:
        """Wait until the log says ``text``."""
        deadline = time.monotonic() + PATIENCE
        while self.log.count(text) < times:
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise AssertionError(f"the log never said {text!r} {times} times:\n{self.log}")
            time.sleep(0.02)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def exit_code(self) -> int:
        return self.process.wait(PATIENCE)

    def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return self.exit_code()


def get(port: int, path: str = "/", method: str = "GET", **headers: str) -> tuple[int, bytes]:
    """One request to the server on ``port``."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def run_cli(
    *words: str, cwd: Path, stdin: bytes = b"", env: dict[str, str] | None = None
) -> tuple[int, str, str]:
    """Run one command to its end: exit code, standard output, standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "tornado_realtime", *words],
        cwd=cwd,
        input=stdin,
        env=clean_environment() | (env or {}),
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@contextmanager
def running(
    folder: Path,
    caddyfile: str | None = None,
    *words: str,
    env: dict[str, str] | None = None,
    ready: bool = True,
    python: Sequence[str] = (),
) -> Iterator[RunningServer]:
    """Run the server in ``folder`` until the block ends; it is killed if it still lives then.

    Args:
        folder: Working folder; gets the Caddyfile and the log.
        caddyfile: Text of the Caddyfile; None leaves what is there.
        words: More words for ``run``.
        env: More variables.
        ready: Wait until it says that it is ready.
        python: More options of the interpreter.
    """
    if caddyfile is not None:
        (folder / "Caddyfile").write_text(caddyfile, encoding="utf-8")
    log_file = folder / "server.log"
    with log_file.open("ab") as log:
        process = subprocess.Popen(
            _command(words, python), cwd=folder, env=clean_environment() | (env or {}), stdout=log, stderr=log
        )
    server = RunningServer(process, log_file)
    try:
        if ready:
            server.wait_for("is ready")
        yield server
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def _command(words: Sequence[str], python: Sequence[str]) -> list[str]:
    return [sys.executable, "-W", "error", *python, "-m", "tornado_realtime", "run", *words]
