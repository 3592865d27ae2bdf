"""``tornado-realtime run`` as a process that may be killed, stopped and started again on the same port."""

from __future__ import annotations

import asyncio
import re
import secrets
import signal
import subprocess
import sys
import time
from calendar import timegm
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jwt

from tests.chaos.history import Span
from tests.support.php_app import clean_environment
from tests.support.redis_server import free_port

START_SECONDS = 60.0
STOP_SECONDS = 30.0
READY = "is ready, pid"
TOLERANCE = 0.3  # marks are logged in tenths of seconds

_SITE = """http://127.0.0.1:{port} {{
	@realtime path /ws /internal/* /live /ready
	handle @realtime {{
		go_handler {{
			jwt {{
				secret {secret}
			}}
			wire raw
			driver redis
			redis_address {address}
			channel {streams} {{
				history 100000 10m 64MiB
			}}
			send_queue 20000 32MiB
			{options}
		}}
	}}
	respond "ok"
}}
"""
STREAMS = "log-"  # how channels with a history begin
_LINE = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{3})Z (\w+) +(.*)$")
_MARK = re.compile(r"publications of the last (\d+\.\d) s may have been missed on \d+ channels")
_COMPLAINTS = ("Traceback", "Task exception was never retrieved", "Warning:")


@dataclass(frozen=True, slots=True)
class Login:
    """What nodes and clients must agree on."""

    secret: str

    @classmethod
    def make(cls) -> Login:
        """A new one."""
        return cls(secrets.token_hex(32))

    @property
    def cookie(self) -> str:
        """As a client sends it."""
        claims = {"sub": "u1", "exp": int(time.time()) + 24 * 3600}
        return "AUTH_TOKEN=" + jwt.encode(claims, self.secret, "HS256")


class Node:
    """One server.

    Args:
        name: For the report.
        folder: Where its Caddyfile and log go.
        address: Of Redis, as ``redis_address``.
        login: Whose tokens it takes.
        options: More lines for its ``go_handler``.
    """

    def __init__(self, name: str, folder: Path, address: str, login: Login, options: str = "") -> None:
        self.name = name
        self.port = free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        text = _SITE.format(
            port=self.port, secret=login.secret, address=address, options=options, streams=STREAMS + "*"
        )
        folder.mkdir(parents=True)
        (folder / "Caddyfile").write_text(text, encoding="utf-8")

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        starts = self._log.count(READY)
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-W", "error", "-m", "tornado_realtime", "run", "--bind", "127.0.0.1"],
                cwd=self._folder,
                env=clean_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_SECONDS
        while self._log.count(READY) == starts:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} did not start:\n{self._log}")
            await asyncio.sleep(0.05)

    def kill(self) -> None:
        """``kill -9``."""
        process = self._running
        process.kill()
        process.wait()
        self._process = None

    def pause(self) -> None:
        """Stop it as a hung machine would."""
        self._running.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it run on."""
        self._running.send_signal(signal.SIGCONT)

    async def stop(self) -> list[str]:
        """End it in order; what is wrong about how it went."""
        process, self._process = self._process, None
        if process is None:
            return []
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGTERM)
        try:
            code = await asyncio.to_thread(process.wait, STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return [f"{self.name} did not stop on SIGTERM"]
        return [f"{self.name} ended with {code}"] if code else []

    def marks(self) -> Iterator[Span]:
        """When, by its own word, it may have missed publications."""
        for line in self._log.splitlines():
            if (told := _LINE.match(line)) and (mark := _MARK.search(told[4])):
                at = timegm(time.strptime(told[1], "%Y-%m-%dT%H:%M:%S")) + int(told[2]) / 1000
                yield Span(at - float(mark[1]) - TOLERANCE, at + TOLERANCE, self.name)

    def complaints(self) -> Iterator[str]:
        """What no fault excuses."""
        for line in self._log.splitlines():
            if any(word in line for word in _COMPLAINTS):
                yield f"{self.name} logged: {line}"

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, f"{self.name} does not run"
        return self._process

    @property
    def _log_file(self) -> Path:
        return self._folder / "server.log"

    @property
    def _log(self) -> str:
        try:
            return self._log_file.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""
