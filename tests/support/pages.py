"""Pages that run ``realtime.js``: in Chromium, and in Node. Both evaluate functions, and answer in JSON."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from typing import Any, Protocol

from playwright.sync_api import BrowserContext
from playwright.sync_api import Page as BrowserPage

from tools.node import command

PROGRAM = Path(__file__).with_name("page.mjs")
MODULE = Path(__file__).resolve().parents[2] / "tornado_realtime" / "browser" / "realtime.js"
PATIENCE = 20.0

BEGIN = """async () => {
  const { Realtime, RealtimeError } = await import(%s);
  Object.assign(globalThis, { Realtime, RealtimeError, heard: [], told: [], states: [] });
  globalThis.open = (options) => {
    globalThis.rt = new Realtime(%s, options);
    rt.on('state', ({ state, code }) => states.push(code ? `${state} ${code}` : state));
    return rt;
  };
  globalThis.listen = (channel, options) => {
    globalThis.sub = rt.subscribe(channel, (payload) => heard.push(payload), options);
    for (const type of ['recovered', 'reload', 'join', 'leave']) sub.on(type, () => told.push(type));
    return sub;
  };
}"""


class Page(Protocol):
    """Where the client runs. ``open(options)`` makes ``rt``, ``listen(channel)`` makes ``sub``."""

    def evaluate(self, function: str) -> Any:
        """What a JavaScript function returns, its promise awaited."""
        ...


def wait_until(page: Page, condition: str) -> None:
    """Wait until a JavaScript expression is true."""
    deadline = time.monotonic() + PATIENCE
    while not page.evaluate(f"() => Boolean({condition})"):
        if time.monotonic() > deadline:
            seen = page.evaluate(
                "() => ({ states, heard: heard.slice(-5), told, sub: globalThis.sub?.state })"
            )
            raise AssertionError(f"never {condition}: {seen}")
        time.sleep(0.02)


class NodePage:
    """A process that ends when nothing more comes in, and not before its connection is closed."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            command("node", str(PROGRAM)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._answers: Queue[dict[str, Any]] = Queue()
        self._count = 0
        self.unhandled: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def evaluate(self, function: str) -> Any:
        self._count += 1
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"id": self._count, "code": f"({function})"}) + "\n")
        self._process.stdin.flush()
        while True:
            answer = self._answers.get(timeout=PATIENCE)
            if "unhandled" in answer:
                self.unhandled.append(answer["unhandled"])
            elif answer["id"] == self._count:
                assert "error" not in answer, answer["error"]
                return answer.get("value")

    def finish(self) -> None:
        """Nothing more comes: it ends by itself, and nothing was left unhandled."""
        try:
            assert self._process.stdin is not None
            self._process.stdin.close()
            assert self._process.wait(PATIENCE) == 0
        finally:
            self._process.kill()
            self._process.wait()
            self._reader.join()
        while True:
            try:
                self.unhandled.append(self._answers.get_nowait()["unhandled"])
            except Empty:
                break
        assert not self.unhandled

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._answers.put(json.loads(line))


@contextmanager
def node_page(port: int) -> Iterator[NodePage]:
    """A page in Node whose server is at ``port``; at the end its client is closed, and nothing keeps it."""
    page = NodePage()
    url = json.dumps(f"ws://localhost:{port}/ws")
    page.evaluate(BEGIN % (json.dumps(MODULE.as_uri()), url))
    try:
        yield page
        page.evaluate("() => globalThis.rt?.close()")
    finally:
        page.finish()


@contextmanager
def browser_page(context: BrowserContext, port: int) -> Iterator[BrowserPage]:
    """A page in a browser; it gets the module from the server, and complains about nothing."""
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"http://localhost:{port}/")
    page.evaluate(BEGIN % ("'/realtime.js'", "undefined"))
    yield page
    page.evaluate("() => globalThis.rt?.close()")
    assert not errors
