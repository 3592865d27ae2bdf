"""What histories and presence cost: thousands that come back at once, reading, a crowded channel."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.benchmarks.client import Client, beside_the_server, client, publish
from tests.benchmarks.load import LoadError, Run, Work, loop_turn, run_load
from tests.benchmarks.ours import launch_ours_presence, launch_ours_stream, launch_ours_v1
from tests.benchmarks.room import Launch, Room, serving

MISSED = 10
"""Publications that each client missed."""
KEPT = 500
"""Publications in the history that is read."""
PAGE = 50
"""How many of them one request reads."""
# Who comes back does so at once: as many connections are on their way as a listener lets wait.
RUSH = "1000"
READERS, WINDOW = 10, 16
CHANNEL = "ch0"
_LAST = "the last one"


def storm(room: Room, name: str, size: int) -> Run:
    """Have ``size`` clients connect at once, and recover what they missed if ``name`` is of streams."""
    recovers = name == "ours-stream"
    launch = (launch_ours_stream if recovers else launch_ours_v1)(room)
    with serving(room, launch) as pids, beside_the_server():
        back = _coming_back(launch) if recovers else launch
        back = replace(back, subscribe=(*back.subscribe, "--concurrency", RUSH))
        run = run_load(back, pids, Work(size))
        turn = loop_turn(launch)
    return Run({**run.raw, "loop_turn_ms": None if turn is None else turn * 1000})


def _coming_back(launch: Launch) -> Launch:
    """Clients that missed something: each is ready when the last of it is there."""
    filling = "x" * 100
    publish(launch, CHANNEL, [filling] * (KEPT - MISSED))
    publish(launch, CHANNEL, [filling] * (MISSED - 1) + [_LAST])
    with client(launch, 0) as one:
        found = one.ask(action="subscribe", channel=CHANNEL)
    since = {"epoch": found["epoch"], "offset": found["offset"] - MISSED}
    text = json.dumps({"action": "subscribe", "channel": CHANNEL, "since": since}, separators=(",", ":"))
    return replace(launch, subscribe=(*launch.subscribe, "--subscribe", text, "--ready-text", _LAST))


def seconds(run: Run) -> float:
    """Until all were ready."""
    return float(run.raw["connect_seconds"])


def turn(run: Run) -> float:
    """Milliseconds of the longest turn of the server's loop."""
    return run.loop_turn_ms or 0.0


def say_storm(run: Run) -> str:
    """In one line."""
    return f"all back after {seconds(run):.2f} s, longest turn {turn(run):.1f} ms"


# -- reading a history ---------------------------------------------------------------------------------


def read(room: Room, requests: int) -> Run:
    """Have clients read pages of a history, and then ask for as many pongs."""
    launch = launch_ours_stream(room)
    with serving(room, launch), beside_the_server():
        publish(launch, CHANNEL, [json.dumps({"n": n, "x": "y" * 100}) for n in range(KEPT)])
        page = json.dumps({"action": "history", "id": 1, "channel": CHANNEL, "limit": PAGE}).encode()
        pages = _per_second(launch, page, requests, _is_page)
        pongs = _per_second(launch, b'{"action":"ping","id":1}', requests, lambda answer: b"pong" in answer)
    return _run(READERS, {"pages": pages, "pongs": pongs})


def _is_page(answer: bytes) -> bool:
    return len(json.loads(answer)["items"]) == PAGE


def _per_second(launch: Launch, question: bytes, requests: int, is_right: Callable[[bytes], bool]) -> float:
    """How often a question is answered in a second, by clients that have some under way at once."""
    clients = [Client(launch, number) for number in range(READERS)]
    answers: list[bytes] = []
    try:
        began = time.monotonic()
        for _ in range(requests // READERS // WINDOW):
            for each in clients:
                each.say(*[question] * WINDOW)
            answers = [each.read() for each in clients for _ in range(WINDOW)]
        took = time.monotonic() - began
    finally:
        for each in clients:
            each.close()
    if not all(map(is_right, answers)):
        raise LoadError(f"a wrong answer: {answers[-1][:80]!r}")
    return requests // READERS // WINDOW * WINDOW * READERS / took


def pages(run: Run) -> float:
    """Of a history, read in a second."""
    return float(run.raw["pages"])


def pongs(run: Run) -> float:
    """In a second."""
    return float(run.raw["pongs"])


def say_reading(run: Run) -> str:
    """In one line."""
    return f"{pages(run):,.0f} pages of {PAGE} a second, {pongs(run):,.0f} pongs"


# -- presence ------------------------------------------------------------------------------------------


def crowd(room: Room, small: int, large: int) -> Run:
    """Have users come to a channel with presence, few and many, while one client is told of each."""
    found = {size: _come(Room(_folder(room, size)), size) for size in (small, large)}
    return _run(large, {"small_us": found[small], "large_us": found[large]})


def _folder(room: Room, size: int) -> Any:
    folder = room.folder / str(size)
    folder.mkdir()
    return folder


def _come(room: Room, size: int) -> float:
    """Microseconds of the server's time for each of ``size`` users who come.

    Raises:
        LoadError: The one who watches was not told of all of them.
    """
    launch = launch_ours_presence(room)
    with serving(room, launch) as pids, beside_the_server(), client(launch, size) as watcher:
        watcher.ask(action="subscribe", channel=CHANNEL, presence=True)
        told = _Listener(watcher, size + 1)
        run = run_load(launch, pids, Work(size))
        told.wait()
    return float(run.raw["connect_seconds"] * run.raw["connect_server_cpu"] / size * 1e6)


class _Listener:
    """Reads what a client is told of who comes, until so many are there."""

    def __init__(self, watcher: Client, size: int) -> None:
        self._watcher = watcher
        self._size = size
        self._error = ""
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def wait(self) -> None:
        self._thread.join(30)
        if self._thread.is_alive() or self._error:
            raise LoadError(f"who watches was not told of everybody: {self._error or 'nothing more came'}")

    def _listen(self) -> None:
        try:
            while json.loads(self._watcher.read()).get("count", 0) < self._size:
                pass
        except (LoadError, OSError, ValueError) as error:
            self._error = str(error) or type(error).__name__


def small_us(run: Run) -> float:
    """For each who comes to a channel of few."""
    return float(run.raw["small_us"])


def large_us(run: Run) -> float:
    """For each who comes to a channel of many."""
    return float(run.raw["large_us"])


def say_crowd(run: Run) -> str:
    """In one line."""
    return f"{small_us(run):.0f} us for each of few, {large_us(run):.0f} us for each of many"


def _run(connected: int, more: dict[str, float]) -> Run:
    base = {"phases": [], "failed": 0, "connect_seconds": 1.0, "connect_waited": 0.0}
    return Run({**base, "connected": connected, "connect_generator_cpu": 0.0, **more})
