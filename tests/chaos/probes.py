"""Asks every node how it is, all the time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from tests.chaos.authors import read_answer
from tests.chaos.history import Probe

PAUSE = 0.25
PATIENCE = 5.0
PATHS = ("/ready", "/live")


async def ask(port: int, path: str) -> int:
    """One request on a connection of its own; the status, 0 when there was no answer."""
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(
                    f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode()
                )
                status, _ = await read_answer(reader)
            finally:
                writer.transport.abort()
    except (OSError, EOFError, ValueError, TimeoutError):
        return 0
    return status


async def watch(name: str, port: int, note: Callable[[Probe], None]) -> None:
    """Ask ``/ready`` and ``/live`` in turns, until cancelled."""
    while True:
        for path in PATHS:
            at = time.time()
            status = await ask(port, path)
            note(Probe(name, path, at, time.time(), status))
        await asyncio.sleep(PAUSE)
