"""The server under attack, a process like any other, and what must be so during and after each attack."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.server.test_tls import make_certificate
from tests.support.lane_requests import JWT_SECRET, SECRET, token
from tests.support.php_app import free_port
from tests.support.processes import wait_until
from tests.support.running import RunningServer, get, running

SCALE = float(os.environ.get("ABUSE_SCALE", "1"))
"""How much more of everything ``make abuse`` throws than ``make test``."""


def many(number: int) -> int:
    """So many of something, or more."""
    return int(number * SCALE)


CADDYFILE = """
{{
	grace_period 2s
	servers {{
		timeouts {{
			read_header 2s
			read_body 2s
			idle 6s
		}}
	}}
}}
(site) {{
	@rt path /ws /internal/*
	handle @rt {{
		go_handler {{
			wire envelope
			broadcast_secret {secret}
			jwt {{
				secret "{jwt}"
			}}
			channel hoard {{
				history 250 1h
			}}
		}}
	}}
	handle /up/* {{
		reverse_proxy unix/{upstream}
	}}
	respond page
}}
http://:{plain} {{
	import site
}}
https://:{tls} {{
	tls localhost.pem localhost.key
	import site
}}
"""
# Python's SSLSocket leaves the closing of a socket that was reset too early to its own end.
IGNORED = ("-W", "ignore:unclosed <ssl.SSLSocket:ResourceWarning")
# The same order of magnitude as in quiet times; the floor is what a busy machine may do to anybody.
SLOWER = 10
FLOOR_SECONDS = 0.5
# A single delay may be anything's fault; one of this length is no machine's that runs anything else.
LONGEST_SECONDS = 3.0
# What allocators keep, by experience; each attack at its full size is several times as much.
KEPT_BYTES = int(32 * 1024 * 1024 * max(1.0, SCALE))
PEAK_BYTES = 2 * KEPT_BYTES


@dataclass(frozen=True, slots=True)
class Account:
    """What a healthy client tells: see bystander."""

    published: int
    heard: int
    troubles: list[str]
    median: float
    longest: float


@dataclass(frozen=True, slots=True)
class Victim:
    """A running server with healthy clients."""

    server: RunningServer
    bystander: subprocess.Popen[str]
    folder: Path
    plain: int
    tls: int
    upstream: Path
    quiet: Account

    @property
    def descriptors(self) -> int:
        """How many the server has open."""
        return sum(1 for _ in self._proc("fd").iterdir())

    @property
    def memory_bytes(self) -> int:
        """What the server has resident."""
        pages = int(self._proc("statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    @property
    def peak_bytes(self) -> int:
        """The most it had since ``_forget_peak``."""
        status = self._proc("status").read_text(encoding="ascii")
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024

    def _forget_peak(self) -> None:
        self._proc("clear_refs").write_text("5", encoding="ascii")

    def _proc(self, name: str) -> Path:
        return Path(f"/proc/{self.server.process.pid}/{name}")

    @contextmanager
    def unharmed(self, *, kept_bytes: int = KEPT_BYTES, peak_bytes: int = PEAK_BYTES) -> Iterator[None]:
        """An attack, after and during which nobody has noticed anything.

        Args:
            kept_bytes: How much more memory the server may have afterwards.
            peak_bytes: How much more it may have at any time.
        """
        account(self.bystander)
        self._forget_peak()
        descriptors, memory_bytes, log = self.descriptors, self.memory_bytes, len(self.server.log)
        yield
        during = account(self.bystander, 1)
        assert self.server.process.poll() is None, self.server.log[log:]
        wait_until(lambda: self.descriptors <= descriptors, 15)
        assert get(self.plain) == (200, b"page")
        after = account(self.bystander, 5)
        assert during.troubles == after.troubles == []
        assert during.heard == during.published
        assert during.median <= max(SLOWER * self.quiet.median, FLOOR_SECONDS), (during, self.quiet)
        assert during.longest <= max(SLOWER * self.quiet.longest, LONGEST_SECONDS), (during, self.quiet)
        assert self.memory_bytes - memory_bytes <= kept_bytes, (self.memory_bytes, memory_bytes)
        assert self.peak_bytes - memory_bytes <= peak_bytes, (self.peak_bytes, memory_bytes)
        said = self.server.log[log:]
        assert "Traceback" not in said, said
        assert " ERROR " not in said, said


def account(bystander: subprocess.Popen[str], publications: int = 0) -> Account:
    """What happened since the last call, until so much was published by each of them."""
    assert bystander.stdin is not None
    assert bystander.stdout is not None
    bystander.stdin.write(f"{publications}\n")
    bystander.stdin.flush()
    line = bystander.stdout.readline()
    assert line, "the bystander died"
    return Account(**json.loads(line))


@contextmanager
def attacked(folder: Path) -> Iterator[Victim]:
    """Run a server and its healthy clients."""
    make_certificate(folder, "localhost")
    plain, tls, upstream = free_port(), free_port(), folder / "upstream.sock"
    text = CADDYFILE.format(plain=plain, tls=tls, upstream=upstream, secret=SECRET, jwt=JWT_SECRET)
    with ExitStack() as stack:
        server = stack.enter_context(running(folder, text, "--bind", "127.0.0.1", python=IGNORED))
        bystander = stack.enter_context(_bystander(folder, plain, tls))
        account(bystander, 5)
        quiet = account(bystander, 50)
        assert quiet.troubles == []
        yield Victim(server, bystander, folder, plain, tls, upstream, quiet)
        assert server.stop() == 0
        assert "Traceback" not in server.log, server.log


@contextmanager
def _bystander(folder: Path, plain: int, tls: int) -> Iterator[subprocess.Popen[str]]:
    command = (*("-m", "tests.abuse.bystander"), str(plain), str(tls), str(folder / "localhost.pem"))
    with subprocess.Popen(
        [sys.executable, *command, token("bystander"), SECRET],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()
