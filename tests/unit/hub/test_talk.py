"""What is kept for connections that talk, and that nothing of it stays."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from tests.support.connections import NotingOwner, ScriptedConnection
from tornado_realtime.auth import User
from tornado_realtime.connection import Connection, Limits
from tornado_realtime.errors import BrokerClosedError
from tornado_realtime.hub import Heart
from tornado_realtime.hub.talk import MOST_ERRORS, Talk
from tornado_realtime.metrics import Counters
from tornado_realtime.publication import Position, Publication, Taken
from tornado_realtime.wire.base import Farewell
from tornado_realtime.wire.commands import Publish, Refresh
from tornado_realtime.wire.v1 import V1, codes


class Closed:
    """A host that is closed, and notes whom it has to end."""

    def __init__(self) -> None:
        self.ended: list[tuple[str, Farewell]] = []

    def renewed(self, connection: Connection) -> None:
        pass

    def flooded(self, connection: Connection, why: str, farewell: Farewell) -> None:
        self.ended.append((why, farewell))
        connection.close(V1.farewell(farewell))

    async def publish(self, publication: Publication, key: str = "") -> Taken:
        raise BrokerClosedError("closed")

    def publish_now(self, publication: Publication, key: str = "") -> Taken | None:
        raise BrokerClosedError("closed")


class Desk:
    """A talk with one connection, and a token reader that a test answers for."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.asked: list[asyncio.Future[User]] = []
        self.host = Closed()
        self.talk = Talk(self.host, Heart(loop), Limits(), Counters(), self.login)
        self.connection = ScriptedConnection(NotingOwner(), wire=V1, user=User("u1"))

    async def login(self, token: str, connection: Connection) -> User:
        self.asked.append(asyncio.get_running_loop().create_future())
        return await self.asked[-1]

    def begin(self) -> str:
        self.talk.begun(self.connection)
        (name,) = self.talk._connections
        self.connection.writes.clear()
        return name


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


def test_a_connection_is_found_by_its_name_as_long_as_it_is_open() -> None:
    async def main() -> None:
        desk = Desk()
        name = desk.begin()
        assert desk.talk.find(name) is desk.connection
        desk.talk.closing(desk.connection)
        assert desk.talk.find(name) is None
        desk.talk.closing(desk.connection)

    run(main())


def test_who_leaves_takes_along_what_is_read_and_counted_for_it() -> None:
    async def main() -> None:
        desk = Desk()
        desk.begin()
        desk.talk.take(desk.connection, Refresh("t", 1))
        desk.talk.erred(desk.connection)
        await asyncio.sleep(0)
        desk.talk.closing(desk.connection)
        await asyncio.sleep(0)
        assert desk.asked[0].cancelled()
        talk = desk.talk
        assert not (talk._names or talk._connections or talk._errors or talk._refreshing)
        assert desk.connection.writes == []

    run(main())


def test_errors_are_counted_by_the_minute(monkeypatch: Any) -> None:
    async def main() -> None:
        desk = Desk()
        desk.begin()
        now = 59.0
        monkeypatch.setattr(desk.talk, "_clock", lambda: now)
        for _ in range(MOST_ERRORS):
            desk.talk.erred(desk.connection)
        now = 60.0
        for _ in range(MOST_ERRORS):
            desk.talk.erred(desk.connection)
        assert desk.connection.stage == "OPEN"
        desk.talk.erred(desk.connection)
        assert desk.connection.sent == V1.farewell(Farewell.ERRORS)
        desk.talk.erred(desk.connection)
        assert desk.host.ended == [("it makes more than 100 errors in a minute", Farewell.ERRORS)]

    run(main())


def test_what_a_closed_broker_is_given_is_answered() -> None:
    async def main() -> None:
        desk = Desk()
        desk.begin()
        command = Publish("a", b"1", 7)
        assert desk.talk.publish(desk.connection, command) is None
        assert desk.connection.sent == V1.failed(command, codes.UNDELIVERED)

    run(main())


def test_a_reader_that_breaks_is_an_internal_error(caplog: Any) -> None:
    async def main() -> None:
        desk = Desk()
        desk.begin()
        command = Refresh("t", 1)
        desk.talk.take(desk.connection, command)
        await asyncio.sleep(0)
        desk.asked[0].set_exception(ValueError("x"))
        for _ in range(3):
            await asyncio.sleep(0)
        assert desk.connection.sent == V1.failed(command, codes.INTERNAL)
        assert not desk.talk._refreshing
        assert [record.getMessage() for record in caplog.records] == ["a login could not be prolonged"]

    run(main())


@pytest.mark.parametrize(("user", "known"), [("ada", "u:3:ada:k"), ("", "c:{name}:k")])
def test_a_key_is_known_by_whose_it_is(user: str, known: str) -> None:
    async def main() -> None:
        desk = Desk()
        desk.connection.user = User(user)
        name, keys = desk.begin(), list[str]()

        def publish_now(publication: Publication, key: str = "") -> Taken:
            keys.append(key)
            return Taken(Position("e", 4))

        desk.host.publish_now = publish_now  # type: ignore[method-assign]
        for key in ("k", ""):
            assert desk.talk.publish(desk.connection, Publish("a", b"1", 7, key=key)) is None
        assert keys == [known.format(name=name), ""]
        assert b'"epoch":"e","offset":4' in desk.connection.sent

    run(main())
