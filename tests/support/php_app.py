"""The demo application behind PHP's own development server, and the little that is needed to talk to it."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import Morsel, SimpleCookie
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlencode

APP = Path(__file__).resolve().parents[2] / "app"
JWT_SECRET = "jwt-secret-for-tests-only-0123456789abcdef"
BROADCAST_SECRET = "broadcast-secret-for-tests-only-0123456789"


def php_binary() -> str:
    """The command-line PHP; its absence fails the run and says so."""
    found = shutil.which("php")
    if found is None:
        raise RuntimeError("php is missing: install php-cli (make test does)")
    return found


def free_port() -> int:
    """A loopback port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def clean_environment(**settings: str) -> dict[str, str]:
    """This process's environment with exactly these settings of the application."""
    ours = {"JWT_SECRET_KEY", "BROADCAST_SECRET_KEY", "BROADCAST_URL"}
    return {name: value for name, value in os.environ.items() if name not in ours} | settings


def run_php(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run command-line PHP in the application's folder."""
    return subprocess.run(
        [php_binary(), *arguments],
        cwd=APP,
        env=clean_environment(**settings),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


@contextmanager
def php_server(*options: str, **settings: str) -> Iterator[int]:
    """Serve the application with ``php -S``; gives the port."""
    port = free_port()
    process = subprocess.Popen(
        [php_binary(), *options, "-S", f"127.0.0.1:{port}", "-t", str(APP)],
        env=clean_environment(**settings),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for_port(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def wait_for_port(port: int, process: subprocess.Popen[Any], seconds: float = 20.0) -> None:
    """Return once something accepts on the port."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"nothing accepts on port {port}: {process.args!r}, exit code {process.poll()}")


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)

    def cookie(self, name: str) -> Morsel[str]:
        """The cookie of that name that this answer sets."""
        for line in self.headers.get_all("Set-Cookie", []):
            jar: SimpleCookie = SimpleCookie(line)
            if name in jar:
                return jar[name]
        raise AssertionError(f"no cookie {name} in {self.headers.get_all('Set-Cookie')}")


@dataclass(slots=True)
class Browser:
    """As much of a browser as the endpoints notice: it keeps cookies, and drops those that are cleared."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            sent = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
            connection.request(method, path, body, (sent if self.cookies else {}) | dict(headers or {}))
            response = connection.getresponse()
            answer = Answer(response.status, response.headers, response.read())
        finally:
            connection.close()
        self._keep(answer)
        return answer

    def get(self, path: str, **headers: str) -> Answer:
        return self.request("GET", path, None, headers)

    def login(self, user: Any) -> Answer:
        body = json.dumps({"userId": user})
        return self.request("POST", "/login.php", body, {"Content-Type": "application/json"})

    def token(self) -> str:
        """The form token that the send form carries for this browser."""
        return str(self.get("/send.php", Accept="application/json").json()["csrf_token"])

    def send(self, fields: Mapping[str, str], accept: str = "application/json") -> Answer:
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": accept}
        return self.request("POST", "/send.php", urlencode(fields), headers)

    def _keep(self, answer: Answer) -> None:
        for line in answer.headers.get_all("Set-Cookie", []):
            for name, morsel in SimpleCookie(line).items():
                if morsel["expires"].startswith("Thu, 01 Jan 1970"):
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value


@dataclass(frozen=True, slots=True)
class Published:
    """What reached the broadcast endpoint."""

    path: str
    secret: str | None
    fields: dict[str, list[str]]


class FakeBroadcast:
    """A publishing endpoint that remembers what it got and answers as it is told."""

    def __init__(self) -> None:
        self.received: list[Published] = []
        self.answer: tuple[int, str] = (202, "")
        self.delay = 0.0
        self._server = HTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/internal/broadcast"

    def reset(self) -> None:
        self.received.clear()
        self.answer, self.delay = (202, ""), 0.0

    def __enter__(self) -> FakeBroadcast:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                secret = self.headers.get("X-Broadcast-Secret")
                owner.received.append(Published(self.path, secret, parse_qs(body.decode())))
                time.sleep(owner.delay)
                self._reply(*owner.answer)

            def do_GET(self) -> None:
                # Nobody should come here: only a redirect that was followed does.
                owner.received.append(Published(self.path, self.headers.get("X-Broadcast-Secret"), {}))
                self._reply(200, "")

            def _reply(self, status: int, text: str) -> None:
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(text.encode())))
                    if 300 <= status <= 399:
                        self.send_header("Location", "/elsewhere")
                    self.end_headers()
                    self.wfile.write(text.encode())
                except OSError:
                    pass  # The sender gave up waiting, which is what some tests are about.

            def log_message(self, *args: Any) -> None:
                pass

        return Handler
