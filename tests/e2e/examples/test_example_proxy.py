from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.e2e.examples.conftest import Listen
from tests.support.nginx import nginx
from tests.support.php_app import free_port
from tests.support.running import RunningServer, run_cli, running

SECRET = "a-secret-of-the-test"
VISITOR = "127.0.0.2"  # a loopback address that is not the proxy's


@dataclass(frozen=True, slots=True)
class Place:
    """The example at work: nginx in front, the site behind it, and the listener for publishing."""

    server: RunningServer
    nginx: int
    site: int
    publishing: int


def with_ports(example: Path, port: int, site: int) -> str:
    """The example's file, in which only ports and addresses are others."""
    text = example.read_text(encoding="utf-8")
    assert "listen 80;" in text and "127.0.0.1:8080" in text
    listen = f"listen 127.0.0.1:{port};"
    return text.replace("listen 80;", listen).replace("127.0.0.1:8080", f"127.0.0.1:{site}")


@pytest.fixture
def place(examples: Path, php_folder: Path, tmp_path: Path) -> Iterator[Place]:
    """Everything of the example at work."""
    front, site, publishing = free_port(), free_port(), free_port()
    folder = examples / "behind-proxy"
    settings = {
        "SERVER_ADDRESS": f":{site}",
        "AUTH_ENDPOINT": f"http://localhost:{site}/auth.php",
        "ALLOWED_ORIGINS": f"http://localhost:{front}",
        "BROADCAST_SECRET_KEY": SECRET,
        "BROADCAST_LISTEN": f"127.0.0.1:{publishing}",
    }
    words = ("--config", str(folder / "Caddyfile"))
    with running(php_folder, None, *words, env=settings) as server:
        with nginx(tmp_path / "nginx", with_ports(folder / "nginx.conf", front, site), front):
            yield Place(server, front, site, publishing)
        assert server.stop() == 0, server.log


def ask(
    port: int, path: str, method: str = "GET", headers: dict[str, str] | None = None, source: str = VISITOR
) -> tuple[int, str]:
    """One request of the visitor, or of the application with another ``source``."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10, source_address=(source, 0))
    try:
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def publish(port: int, secret: str, source: str = "127.0.0.1") -> int:
    query = urlencode({"channel": "news", "message": '{"a": 1}'})
    return ask(port, f"/internal/broadcast?{query}", "POST", {"X-Broadcast-Secret": secret}, source)[0]


def test_page_and_websocket_through_nginx_know_the_visitor(place: Place, listen: Listen) -> None:
    forged = {"X-Forwarded-For": "6.6.6.6", "X-Real-IP": "6.6.6.6"}
    assert ask(place.nginx, "/", headers=forged) == (200, f"Hello, {VISITOR}")
    line = socket.create_connection(("127.0.0.1", place.nginx), source_address=(VISITOR, 0))
    client = listen(place.nginx, origin=f"http://localhost:{place.nginx}", sock=line, headers=forged)
    assert json.loads(client.recv(timeout=15)) == {"type": "subscribed", "channel": "news"}
    place.server.wait_for(f"asked by {VISITOR} for {VISITOR}, 127.0.0.1")
    assert publish(place.publishing, SECRET) == 202
    assert json.loads(client.recv(timeout=15))["payload"] == {"a": 1}
    assert "6.6.6.6" not in place.server.log


def test_nobody_publishes_through_the_proxy_or_on_the_site(place: Place) -> None:
    for port in (place.nginx, place.site):
        assert publish(port, SECRET) == 404
        assert ask(port, "/internal/whatever")[0] == 404
    assert publish(place.publishing, "wrong") == 403
    assert publish(place.publishing, SECRET) == 202
    assert ask(place.publishing, "/", source="127.0.0.1")[0] == 404


def test_the_file_for_a_caddy_in_front_is_one_that_we_understand(examples: Path, tmp_path: Path) -> None:
    file = examples / "behind-proxy" / "Caddyfile.proxy"
    code, out, err = run_cli("adapt", "--tokens", str(file), cwd=tmp_path)
    assert (code, err) == (0, "")
    assert json.loads(out)["handlers"] == ["static_response:|404", "reverse_proxy"]


def test_an_event_stream_through_nginx_comes_at_once(place: Place) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", place.nginx, timeout=15)
    try:
        connection.request("GET", "/sse?channel=news", headers={"Cookie": "AUTH_TOKEN=valid"})
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("Content-Type")) == (200, "text/event-stream")
        while b'"subscribed"' not in answer.readline():
            pass
        assert publish(place.publishing, SECRET) == 202
        assert answer.readline() == b"\n"
        assert json.loads(answer.readline().removeprefix(b"data: "))["payload"] == {"a": 1}
    finally:
        connection.close()
