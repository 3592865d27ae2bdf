"""A redis-server and two nodes of this project on it, as one program.

Usage: ours_two_nodes.py REDIS-SERVER PORT CADDYFILE CADDYFILE. SIGTERM ends all of them.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time

PATIENCE_SECONDS = 15.0


def main(program: str, port: str, *configs: str) -> int:
    """Start Redis, then the nodes; wait for the signal, and end them in the other order."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    options = ("--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
    running = [subprocess.Popen([program, *options])]
    try:
        _wait_for(int(port))
        for config in configs:
            command = (sys.executable, "-m", "tornado_realtime", "run", "--config", config)
            running.append(subprocess.Popen([*command, "--bind", "127.0.0.1"]))
        return running[-1].wait()
    finally:
        for process in reversed(running):
            process.terminate()
            process.wait(PATIENCE_SECONDS)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
