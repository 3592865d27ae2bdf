from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"

INDEX = """<?php
echo "Hello, {$_SERVER['REMOTE_ADDR']}";
"""
AUTH = """<?php
error_log('asked by ' . $_SERVER['REMOTE_ADDR'] . ' for ' . ($_SERVER['HTTP_X_FORWARDED_FOR'] ?? 'nobody'));
if (($_COOKIE['AUTH_TOKEN'] ?? '') !== 'valid') {
    http_response_code(401);
    exit;
}
header('Content-Type: application/json');
echo json_encode(['id' => 'ada']);
"""

Listen = Callable[..., ClientConnection]


@pytest.fixture
def examples() -> Path:
    """The folder of the examples."""
    return EXAMPLES


@pytest.fixture
def php_folder(tmp_path: Path) -> Path:
    """An application of two pages; the cookie AUTH_TOKEN=valid is a login."""
    folder = tmp_path / "application"
    folder.mkdir()
    (folder / "index.php").write_text(INDEX, encoding="ascii")
    (folder / "auth.php").write_text(AUTH, encoding="ascii")
    return folder


@pytest.fixture
def listen() -> Iterator[Listen]:
    """Connects a logged-in client to the server on a port and subscribes it to ``news``."""
    with ExitStack() as stack:

        def connected(port: int, origin: str | None = None, **options: Any) -> ClientConnection:
            client = stack.enter_context(
                connect(
                    f"ws://localhost:{port}/ws",
                    origin=origin,  # type: ignore[arg-type]
                    additional_headers={"Cookie": "AUTH_TOKEN=valid"} | options.pop("headers", {}),
                    **options,
                )
            )
            client.send(json.dumps({"action": "subscribe", "channel": "news"}))
            return client

        yield connected
