"""Sites over TLS: each name its certificate, WebSocket clients on Tornado's stream, versions."""

from __future__ import annotations

import asyncio
import signal
import ssl
import subprocess
from pathlib import Path

import jwt
import websockets

from tests.support.php_app import free_port
from tests.support.running import RunningServer, run_cli, running

SITES = """
https://localhost:{port} {{
	tls localhost.pem localhost.key
	handle /who {{
		respond `{{"id": "u1"}}`
	}}
	handle /ws {{
		go_handler {{
			jwt {{
				secret kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk
			}}
		}}
	}}
	handle /internal/* {{
		go_handler
	}}
	respond "local"
}}
https://other.test:{port} {{
	tls other.test.pem other.test.key
	respond "other"
}}
"""


def make_certificate(folder: Path, name: str) -> None:
    """A self-signed certificate, made as an operator would."""
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem", "-days", "2"),
            *("-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"),
        ],
        check=True,
        capture_output=True,
    )


async def _get(folder: Path, port: int, name: str) -> str:
    """The body of a page, fetched by a client that checks the certificate's name."""
    context = ssl.create_default_context(cafile=str(folder / f"{name}.pem"))
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
    writer.write(f"GET / HTTP/1.1\r\nHost: {name}:{port}\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.decode().partition("\r\n\r\n")[2]


def _websocket(folder: Path, port: int) -> websockets.connect:
    context = ssl.create_default_context(cafile=str(folder / "localhost.pem"))
    cookie = "AUTH_TOKEN=" + jwt.encode({"sub": "u1"}, "k" * 32, "HS256")
    return websockets.connect(
        f"wss://localhost:{port}/ws", ssl=context, compression=None, additional_headers={"Cookie": cookie}
    )


async def _socket_says(folder: Path, port: int) -> int | None:
    async with _websocket(folder, port) as client:
        await client.send('{"action":"subscribe","channel":"news"}')
        pong = await client.ping()
        await pong
        await client.close(1000)
        return client.close_code


def test_each_name_gets_its_certificate_and_its_site(tmp_path: Path) -> None:
    port = free_port()
    for name in ("localhost", "other.test"):
        make_certificate(tmp_path, name)
    with running(tmp_path, SITES.format(port=port)) as server:
        assert asyncio.run(_get(tmp_path, port, "localhost")) == "local"
        assert asyncio.run(_get(tmp_path, port, "other.test")) == "other"
        assert asyncio.run(_socket_says(tmp_path, port)) == 1000
        assert server.stop() == 0
        assert "Traceback" not in server.log


async def _certificate(port: int, name: str) -> bytes | None:
    """What a new client is shown."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
    found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return bytes(found) if found else None


def test_a_reload_brings_new_certificates_and_keeps_the_clients(tmp_path: Path) -> None:
    port = free_port()
    for name in ("localhost", "other.test"):
        make_certificate(tmp_path, name)

    async def main(server: RunningServer) -> None:
        before = [await _certificate(port, name) for name in ("localhost", "other.test")]
        async with _websocket(tmp_path, port) as client:
            make_certificate(tmp_path, "localhost")
            server.signal(signal.SIGUSR1)
            await asyncio.to_thread(server.wait_for, "reloaded Caddyfile")
            after = [await _certificate(port, name) for name in ("localhost", "other.test")]
            assert (after[0] != before[0], after[1] == before[1]) == (True, True)
            await (await client.ping())

    with running(tmp_path, SITES.format(port=port)) as server:
        asyncio.run(main(server))
        (tmp_path / "localhost.key").write_text("rubbish")
        server.signal(signal.SIGUSR1)
        server.wait_for("not reloaded, the old configuration stays")
        assert asyncio.run(_socket_says(tmp_path, port)) == 1000
        assert server.stop() == 0


def test_a_certificate_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    make_certificate(tmp_path, "localhost")
    make_certificate(tmp_path, "other.test")
    (tmp_path / "Caddyfile").write_text(
        "https://localhost:9443 {\n\ttls localhost.pem other.test.key\n}\n", encoding="utf-8"
    )
    code, _, err = run_cli("validate", cwd=tmp_path)
    assert code == 1
    assert err.startswith("Caddyfile:2: certificate localhost.pem with key other.test.key cannot be used")


def test_a_key_that_everybody_may_read_is_an_error(tmp_path: Path) -> None:
    make_certificate(tmp_path, "localhost")
    (tmp_path / "localhost.key").chmod(0o644)
    (tmp_path / "Caddyfile").write_text("https://localhost {\ntls localhost.pem localhost.key\n}\n")
    code, _, err = run_cli("validate", cwd=tmp_path)
    assert code == 1
    assert err.strip() == (
        "Caddyfile:2: key localhost.key may be read by everybody; change that with: chmod o-r localhost.key"
    )
