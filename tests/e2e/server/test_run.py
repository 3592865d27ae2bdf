"""The server as a process: start, stop, force, reload, and what goes wrong."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import time
from pathlib import Path

import pytest
import websockets

from tests.support.php_app import free_port
from tests.support.running import RunningServer, get, run_cli, running

SITE = """
http://:{port} {{
	@rt path /ws /internal/broadcast
	handle @rt {{
		go_handler {{
			auth_endpoint http://localhost:{port}/who
			{options}
		}}
	}}
	handle /who {{
		respond `{{"id": "u1"}}`
	}}
	respond "{page}"
}}
"""


def site(port: int, options: str = "", page: str = "one") -> str:
    return SITE.format(port=port, options=options, page=page)


async def _closed_with(port: int, ask: object) -> int | None:
    async with websockets.connect(f"ws://127.0.0.1:{port}/ws", compression=None) as client:
        assert callable(ask)
        ask()
        await client.wait_closed()
        return client.close_code


def test_serves_a_message_and_stops_with_0(tmp_path: Path) -> None:
    port = free_port()

    async def hear() -> str:
        async with websockets.connect(f"ws://127.0.0.1:{port}/ws", compression=None) as client:
            await client.send('{"action":"subscribe","channel":"news"}')
            for _ in range(100):
                await asyncio.to_thread(get, port, "/internal/broadcast?channel=news&message=hi", "POST")
                try:
                    return str(await asyncio.wait_for(client.recv(), 0.1))
                except TimeoutError:
                    continue
        raise AssertionError("nothing was heard")

    with running(tmp_path, site(port)) as server:
        assert asyncio.run(hear()) == "hi"
        assert server.stop() == 0
        assert "Traceback" not in server.log


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_clients_are_told_goodbye(tmp_path: Path, number: signal.Signals) -> None:
    port = free_port()
    with running(tmp_path, site(port)) as server:
        assert asyncio.run(_closed_with(port, lambda: server.signal(number))) == 1001
        assert server.exit_code() == 0


def test_a_second_signal_forces(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, site(port)) as server:
        idle = socket.create_connection(("127.0.0.1", port))
        idle.sendall(_handshake(port))
        assert b"101" in idle.recv(200)  # and never answers the goodbye
        server.signal(signal.SIGINT)
        server.wait_for("SIGINT: stopping")
        server.signal(signal.SIGINT)
        assert server.exit_code() == 2
        idle.close()


def test_a_server_that_is_about_to_stop_is_not_ready_and_serves_on(tmp_path: Path) -> None:
    port = free_port()
    text = site(port).replace("/internal/broadcast\n", "/internal/broadcast /live /ready\n")
    with running(tmp_path, "{\n\tshutdown_delay 60s\n}\n" + text) as server:
        assert get(port, "/ready") == (200, b'{"ready":true}\n')
        server.signal(signal.SIGTERM)
        server.wait_for("SIGTERM: stopping")
        assert get(port, "/ready") == (503, b'{"ready":false,"reason":"the server is stopping"}\n')
        assert get(port, "/live") == (200, b'{"live":true}\n')
        assert get(port, "/internal/broadcast?channel=news&message=hi", "POST")[0] == 202
        with socket.create_connection(("127.0.0.1", port)) as late:
            late.sendall(_handshake(port))
            assert b"101" in late.recv(200)
        server.signal(signal.SIGTERM)
        assert server.exit_code() == 2


def test_matchers_that_keep_ready_out_are_told_of(tmp_path: Path) -> None:
    said = "Caddyfile:5: no request for /ready gets past @rt to this go_handler"
    with running(tmp_path, site(free_port())) as server:
        assert said in server.log
        assert server.stop() == 0
    code, out, err = run_cli("validate", cwd=tmp_path)
    assert (code, out) == (0, "Valid configuration\n")
    assert f"warning: {said}" in err


def test_sigquit_stops_at_once_and_sighup_does_nothing(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, site(port)) as server:
        server.signal(signal.SIGHUP)
        server.wait_for("SIGHUP is ignored")
        assert get(port)[1] == b"one"
        server.signal(signal.SIGQUIT)
        assert server.exit_code() == 2


def test_a_client_that_never_says_goodbye_is_dropped_after_the_grace_period(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, "{\n\tgrace_period 200ms\n}\n" + site(port)) as server:
        deaf = socket.create_connection(("127.0.0.1", port))
        deaf.sendall(_handshake(port))
        assert b"101" in deaf.recv(200)
        assert server.stop() == 0
        deaf.close()


def _handshake(port: int) -> bytes:
    return (
        f"GET /ws HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()


# -- reload --------------------------------------------------------------------------------------------


def _reload(server: RunningServer, folder: Path, text: str, says: str = "reloaded ") -> None:
    (folder / "Caddyfile").write_text(text, encoding="utf-8")
    server.signal(signal.SIGUSR1)
    server.wait_for(says)


def test_a_reload_changes_pages_and_keeps_clients_of_an_unchanged_go_handler(tmp_path: Path) -> None:
    port = free_port()

    async def stay(server: RunningServer) -> str:
        async with websockets.connect(f"ws://127.0.0.1:{port}/ws", compression=None) as client:
            await client.send('{"action":"subscribe","channel":"news"}')
            await asyncio.to_thread(_reload, server, tmp_path, site(port, page="two"))
            assert get(port) == (200, b"two")
            assert get(port, "/internal/broadcast?channel=news&message=still", "POST")[0] == 202
            return str(await asyncio.wait_for(client.recv(), 5))

    with running(tmp_path, site(port)) as server:
        assert get(port) == (200, b"one")
        assert asyncio.run(stay(server)) == "still"
        assert server.stop() == 0


def test_a_reload_ends_the_clients_of_a_changed_go_handler_with_1012(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, site(port)) as server:
        code = asyncio.run(
            _closed_with(port, lambda: _reload(server, tmp_path, site(port, "wire envelope"), "reloading"))
        )
        assert code == 1012
        server.wait_for("reloaded ")
        assert server.stop() == 0


def test_a_bad_file_changes_nothing(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, site(port)) as server:
        _reload(server, tmp_path, site(port, "wier raw", "two"), "not reloaded")
        assert "Caddyfile:7: unknown option wier" in server.log
        assert get(port) == (200, b"one")
        _reload(server, tmp_path, "http://:99999 {\n}\n", "Caddyfile:1: ")
        assert get(port) == (200, b"one")
        assert server.stop() == 0


def test_a_reload_opens_and_closes_listeners(tmp_path: Path) -> None:
    first, second = free_port(), free_port()
    with running(tmp_path, site(first)) as server:
        _reload(server, tmp_path, site(second, page="two"))
        assert get(second) == (200, b"two")
        with pytest.raises(OSError, match="refused"):
            get(first)
        assert server.stop() == 0


def test_a_port_that_is_taken_at_reload_changes_nothing(tmp_path: Path) -> None:
    port, taken = free_port(), socket.create_server(("127.0.0.1", 0))
    with taken, running(tmp_path, site(port)) as server:
        busy = taken.getsockname()[1]
        _reload(server, tmp_path, site(port, page="two") + site(busy), "not reloaded")
        assert get(port) == (200, b"one")
        assert server.stop() == 0


# -- what goes wrong at start ----------------------------------------------------------------------------


def _fails(folder: Path, *words: str, env: dict[str, str] | None = None) -> str:
    code, _out, err = run_cli("run", *words, cwd=folder, env=env)
    assert code == 1, err
    assert "Traceback" not in err
    return err


def test_a_port_in_use_is_said_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (tmp_path / "Caddyfile").write_text(site(port), encoding="utf-8")
        err = _fails(tmp_path)
    assert f"cannot listen on :{port}: the address is in use" in err


def test_files_that_are_no_configuration(tmp_path: Path) -> None:
    assert "there is no Caddyfile in this folder" in _fails(tmp_path)
    assert "nowhere" in _fails(tmp_path, "--config", "nowhere")
    for name, content in {"empty": b"", "binary": b"\x00\xff\xfe\x01" * 100}.items():
        (tmp_path / name).write_bytes(content)
        assert name in _fails(tmp_path, "--config", name)
    (tmp_path / "loop").write_text("import loop\n", encoding="utf-8")
    assert "loop:1:" in _fails(tmp_path, "--config", "loop")
    (tmp_path / "huge").write_bytes(b"respond hi\n" * 1_000_000)
    assert "huge" in _fails(tmp_path, "--config", "huge")
    assert "is a directory" in _fails(tmp_path, "--config", str(tmp_path)).lower()


def test_an_unset_secret_is_named(tmp_path: Path) -> None:
    (tmp_path / "Caddyfile").write_text(
        ":8080\ngo_handler {\n\tbroadcast_secret {$THE_SECRET}\n}\n", encoding="utf-8"
    )
    err = _fails(tmp_path)
    assert err.startswith("Caddyfile:3: ")
    assert "THE_SECRET" in err


def test_an_envfile_fills_in_and_does_not_override(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "env").write_text("PAGE=from-file\nOTHER=file\n", encoding="ascii")
    (tmp_path / "env").chmod(0o600)
    text = site(port, page="{$PAGE} {$OTHER}")
    with running(tmp_path, text, "--envfile", "env", env={"OTHER": "process"}) as server:
        assert get(port)[1] == b"from-file process"
        assert server.stop() == 0
    assert "env2" in _fails(tmp_path, "--envfile", "env2")


def test_bind_listens_only_there(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, site(port), "--bind", "127.0.0.1,::1,192.0.2.1") as server:
        assert get(port)[1] == b"one"
        assert "all interfaces" not in server.log
        assert f"http://127.0.0.1:{port}" in server.log
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.2", port), timeout=2)
        assert server.stop() == 0


def test_out_of_descriptors_pauses_and_goes_on(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, site(port), env={"TEST_DESCRIPTORS": "60"}) as server:
        limit = 60
        _limit_descriptors(server.process.pid, limit)
        idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(limit + 20)]
        server.wait_for("out of descriptors")
        for sock in idle:
            sock.close()
        server.wait_for("accepting connections again") if _poke(port) else None
        assert get(port)[1] == b"one"
        assert server.log.count("out of descriptors") == 1
        assert server.stop() == 0


def _limit_descriptors(pid: int, limit: int) -> None:
    import resource

    resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, limit))


def _poke(port: int) -> bool:
    """A connection that is accepted once there are descriptors again."""
    return get(port)[0] == 200


def test_no_child_and_no_socket_is_left(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, site(port)) as server:
        pid = server.process.pid
        assert server.stop() == 0
    assert not Path(f"/proc/{pid}/task").exists()
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_the_global_log_option_says_where_and_how(tmp_path: Path) -> None:
    port = free_port()
    options = "{\n\tlog {\n\t\toutput file own.log\n\t\tformat json\n\t}\n}\n"
    with running(tmp_path, options + site(port), ready=False) as server:
        log = tmp_path / "own.log"
        deadline = time.monotonic() + 20
        while "is ready" not in (log.read_text(encoding="utf-8") if log.exists() else ""):
            assert time.monotonic() < deadline, server.log
            time.sleep(0.02)
        assert server.stop() == 0
        entries = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        assert {"level", "ts", "logger", "msg"} <= set(entries[0])
        assert any("listening on" in entry["msg"] for entry in entries) or "listening on" in server.log


def test_debug_shows_more(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, "{\n\tdebug\n}\n" + site(port)) as server:
        idle = socket.create_connection(("127.0.0.1", port))
        idle.sendall(_handshake(port))
        assert b"101" in idle.recv(200)
        server.wait_for("DEBUG")
        assert server.stop() == 0
        idle.close()
