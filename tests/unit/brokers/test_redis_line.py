from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, cast

import pytest
from redis import exceptions

from tornado_realtime.brokers.redis.address import RedisAddress, Scheme
from tornado_realtime.brokers.redis.line import Line, needs_a_person
from tornado_realtime.errors import BrokerUnavailableError


class Connection:
    """What a line uses of redis-py's connection; it does as it is told."""

    def __init__(self) -> None:
        self.is_connected = True
        self.written: list[Any] = []
        self.reply: object = b"PONG"

    async def connect(self) -> None:
        return

    def pack_commands(self, commands: Iterable[object]) -> list[object]:
        return list(commands)

    async def send_packed_command(self, packed: list[object], check_health: bool) -> None:
        assert not check_health
        if isinstance(self.reply, OSError):
            raise self.reply
        self.written += packed

    async def read_response(self, disconnect_on_error: bool) -> object:
        assert not disconnect_on_error
        if isinstance(self.reply, Exception):
            raise self.reply
        if self.reply is None:
            await asyncio.Event().wait()
        return self.reply

    async def disconnect(self, nowait: bool) -> None:
        assert nowait
        raise exceptions.TimeoutError("closing took too long")


@pytest.fixture
def connection() -> Connection:
    return Connection()


@pytest.fixture
def line(connection: Connection) -> Line:
    def make(**options: object) -> Connection:
        assert options["socket_timeout"] is None
        return connection

    scheme = Scheme(cast("Callable[..., Any]", make))
    return Line(RedisAddress("h:1", scheme, {"password": "s3cret"}), 0.05)


def test_opening_needs_an_answer(line: Line, connection: Connection) -> None:
    asyncio.run(line.open())
    assert connection.written == [(b"PING",)]
    assert line.heard.is_set()


@pytest.mark.parametrize(
    ("reply", "reason", "person"),
    [
        (None, "no answer within 0.05 s", False),
        (exceptions.NoPermissionError("no permission for s3cret"), "no permission for ***", True),
        (exceptions.AuthenticationError("WRONGPASS"), "WRONGPASS", True),
        (exceptions.ConnectionError(""), "ConnectionError", False),
        (OSError(111, "refused"), "[Errno 111] refused", False),
    ],
)
def test_a_dial_that_fails_says_why(
    line: Line, connection: Connection, reply: object, reason: str, person: bool
) -> None:
    connection.reply = reply
    with pytest.raises(BrokerUnavailableError) as caught:
        asyncio.run(line.open())
    assert caught.value.reason == reason
    assert needs_a_person(caught.value) is person


def test_writing_never_dials(line: Line, connection: Connection) -> None:
    connection.is_connected = False
    with pytest.raises(BrokerUnavailableError, match="closed"):
        asyncio.run(line.write([(b"PING",)]))
    assert connection.written == []


def test_an_error_reply_is_an_answer(line: Line, connection: Connection) -> None:
    connection.reply = exceptions.ResponseError("no")
    assert asyncio.run(line.read()) is connection.reply
    assert line.heard.is_set()


def test_closing_never_fails(line: Line) -> None:
    asyncio.run(line.close())
