"""Two thousand clients that send their heads a byte at a time; nobody else notices."""

from __future__ import annotations

import asyncio
import http.client
import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest
import websockets

from tests.support.php_app import free_port
from tests.support.running import get, running

SLOW_SIZE = 2000
SECRET = "k" * 32
# Half of them begin as the fast lane likes it, the others are Tornado's from the first bytes on.
BEGINNINGS = (b"GET /ws HTTP/1.1\r\nHost: a\r\nCookie: ", b"GET /page HTTP/1.1\r\nHost: a\r\nX: ")

CADDYFILE = """
{{
    servers {{
        timeouts {{
            read_header 2s
        }}
    }}
}}
http://127.0.0.1:{port} {{
    @realtime path /ws /internal/*
    handle @realtime {{
        go_handler {{
            broadcast_secret s
            jwt {{
                secret {secret}
            }}
        }}
    }}
    respond page
}}
"""


@pytest.fixture(autouse=True)
def descriptors() -> Iterator[None]:
    """Enough of them for this process, too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Slow:
    """Clients that dribble."""

    def __init__(self, port: int) -> None:
        self.sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(SLOW_SIZE)]
        for number, sock in enumerate(self.sockets):
            sock.setblocking(False)
            sock.send(BEGINNINGS[number % 2])

    def dribble(self) -> int:
        """One byte more from each that is still served; how many those are."""
        for sock in list(self.sockets):
            try:
                sock.send(b"x")
                if sock.recv(1000) is not None:
                    raise ConnectionResetError
            except BlockingIOError:
                continue
            except ConnectionError:
                sock.close()
                self.sockets.remove(sock)
        return len(self.sockets)

    def close(self) -> None:
        for sock in self.sockets:
            sock.close()


def publish(port: int, message: str) -> int:
    """Status of one publication."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        fields = {"X-Broadcast-Secret": "s", "Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", "/internal/broadcast", f"channel=news&message={message}", fields)
        return connection.getresponse().status
    finally:
        connection.close()


def test_slow_clients_hold_up_nobody_and_are_ended(tmp_path: Path) -> None:
    port = free_port()
    cookie = "AUTH_TOKEN=" + jwt.encode({"sub": "u1"}, SECRET, "HS256")

    def connect() -> websockets.connect:
        return websockets.connect(
            f"ws://127.0.0.1:{port}/ws", compression=None, additional_headers={"Cookie": cookie}
        )

    async def main() -> None:
        async with connect() as healthy:
            await healthy.send('{"action":"subscribe","channel":"news"}')
            await (await healthy.ping())
            slow = await asyncio.to_thread(Slow, port)
            try:
                left, round_trips = SLOW_SIZE, 0
                while left:
                    left = await asyncio.to_thread(slow.dribble)
                    round_trips += 1
                    assert await asyncio.to_thread(publish, port, f"m{round_trips}") == 202
                    assert await asyncio.wait_for(healthy.recv(), 5) == f"m{round_trips}"
                    async with connect() as newcomer:
                        await (await newcomer.ping())
                    assert await asyncio.to_thread(get, port, "/page") == (200, b"page")
                assert round_trips > 2
            finally:
                slow.close()

    with running(tmp_path, CADDYFILE.format(port=port, secret=SECRET)) as server:
        asyncio.run(asyncio.wait_for(main(), 60))
        assert server.stop() == 0
        assert "Traceback" not in server.log
