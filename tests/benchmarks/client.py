"""One client that speaks realtime.v1.json in the simplest way: blocking, one thing at a time."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from tests.benchmarks.load import LoadError
from tests.benchmarks.room import Launch, cores
from tornado_realtime.wire.v1 import V1

PATIENCE_SECONDS = 60.0
_TEXT, _CLOSE, _MASKED = 0x81, 0x88, 0x80
_LONG, _LONGER = 126, 127


def handshake(launch: Launch, number: int, protocol: str = V1.name) -> bytes:
    """The request of a client with the login of this number."""
    logins = Path(launch.subscribe[launch.subscribe.index("--header-file") + 1])
    login = logins.read_text(encoding="ascii").splitlines()[number]
    offer = f"Sec-WebSocket-Protocol: {protocol}\r\n" if protocol else ""
    return (
        f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{launch.port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        f"Origin: http://127.0.0.1:{launch.port}\r\n{offer}{login}\r\n\r\n"
    ).encode()


def text_frame(text: bytes) -> bytes:
    """A text frame whose mask is zero, which RFC 6455 allows and which leaves the text as it is."""
    if len(text) < _LONG:
        head = bytes((_TEXT, _MASKED | len(text)))
    else:
        head = bytes((_TEXT, _MASKED | _LONG)) + len(text).to_bytes(2)
    return head + bytes(4) + text


class Client:
    """After its welcome.

    Args:
        launch: Of the server.
        number: Whose login it has.
    """

    def __init__(self, launch: Launch, number: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", launch.port), timeout=PATIENCE_SECONDS)
        self._file = self._socket.makefile("rb")
        self._socket.sendall(handshake(launch, number))
        status = self._file.readline()
        if not status.startswith(b"HTTP/1.1 101"):
            raise LoadError(f"refused: {status[:40]!r}")
        while self._file.readline().strip():
            pass
        self.read()

    def close(self) -> None:
        """Hang up."""
        self._file.close()
        self._socket.close()

    def say(self, *texts: bytes) -> None:
        """Send messages in one piece."""
        self._socket.sendall(b"".join(map(text_frame, texts)))

    def read(self) -> bytes:
        """The next message.

        Raises:
            LoadError: The server closes instead.
        """
        first, size = self._file.read(2)
        if size >= _LONG:
            size = int.from_bytes(self._file.read(2 if size < _LONGER else 8))
        payload = self._file.read(size)
        if first == _CLOSE:
            raise LoadError(f"closed: {payload[2:].decode()}")
        return payload

    def ask(self, **members: Any) -> dict[str, Any]:
        """Send one message, and get the next."""
        self.say(json.dumps(members).encode())
        found = json.loads(self.read())
        assert isinstance(found, dict)
        return found


@contextmanager
def client(launch: Launch, number: int) -> Iterator[Client]:
    """One that hangs up at the end."""
    found = Client(launch, number)
    try:
        yield found
    finally:
        found.close()


def publish(launch: Launch, channel: str, messages: Sequence[str]) -> None:
    """Publish some messages with one request.

    Raises:
        LoadError: They were refused.
    """
    name, _, value = launch.metrics[1].partition(": ")
    body = json.dumps({"batch": [{"channel": channel, "message": message} for message in messages]})
    connection = HTTPConnection("127.0.0.1", launch.port, timeout=PATIENCE_SECONDS)
    try:
        headers = {name: value, "Content-Type": "application/json"}
        connection.request("POST", "/internal/broadcast", body, headers)
        answer = connection.getresponse()
        if answer.status != 202:
            raise LoadError(f"publishing was answered with {answer.status}")
    finally:
        connection.close()


@contextmanager
def beside_the_server() -> Iterator[None]:
    """Work on the generator's core, not on the server's."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cores()[1]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
