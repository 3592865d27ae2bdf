"""``tornado-realtime bench`` beside a real server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.php_app import free_port
from tests.support.running import run_cli, running

SECRET = "for-this-test-only"
SITE = """
http://localhost:{port} {{
	@rt path /ws /internal/broadcast
	handle @rt {{
		go_handler {{
			auth_endpoint http://localhost:{port}/who
			broadcast_secret {secret}
			wire {wire}
		}}
	}}
	handle /who {{
		@known header Cookie *login=yes*
		respond @known `{{"id": "u1"}}`
		respond 401
	}}
}}
"""


def _bench(folder: Path, port: int, *words: str, secret: str = SECRET) -> tuple[int, str, str]:
    url = f"http://localhost:{port}"
    small = ("--subscribers", "40", "--channels", "4", "--duration", "200ms", "--cookie", "login=yes")
    return run_cli("bench", url, *small, *words, cwd=folder, env={"BROADCAST_SECRET_KEY": secret})


@pytest.mark.parametrize("wire", ["raw", "envelope"])
def test_it_measures_the_server(tmp_path: Path, wire: str) -> None:
    port = free_port()
    with running(tmp_path, SITE.format(port=port, secret=SECRET, wire=wire)) as server:
        code, out, err = _bench(tmp_path, port, "--json")
        assert code == 0, err
        told = json.loads(out)
        limit, steady = told["parts"]
        assert limit["deliveries"] == limit["messages"] * 10 > 0
        assert steady["deliveries"] == steady["messages"] * 10 > 0
        assert told["handshakes_per_second"] > 0
        code, out, err = _bench(tmp_path, port, "--rate", "50")
        assert code == 0, err
        assert "Every message arrived exactly once." in out
        assert err.splitlines() == ["connecting", "proving that messages arrive", "measuring steady"]
        assert "Traceback" not in server.log
        assert server.stop() == 0


def test_what_the_server_refuses_is_told(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, SITE.format(port=port, secret=SECRET, wire="raw")) as server:
        code, out, err = _bench(tmp_path, port, secret="wrong")
        assert (code, out) == (1, "")
        assert "publishing was refused with 403" in err
        code, _, err = _bench(
            tmp_path, port, "--cookie", "x=y", "--header", "Origin: http://elsewhere.example"
        )
        assert code == 1
        assert "origin" in err
        code, _, err = run_cli("bench", f"localhost:{port}", cwd=tmp_path)
        assert code == 1
        assert "the handshake was refused with 401" in err
        assert server.stop() == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["http://192.0.2.7"], "--i-own-this-server"),
        (["gopher://localhost"], "is no server"),
        (["localhost:1", "--duration", "5"], "has no unit"),
        (["localhost:1", "--size", "huge"], "is not a size"),
        (["localhost:1", "--subscribers", "1000000"], "--subscribers must be from 1 to 20,000"),
        (["localhost:1", "--socket-path", "ws"], "begins with a slash"),
        (["localhost:1"], "nobody answers"),
        ([], "the following arguments are required: URL"),
    ],
)
def test_a_wrong_command_line_is_one_clear_line(tmp_path: Path, words: list[str], says: str) -> None:
    code, out, err = run_cli("bench", *words, cwd=tmp_path)
    assert (code, out) == (1, "")
    assert says in err
    assert "Traceback" not in err
