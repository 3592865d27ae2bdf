"""A server as a process, the network before it, and pages in Node and in Chromium."""

from __future__ import annotations

import http.client
import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
import pytest
from playwright.sync_api import Browser
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.support.cable import Cable
from tests.support.chromium import chromium
from tests.support.pages import Page, browser_page, node_page
from tests.support.php_app import free_port
from tests.support.running import RunningServer, running

V1 = Subprotocol("realtime.v1.json")
SECRET = "a secret of at least thirty-two bytes"
CADDYFILE = """
:{port}

respond / page
go_handler {{
	jwt {{
		secret "{secret}"
	}}
	anonymous on
	presence_delay 100ms
	channel chat {{
		subscribe anyone
		publish anyone
		history 1000 1h
	}}
	channel log-* {{
		subscribe anyone
		history 1000 1h
	}}
	channel other {{
		subscribe anyone
	}}
	channel room {{
		presence on
	}}
	channel staff {{
		subscribe nobody
	}}
}}
"""


@dataclass
class Site:
    """A server that may be stopped and started again, and how its clients reach it.

    Attributes:
        port: Where it listens itself; what a test publishes there is not cut.
        cable: Where pages connect.
    """

    folder: Path
    port: int
    cable: Cable
    _life: ExitStack = field(default_factory=ExitStack)
    _server: RunningServer | None = None

    def start(self) -> None:
        caddyfile = CADDYFILE.format(port=self.port, secret=SECRET)
        self._server = self._life.enter_context(running(self.folder, caddyfile))

    def stop(self) -> None:
        assert self._server is not None
        assert self._server.stop() == 0, self._server.log
        self._life.close()
        (self.folder / "server.log").unlink()

    def kill(self) -> None:
        self._life.close()
        (self.folder / "server.log").unlink(missing_ok=True)

    def publish(self, channel: str, *messages: object) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        headers = {"Content-Type": "application/json"}
        for message in messages:
            body = json.dumps({"channel": channel, "message": message})
            connection.request("POST", "/internal/broadcast", body, headers)
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (202, b"")
        connection.close()

    @contextmanager
    def witness(self, channel: str) -> Iterator[Callable[[], object]]:
        """Somebody who listens where no cable is pulled; gives the next message."""
        with connect(f"ws://127.0.0.1:{self.port}/ws", subprotocols=[V1]) as client:

            def next_of(kind: str) -> dict[str, Any]:
                while (frame := json.loads(client.recv(timeout=10)))["type"] != kind:
                    pass
                assert isinstance(frame, dict)
                return frame

            client.send(json.dumps({"action": "subscribe", "channel": channel}))
            next_of("subscribed")
            yield lambda: next_of("message")["payload"]


def token(seconds: float, user: str = "ada") -> str:
    """A login for so long."""
    return jwt.encode({"sub": user, "exp": time.time() + seconds}, SECRET, "HS256")


@contextmanager
def serving(folder: Path) -> Iterator[Site]:
    """A site until the block ends."""
    port = free_port()
    with Cable(port) as cable:
        found = Site(folder, port, cable)
        found.start()
        try:
            yield found
        finally:
            found.kill()


@pytest.fixture(scope="module")
def running_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serving(tmp_path_factory.mktemp("site")) as found:
        yield found


@pytest.fixture
def site(running_site: Site) -> Site:
    """A site with its network, whatever the last test did to it."""
    running_site.cable.plug()
    return running_site


@pytest.fixture
def log() -> str:
    """A channel with a history, in which nothing is yet."""
    return f"log-{secrets.token_hex(4)}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running_browser:
        yield running_browser


@pytest.fixture
def own_site(tmp_path: Path) -> Iterator[Site]:
    """A site for one test that stops it."""
    with serving(tmp_path) as found:
        yield found


NewPage = Callable[[Site], Page]


@pytest.fixture(params=["node", "chromium"])
def new_page(request: pytest.FixtureRequest) -> Iterator[NewPage]:
    """Makes pages, each with a client of its own, that come to a site over its cable."""
    with ExitStack() as stack:
        if request.param == "node":
            yield lambda site: stack.enter_context(node_page(site.cable.port))
        else:
            running_browser: Browser = request.getfixturevalue("browser")
            yield lambda site: stack.enter_context(_chromium_page(running_browser, site))


@contextmanager
def _chromium_page(running_browser: Browser, site: Site) -> Iterator[Page]:
    context = running_browser.new_context()
    try:
        with browser_page(context, site.cable.port) as page:
            yield page
    finally:
        context.close()
