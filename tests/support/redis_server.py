"""A real redis-server for tests: on a free port or a Unix socket, without persistence, stopped by pid."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

START_TIMEOUT = 10.0


class RedisServer:
    """One redis-server process that may be killed, paused and started again on the same address.

    Args:
        folder: Its working directory; the Unix socket lies here too.
        password: What ``requirepass`` says; empty for none.
        unix: Listen on a Unix socket instead of a TCP port.
        certificate: Certificate and key files; with them it speaks TLS only.
        options: Further words of its command line.
    """

    def __init__(
        self,
        folder: Path,
        *,
        password: str = "",
        unix: bool = False,
        certificate: tuple[Path, Path] | None = None,
        options: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.password = password
        self.certificate = certificate
        self.options = list(options)
        self.socket_path = folder / "redis.sock" if unix else None
        self.port = 0 if unix else free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """What goes into ``redis_address``."""
        login = f":{self.password}@" if self.password else ""
        if self.socket_path:
            return f"unix://{login}{self.socket_path}"
        return f"{'rediss' if self.certificate else 'redis'}://{login}127.0.0.1:{self.port}"

    @property
    def running(self) -> bool:
        """Whether it was started and not ended."""
        return self._process is not None

    def start(self) -> None:
        """Start it and wait until it answers."""
        program = shutil.which("redis-server")
        if program is None:
            raise RuntimeError("redis-server is missing: install the package redis-server (or redis)")
        with (self.folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen([program, *self._options()], stdout=log, stderr=log)
        deadline = time.monotonic() + START_TIMEOUT
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"redis-server did not start: {(self.folder / 'redis.log').read_text()}")
            time.sleep(0.01)

    def stop(self) -> None:
        """End it, whatever state it is in."""
        self.kill()

    def kill(self) -> None:
        """``kill -9``."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Stop it as a hung machine would: connections stay, nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it run on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _options(self) -> list[str]:
        listen = ["--port", str(self.port)]
        if self.certificate:
            cert, key = map(str, self.certificate)
            tls = ["--tls-cert-file", cert, "--tls-key-file", key, "--tls-auth-clients", "no"]
            listen = ["--port", "0", "--tls-port", str(self.port), *tls]
        if self.socket_path:
            listen += ["--unixsocket", str(self.socket_path), "--unixsocketperm", "700"]
        secret = ["--requirepass", self.password] if self.password else []
        options = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(self.folder)]
        return [*listen, *options, *secret, *self.options]

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), self._dial() as client:
            client.settimeout(1.0)
            if self.certificate:  # that it listens is enough
                return True
            client.sendall(b"PING\r\n")
            return client.recv(64).startswith((b"+PONG", b"-NOAUTH"))
        return False

    def _dial(self) -> socket.socket:
        if self.socket_path is None:
            return socket.create_connection(("127.0.0.1", self.port), timeout=1.0)
        client = socket.socket(socket.AF_UNIX)
        try:
            client.connect(str(self.socket_path))
        except OSError:
            client.close()
            raise
        return client


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
