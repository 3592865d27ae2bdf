from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest
from redis import Redis
from websockets.exceptions import InvalidMessage, InvalidStatus
from websockets.sync.client import ClientConnection

from tests.e2e.examples.conftest import Listen
from tests.support.php_app import free_port
from tests.support.redis_server import RedisServer
from tests.support.running import RunningServer, get, running

SECRET = "a-secret-of-the-test"


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    folder = tmp_path / "redis"
    folder.mkdir()
    server = RedisServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def serving(folder: Path, caddyfile: Path, port: int, **env: str) -> Iterator[RunningServer]:
    """Serve a folder with an example's Caddyfile until the block ends; it must stop in order."""
    settings = {
        "AUTH_ENDPOINT": f"http://localhost:{port}/auth.php",
        "ALLOWED_ORIGINS": f"http://localhost:{port}",
        **env,
    }
    with running(folder, None, "--config", str(caddyfile), env=settings) as server:
        yield server
        assert server.stop() == 0, server.log


def publish(port: int, message: str, secret: str = "") -> int:
    query = urlencode({"channel": "news", "message": message})
    headers = {"X_Broadcast_Secret": secret} if secret else {}
    return get(port, f"/internal/broadcast?{query}", "POST", **headers)[0]


def raw_message(client: ClientConnection, port: int, message: str) -> str | bytes:
    """What comes when it is published; raw clients are not told when they are subscribed."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        assert publish(port, message) == 202
        try:
            return client.recv(timeout=0.2)
        except TimeoutError:
            continue
    raise AssertionError("nothing came")


def test_the_older_version_sends_raw_messages_through_redis(
    examples: Path, php_folder: Path, redis: RedisServer, listen: Listen
) -> None:
    port = free_port()
    address = {"SERVER_ADDRESS": str(port), "REDIS_ADDRESS": redis.address}
    with serving(php_folder, examples / "seed-older" / "Caddyfile", port, **address):
        assert get(port) == (200, b"Hello, 127.0.0.1")
        client = listen(port, origin=f"http://localhost:{port}")
        assert raw_message(client, port, "not JSON, unchanged") == "not JSON, unchanged"


def test_the_older_version_hears_other_nodes_on_the_same_redis(
    examples: Path, php_folder: Path, redis: RedisServer, listen: Listen
) -> None:
    port = free_port()
    address = {"SERVER_ADDRESS": str(port), "REDIS_ADDRESS": redis.address}
    with serving(php_folder, examples / "seed-older" / "Caddyfile", port, **address):
        client = listen(port)
        raw_message(client, port, "ready")
        with Redis(port=redis.port) as other_node:
            other_node.publish("realtime:news", "from elsewhere")
        message = client.recv(timeout=15)
        while message == "ready":
            message = client.recv(timeout=15)
        assert message == "from elsewhere"


def test_the_older_version_drops_pages_of_other_origins_without_an_answer(
    examples: Path, php_folder: Path, redis: RedisServer, listen: Listen
) -> None:
    port = free_port()
    address = {"SERVER_ADDRESS": str(port), "REDIS_ADDRESS": redis.address}
    with serving(php_folder, examples / "seed-older" / "Caddyfile", port, **address):
        with pytest.raises(InvalidMessage):
            listen(port, origin="http://elsewhere.example")
        with pytest.raises(InvalidStatus, match="401"):
            listen(port, headers={"Cookie": "AUTH_TOKEN=wrong"})


def test_the_newer_version_sends_envelopes(examples: Path, php_folder: Path, listen: Listen) -> None:
    port = free_port()
    settings = {"SITE_ADDRESS": f":{port}", "BROADCAST_SECRET_KEY": SECRET}
    with serving(php_folder, examples / "seed-newer" / "Caddyfile", port, **settings):
        assert get(port) == (200, b"Hello, 127.0.0.1")
        client = listen(port, origin=f"http://localhost:{port}")
        assert json.loads(client.recv(timeout=15)) == {"type": "subscribed", "channel": "news"}
        assert publish(port, '{"a": 1}') == 403
        assert publish(port, '{"a": 1}', SECRET) == 202
        expected = {"type": "message", "channel": "news", "payload": {"a": 1}}
        assert json.loads(client.recv(timeout=15)) == expected
        with pytest.raises(InvalidStatus, match="403"):
            listen(port, origin="http://elsewhere.example")
