"""The demonstration over plain HTTP and a WebSocket client that is not made of Tornado."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.support.demo_server import (
    CHECKOUT,
    OUR_SETTINGS,
    DemoServer,
    demo_command,
    demo_environment,
    demo_settings,
    serve_demo,
)
from tests.support.php_app import Browser, free_port, run_php

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def visitor(demo_server: DemoServer) -> Browser:
    return Browser(demo_server.port)


@contextmanager
def listening(visitor: Browser, channel: str, origin: str | None = None) -> Iterator[ClientConnection]:
    cookie = {"Cookie": "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())}
    address = f"ws://127.0.0.1:{visitor.port}/ws"
    with connect(address, origin=origin, additional_headers=cookie) as client:  # type: ignore[arg-type]
        client.send(json.dumps({"action": "subscribe", "channel": channel}))
        assert received(client) == {"type": "subscribed", "channel": channel}
        yield client


def received(client: ClientConnection) -> Any:
    return json.loads(client.recv(timeout=5))


def test_the_form_reaches_whoever_listens(visitor: Browser) -> None:
    visitor.login("ada")
    fields = {"channel": "news", "message": "Zoé says <hi>", "csrf_token": visitor.token()}
    with listening(visitor, "news") as client:
        assert visitor.send(fields).status == 200
        assert received(client) == {"type": "message", "channel": "news", "payload": "Zoé says <hi>"}


def test_the_command_line_reaches_whoever_listens(demo_server: DemoServer, visitor: Browser) -> None:
    visitor.login("ada")
    names = ("BROADCAST_URL", "BROADCAST_SECRET_KEY")
    settings = {name: demo_server.settings[name] for name in names}
    with listening(visitor, "news") as client:
        done = run_php("send_cli.php", "news", '{"n": 1}', **settings)
        assert (done.returncode, done.stderr) == (0, "")
        assert received(client)["payload"] == {"n": 1}


def test_a_load_balancer_is_answered_and_not_by_the_page(visitor: Browser) -> None:
    for path, body in (("/live", b'{"live":true}\n'), ("/ready", b'{"ready":true}\n')):
        answer = visitor.get(path)
        assert (answer.status, answer.body) == (200, body)


@pytest.mark.parametrize(
    ("path", "status"), [("/sse", 401), ("/realtime.js", 200), ("/internal/nothing", 404)]
)
def test_what_go_handler_serves_and_what_not(visitor: Browser, path: str, status: int) -> None:
    assert visitor.get(path).status == status


def test_publishing_needs_the_secret(demo_server: DemoServer, visitor: Browser) -> None:
    body = "channel=news&message=1"
    path = "/internal/broadcast"
    secret = {"X-Broadcast-Secret": demo_server.settings["BROADCAST_SECRET_KEY"]}
    assert visitor.request("POST", path, body, FORM).status == 403
    assert visitor.request("POST", path, body, FORM | {"X-Broadcast-Secret": "guess"}).status == 403
    assert visitor.request("POST", path, body, FORM | secret).status == 202


def test_a_stranger_is_refused_by_the_websocket(visitor: Browser) -> None:
    with pytest.raises(InvalidStatus) as refusal, listening(visitor, "news"):
        pass
    assert refusal.value.response.status_code == 401


def test_each_word_of_allowed_origins_is_an_origin(tmp_path: Path) -> None:
    port = free_port()
    settings = demo_settings(port)
    settings["ALLOWED_ORIGINS"] += " https://demo.example"
    with serve_demo(tmp_path, settings):
        visitor = Browser(port)
        visitor.login("ada")
        for origin in (f"http://localhost:{port}", "https://demo.example"):
            with listening(visitor, "news", origin):
                pass
        with pytest.raises(InvalidStatus) as refusal, listening(visitor, "news", "https://evil.example"):
            pass
        assert refusal.value.response.status_code == 403


@pytest.mark.parametrize("path", ["/Caddyfile", "/src/Jwt.php", "/send_cli.php", "/.env", "/src/", "/src"])
def test_the_insides_of_the_application_are_not_served(visitor: Browser, path: str) -> None:
    answer = visitor.get(path)
    assert answer.status in (200, 404)
    assert answer.status == 404 or answer.body == b""


def test_assets_are_served_as_what_they_are(visitor: Browser) -> None:
    for name, kind in (("app.css", "text/css"), ("app.js", "text/javascript"), ("icon.svg", "image/svg+xml")):
        answer = visitor.get(f"/assets/{name}")
        assert (answer.status, answer.headers.get_content_type()) == (200, kind)


def test_cookies_keep_their_flags_through_the_server(visitor: Browser) -> None:
    cookie = visitor.login("ada").cookie("AUTH_TOKEN")
    assert (cookie["httponly"], cookie["samesite"], cookie["secure"]) == (True, "Strict", "")


def test_a_form_of_10_mb_is_too_much(visitor: Browser) -> None:
    visitor.login("ada")
    body = "channel=a&message=" + "x" * (10 * 1024 * 1024 - 100)
    assert visitor.request("POST", "/send.php", body, FORM).status == 413


def refusal_to_start(settings: dict[str, str], folder: Path) -> str:
    """Start the server with these settings; what it says when it does not start."""
    done = subprocess.run(
        demo_command(folder, settings),
        cwd=CHECKOUT,
        env=demo_environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize("is_empty", [False, True])
@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("BROADCAST_SECRET_KEY", '\t\tbroadcast_secret "{$BROADCAST_SECRET_KEY}"'),
        ("JWT_SECRET_KEY", "\tenv JWT_SECRET_KEY {$JWT_SECRET_KEY}"),
    ],
)
def test_a_missing_secret_is_an_error_that_names_it(
    tmp_path: Path, name: str, option: str, is_empty: bool
) -> None:
    settings = demo_settings(free_port())
    del settings[name]
    if is_empty:
        settings[name] = ""
    said = refusal_to_start(settings, tmp_path)
    line = (CHECKOUT / "app/Caddyfile").read_text().splitlines().index(option) + 1
    assert f"app/Caddyfile:{line}: " in said
    assert name in said


def test_the_defaults_are_those_of_the_readme() -> None:
    env = {name: value for name, value in os.environ.items() if name not in OUR_SETTINGS}
    done = subprocess.run(
        [sys.executable, "-m", "tornado_realtime", "adapt", "--config", "app/Caddyfile"],
        cwd=CHECKOUT,
        env=env | {"BROADCAST_SECRET_KEY": "s" * 32, "JWT_SECRET_KEY": "s" * 32},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert ":8080" in done.stdout


def test_the_caddyfile_is_formatted() -> None:
    command = [sys.executable, "-m", "tornado_realtime", "fmt", "app/Caddyfile"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout
