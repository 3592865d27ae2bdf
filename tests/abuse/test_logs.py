"""What nobody may read in a log, and what nobody may write into one."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import jwt
import pytest
import websockets
from websockets.exceptions import WebSocketException

from tests.support.lane_requests import head, publish_fields, upgrade_fields
from tests.support.php_app import free_port
from tests.support.running import RunningServer, running

# Distinctive, so that finding one of them anywhere is finding a leak.
KEY = "key-5b1f0c7e-of-at-least-32-bytes-of-text"
SECRET = "secret-90d2a7"
REDIS_PASSWORD = "redispw-4be1"
ENDPOINT_PASSWORD = "endpointpw-77ce"
GUESS = "guess-3fa9"
COOKIE = "cookie-1de5"
BASIC = "basicpw-8c20"
QUERY = "query-6e3b"
PAYLOAD = "payload-ab47"
SPOKEN = "spoken-29f0"
SESSION = "session-e4d7"
REASON = "reason-c1d8"

CADDYFILE = """
{{
	debug
	grace_period 1s
	log machine {{
		output file process.json
		format json
		level DEBUG
	}}
}}
http://:{port} {{
	log json {{
		output file access.json
	}}
	log lines {{
		output file access.txt
		format console
	}}
	@rt path /ws /sse /internal/*
	handle @rt {{
		go_handler {{
			wire envelope
			resume 10m
			broadcast_secret {secret}
			jwt {{
				secret {key}
			}}
		}}
	}}
	handle /up/* {{
		reverse_proxy 127.0.0.1:{nobody}
	}}
	respond page
}}
http://:{lane} {{
	go_handler {{
		broadcast_secret {secret}
		jwt {{
			secret {key}
		}}
	}}
}}
http://:{redis} {{
	go_handler {{
		driver redis
		redis_address redis://:{redis_password}@127.0.0.1:{nobody}/0
		auth_endpoint http://login:{endpoint_password}@127.0.0.1:{nobody}/auth.php?key={query}
		broadcast_secret {secret}
	}}
}}
"""
FORGED = "2026-01-01T00:00:00.000Z ERROR   forged"
NASTY = (
    f"\n{FORGED}",
    f"\r{FORGED}",
    f"\r\n{FORGED}",
    "\x1b[2J\x1b]0;title\x07",
    "\x9b31m",
    "\u2028line\u2029",
    "\u202edetrevni",
    "\x00\x08\x7f\x85",
    '","level":"error","msg":"forged"}',
    "%s%n%(message)s{0}",
)
TICKET = re.compile(r"REALTIME_TICKET=([^;\s]+)")
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (DEBUG|INFO|WARNING|ERROR) +\S.*")
ACCESS_LINE = re.compile(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{3}\t(INFO|ERROR)\thttp\.log\.access\.\w+\t\S.*")
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Logged:
    """A server that logs everything it can, everywhere it can."""

    server: RunningServer
    folder: Path
    ports: tuple[int, ...]

    def texts(self) -> dict[str, str]:
        """All logs, after the end."""
        assert self.server.stop() == 0
        names = ("server.log", "process.json", "access.json", "access.txt")
        return {name: (self.folder / name).read_text(encoding="utf-8") for name in names}


@pytest.fixture
def logged(tmp_path: Path) -> Iterator[Logged]:
    port, lane, redis, nobody = (free_port() for _ in range(4))
    text = CADDYFILE.format(
        port=port,
        lane=lane,
        redis=redis,
        nobody=nobody,
        key=KEY,
        secret=SECRET,
        redis_password=REDIS_PASSWORD,
        endpoint_password=ENDPOINT_PASSWORD,
        query=QUERY,
    )
    with running(tmp_path, text, "--bind", "127.0.0.1") as server:
        yield Logged(server, tmp_path, (port, lane, redis))


def token(subject: str, **header: str) -> str:
    return jwt.encode({"sub": subject}, KEY, "HS256", {**header})


def ask(port: int, request: bytes) -> bytes:
    """One request, and the head of its answer."""
    with socket.create_connection(("127.0.0.1", port), 20) as sock:
        sock.sendall(request)
        heard = b""
        while b"\r\n\r\n" not in heard and (data := sock.recv(65536)):
            heard += data
    return heard


def posted(*fields: str, body: str, path: str = "/internal/broadcast") -> bytes:
    lines = publish_fields(f"X-Broadcast-Secret: {SECRET}", "Connection: close", *fields, body=body.encode())
    return head(f"POST {path} HTTP/1.1", *lines) + body.encode()


def handshake(*fields: str, path: str = "/ws") -> bytes:
    return head(f"GET {path} HTTP/1.1", *upgrade_fields("-Cookie", *fields))


def secretive_requests() -> Iterator[bytes]:
    """Everything that carries a secret, served or refused."""
    mine, bad = token("somebody"), token("somebody")[:-3] + "xxx"
    basic = base64.b64encode(f"login:{BASIC}".encode()).decode()
    for login in (mine, bad, COOKIE):
        yield handshake(f"Cookie: AUTH_TOKEN={login}; other={COOKIE}")
        yield handshake(f"Authorization: Bearer {login}")
        yield handshake(f"Sec-WebSocket-Protocol: realtime.v1.json, bearer.{login}, ticket.{login}")
        yield handshake(f"Cookie: AUTH_TOKEN={login}", path=f"/ws?token={login}&q={QUERY}")
        yield handshake(f"Cookie: AUTH_TOKEN={login}", "Sec-WebSocket-Key: bad")
        yield handshake(f"Cookie: AUTH_TOKEN={login}", "Origin: http://evil.example")
    yield handshake(f"Authorization: Basic {basic}", f"Proxy-Authorization: Basic {basic}")
    for path in ("/page", "/up/x", "/internal/nothing", f"/internal/metrics?q={QUERY}"):
        yield head(f"GET {path} HTTP/1.1", "Host: localhost", "Connection: close", f"Cookie: a={COOKIE}")
        yield head(f"GET {path} HTTP/1.1", "Host: localhost", "Connection: close", f"Authorization: {BASIC}")
    for body in (
        f"channel=c&message={PAYLOAD}",
        f"channel=c&message={PAYLOAD};",
        f"channel=&message={PAYLOAD}",
    ):
        yield posted(body=body)
        yield posted(f"X-Broadcast-Secret: {GUESS}", body=body)
        yield posted(body="", path=f"/internal/broadcast?{body}")
    for login in (mine, bad):
        fields = (f"Cookie: AUTH_TOKEN={login}", "Connection: close", "Host: localhost")
        yield head(f"GET /sse?channel=&q={QUERY} HTTP/1.1", *fields)
        said = (f"X-Realtime-Session: {SESSION}", f"Content-Length: {len(SPOKEN)}")
        yield head("POST /sse HTTP/1.1", *fields, *said) + SPOKEN.encode()
    for body in (f'{{"channel":"c","message":"{PAYLOAD}"}}', f'{{"channel":"c","message":"{PAYLOAD}"'):
        yield posted("Content-Type: application/json", body=body)


async def speak(port: int) -> None:
    """A client that says what nobody should repeat, in good and in bad frames."""
    address = f"ws://127.0.0.1:{port}/ws"
    for frames in ((f'{{"action":"{SPOKEN}"}}', f"{{{SPOKEN}", SPOKEN * 60), (SPOKEN.encode(), b"\xff")):
        async with websockets.connect(
            address, additional_headers={"Cookie": f"AUTH_TOKEN={token('somebody')}"}, compression=None
        ) as client:
            try:
                for frame in frames:
                    await client.send(frame)
                await client.close(4000, REASON)
            except WebSocketException:
                continue


def test_no_secret_is_in_any_log(logged: Logged) -> None:
    asked, tickets = 0, set()
    for request in secretive_requests():
        for port in logged.ports:
            heard = ask(port, request).decode("latin-1")
            tickets |= set(TICKET.findall(heard))
            asked += 1
    login = token("somebody")
    for ticket in tickets:
        ask(logged.ports[0], handshake(f"Cookie: AUTH_TOKEN={login}; REALTIME_TICKET={ticket}"))
        ask(logged.ports[0], handshake(f"Sec-WebSocket-Protocol: ticket.{ticket}, bearer.{login}"))
    for port in logged.ports[:2]:
        asyncio.run(speak(port))
    texts = logged.texts()
    assert asked > 100
    assert tickets
    assert len(texts["access.json"].splitlines()) >= asked // 3
    assert " DEBUG " in texts["server.log"]
    secrets = (
        KEY,
        SECRET,
        REDIS_PASSWORD,
        ENDPOINT_PASSWORD,
        GUESS,
        COOKIE,
        BASIC,
        QUERY,
        PAYLOAD,
        SPOKEN,
        SESSION,
    )
    encoded = (base64.b64encode(f"login:{BASIC}".encode()).decode(), token("somebody")[:-3], REASON)
    for name, text in texts.items():
        for secret in (*secrets, *encoded, *tickets):
            place = text.find(secret)
            assert place < 0, (name, secret, text[max(0, place - 300) : place + 100])


def nasty_requests(nasty: str) -> Iterator[bytes]:
    """Everything in which text of a stranger may come; as it is, and written so that HTTP lets it through."""
    text = nasty.encode("utf-8").decode("latin-1")
    for written in (text, quote(nasty)):
        yield head(f"GET /{written} HTTP/1.1", "Host: localhost", "Connection: close")
        yield head(f"GET /up/{written} HTTP/1.1", "Host: localhost", "Connection: close")
        yield head(f"G{written} / HTTP/1.1", "Host: localhost", "Connection: close")
        yield head("GET / HTTP/1.1", f"Host: {written}", "Connection: close")
        yield head("GET / HTTP/1.1", "Host: localhost", f"X-A: {written}", "Connection: close")
        yield head("GET / HTTP/1.1", "Host: localhost", f"X{written}: a", "Connection: close")
        yield head("GET / HTTP/1.1", "Host: localhost", f"X-Forwarded-For: {written}", "Connection: close")
        yield handshake(f"Cookie: AUTH_TOKEN={written}")
        yield handshake(f"Sec-WebSocket-Protocol: {written}")
    yield posted(body=f"channel={quote(nasty)}&message=no-json")
    yield posted("Content-Type: application/json", body=json.dumps({"channel": nasty, "message": nasty}))
    yield posted("Content-Type: application/json", body=json.dumps({nasty: 1}))
    yield handshake(f"Cookie: AUTH_TOKEN={token(nasty)}")
    yield handshake(f"Cookie: AUTH_TOKEN={token('somebody', kid=nasty)}")


async def listen(port: int, nasty: str) -> None:
    """Somebody of this name listens to a channel of this name, and cannot be told what is published there."""
    cookie = {"Cookie": f"AUTH_TOKEN={token(nasty)}"}
    async with websockets.connect(
        f"ws://127.0.0.1:{port}/ws", additional_headers=cookie, compression=None
    ) as client:
        await client.send(json.dumps({"action": "subscribe", "channel": nasty}))
        await client.recv()
        await asyncio.to_thread(ask, port, posted(body=f"channel={quote(nasty)}&message=no-json"))


def test_nobody_writes_lines_of_a_log(logged: Logged) -> None:
    for nasty in NASTY:
        asyncio.run(listen(logged.ports[0], nasty))
        for request in nasty_requests(nasty):
            for port in logged.ports:
                ask(port, request)
    texts = logged.texts()
    for name, text in texts.items():
        assert not CONTROL.search(text.replace("\t", "") if name == "access.txt" else text), name
    assert "was dropped" in texts["server.log"]
    assert not [line for line in texts["server.log"].split("\n")[:-1] if not LINE.fullmatch(line)]
    assert not [line for line in texts["access.txt"].split("\n")[:-1] if not ACCESS_LINE.fullmatch(line)]
    for name in ("process.json", "access.json"):
        entries = [json.loads(line) for line in texts[name].split("\n")[:-1]]
        assert entries
        assert not [entry for entry in entries if entry.get("msg") == "forged"]
