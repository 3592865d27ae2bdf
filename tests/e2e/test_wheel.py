"""What pip installs: the wheel in an environment of its own, far from the checkout, serves a message."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest
from websockets.sync.client import connect

from tests.support.php_app import free_port
from tests.support.running import get

CHECKOUT = Path(__file__).resolve().parents[2]
CADDYFILE = """
:{port}

handle /auth {{
	respond `{{"id": "ada"}}`
}}
go_handler {{
	auth_endpoint http://localhost:{port}/auth
	wire envelope
}}
"""


def environment() -> dict[str, str]:
    """This process's variables without those that would lead a Python back to the checkout."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def pip(*words: str, cwd: Path) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *words]
    done = subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command that the wheel installs."""
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(CHECKOUT), cwd=folder)
    (wheel,) = folder.glob("tornado_realtime-*.whl")
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    pip("--python", str(python), "install", "--quiet", str(wheel), cwd=folder)
    return folder / "venv" / "bin" / "tornado-realtime"


@contextmanager
def serving(program: Path, folder: Path) -> Iterator[int]:
    """Run the installed command in ``folder``; it must stop in order."""
    port = free_port()
    (folder / "Caddyfile").write_text(CADDYFILE.format(port=port), encoding="utf-8")
    log = folder / "server.log"
    with log.open("wb") as stream:
        process = subprocess.Popen([str(program), "run"], cwd=folder, env=environment(), stderr=stream)
    try:
        deadline = time.monotonic() + 20
        while b"is ready" not in log.read_bytes():
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        yield port
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


def test_the_wheel_serves_a_message(program: Path, tmp_path: Path) -> None:
    with serving(program, tmp_path) as port, connect(f"ws://localhost:{port}/ws") as client:
        client.send('{"action": "subscribe", "channel": "news"}')
        assert json.loads(client.recv(timeout=15)) == {"type": "subscribed", "channel": "news"}
        query = urlencode({"channel": "news", "message": '{"a": 1}'})
        assert get(port, f"/internal/broadcast?{query}", "POST")[0] == 202
        assert json.loads(client.recv(timeout=15))["payload"] == {"a": 1}


def test_the_wheel_comes_with_its_grammar_and_nothing_of_the_checkout(program: Path, tmp_path: Path) -> None:
    script = "import tornado_realtime as package; print(package.__path__[0])"
    python = program.with_name("python")
    done = subprocess.run(
        [str(python), "-c", script],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    installed = Path(done.stdout.strip())
    assert installed.is_relative_to(program.parents[1])
    assert (installed / "grammar" / "caddyfile.lark").is_file()
    assert (installed / "py.typed").is_file()
    browser = ("realtime.js", "realtime.min.js", "realtime.d.ts", "package.json")
    assert all((installed / "browser" / name).is_file() for name in browser)
    assert not [path for path in installed.parent.iterdir() if path.name in ("tests", "tools", "examples")]
