"""The demo application as ``make run`` serves it: the command as a process, PHP and all."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.php_app import clean_environment, free_port

CHECKOUT = Path(__file__).resolve().parents[2]
START_SECONDS = 30.0
STOP_SECONDS = 20.0
OUR_SETTINGS = ("SERVER_ADDRESS", "AUTH_ENDPOINT", "ALLOWED_ORIGINS")


@dataclass(frozen=True, slots=True)
class DemoServer:
    """A running demo server and how to reach it."""

    port: int
    settings: dict[str, str]
    process: subprocess.Popen[bytes]
    log_file: Path

    @property
    def url(self) -> str:
        """Where a browser finds the page; the one origin that is allowed."""
        return f"http://localhost:{self.port}/"

    def publish(self, channel: str, *messages: object) -> None:
        """As a program on the server does."""
        body = json.dumps({"batch": [{"channel": channel, "message": message} for message in messages]})
        secret = self.settings["BROADCAST_SECRET_KEY"]
        headers = {"Content-Type": "application/json", "X-Broadcast-Secret": secret}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("POST", "/internal/broadcast", body, headers)
            assert connection.getresponse().status == 202
        finally:
            connection.close()

    @property
    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8", errors="replace")


def demo_settings(port: int) -> dict[str, str]:
    """What ``make run`` would put into the environment file, for this port."""
    origin = f"http://localhost:{port}"
    return {
        "SERVER_ADDRESS": f":{port}",
        "AUTH_ENDPOINT": f"{origin}/auth.php",
        "ALLOWED_ORIGINS": origin,
        "BROADCAST_URL": f"{origin}/internal/broadcast",
        "JWT_SECRET_KEY": secrets.token_hex(32),
        "BROADCAST_SECRET_KEY": secrets.token_hex(32),
    }


@contextmanager
def serve_demo(folder: Path, settings: dict[str, str] | None = None) -> Iterator[DemoServer]:
    """Run the server until the block ends; it must then stop with exit code 0.

    Args:
        folder: Where the environment file and the log go.
        settings: The settings of an earlier server, to start its successor on the same port.
    """
    values = settings or demo_settings(free_port())
    server = _start(folder, values)
    try:
        _wait_until_it_answers(server)
        yield server
    except BaseException:
        server.process.kill()
        server.process.wait()
        raise
    _stop(server)


def demo_command(folder: Path, settings: dict[str, str]) -> list[str]:
    """How the demonstration is started with ``settings``, which are put into a file in ``folder``."""
    envfile = folder / "env"
    envfile.write_text("".join(f"{name}={value}\n" for name, value in settings.items()), encoding="ascii")
    envfile.chmod(0o600)
    options = ("--config", "app/Caddyfile", "--envfile", str(envfile))
    return [sys.executable, "-m", "tornado_realtime", "run", *options]


def demo_environment() -> dict[str, str]:
    """This process's environment, without what the demonstration is set by."""
    return {name: value for name, value in clean_environment().items() if name not in OUR_SETTINGS}


def _start(folder: Path, settings: dict[str, str]) -> DemoServer:
    log_file = folder / "server.log"
    with log_file.open("ab") as log:
        process = subprocess.Popen(
            demo_command(folder, settings),
            cwd=CHECKOUT,
            env=demo_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    port = int(settings["SERVER_ADDRESS"].rpartition(":")[2])
    return DemoServer(port, settings, process, log_file)


def _wait_until_it_answers(server: DemoServer) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.process.poll() is None:
        if _status(server.port) == 200:
            return
        time.sleep(0.05)
    raise RuntimeError(f"the demo server did not start (exit {server.process.poll()}):\n{server.log}")


def _status(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def _stop(server: DemoServer) -> None:
    children = _children(server.process.pid)
    server.process.send_signal(signal.SIGTERM)
    try:
        code = server.process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.process.kill()
        server.process.wait()
        raise AssertionError(f"the demo server did not stop on SIGTERM:\n{server.log}") from None
    assert code == 0, f"exit code {code}:\n{server.log}"
    assert "Traceback" not in server.log, server.log
    left = [child for child in children if _is_alive(child)]
    assert not left, f"children left behind: {left}\n{server.log}"


def _children(pid: int) -> list[int]:
    """Processes that the server started and has to stop: its php-fpm."""
    return [
        int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    ]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
