"""A gate without a hub: what it does is noted, and what it has to wait for comes when a test says so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any, Literal

from tests.support.connections import ClockLoop, NotingOwner, ScriptedConnection
from tornado_realtime.connection import Connection
from tornado_realtime.hub import Heart
from tornado_realtime.hub.gate import Gate, Reply
from tornado_realtime.wire.commands import (
    AskPresence,
    ChannelCommand,
    Publish,
    ReadHistory,
    RefreshChannel,
    Subscribe,
    Unsubscribe,
)
from tornado_realtime.wire.denial import Answer, Denial, Refusal

NO = Refusal(Denial.FORBIDDEN, "because")


class Yard:
    """A gate, what it did, and decisions that a test makes one by one."""

    def __init__(self, channels_size: int = 128) -> None:
        self.loop = ClockLoop(1000.0)
        self.heart = Heart(self.loop.real)
        self.heart.start(lambda connection: None)
        self.gate = Gate(self, self, channels_size, self.heart, self.loop.time)
        self.connection = ScriptedConnection(NotingOwner())
        self.done: list[str] = []
        self.ttls: list[int | None] = []
        self.asked: list[asyncio.Future[Answer]] = []
        self.at_once: dict[str, Answer] = {}
        self.broker_waits = self.takes_time = False
        self.actions: list[str] = []
        self.publishing: list[asyncio.Future[Reply]] = []
        self.preparing: list[asyncio.Future[None]] = []
        self.needs_time = False

    def refusal(
        self, user: Any, channel: str, action: Literal["subscribe", "publish"], shown: str = ""
    ) -> Answer | Awaitable[Answer]:
        assert user == "u1"
        self.actions.append(action)
        if channel in self.at_once:
            return self.at_once[channel]
        self.asked.append(asyncio.get_running_loop().create_future())
        return self.asked[-1]

    def prepare(self, command: Subscribe) -> asyncio.Future[None] | None:
        if not self.needs_time:
            return None
        self.preparing.append(asyncio.get_running_loop().create_future())
        return self.preparing[-1]

    def subscribe(self, connection: Connection, command: Subscribe) -> bool:
        connection.channels.add(command.channel)
        self.done.append(f"+{command.channel}")
        self.ttls.append(command.ttl)
        return not self.takes_time

    def read(self, connection: Connection, command: ReadHistory) -> bool:
        self.done.append(f"<{command.channel}")
        return not self.takes_time

    def unsubscribe(self, connection: Connection, command: Unsubscribe) -> None:
        connection.channels.discard(command.channel)
        self.gate.left(connection, command.channel)
        self.done.append(f"-{command.channel}")

    def publish_for(self, connection: Connection, command: Publish) -> asyncio.Future[Reply] | None:
        self.done.append(f"*{command.channel}")
        return self._reply()

    def ask_presence(self, connection: Connection, command: AskPresence) -> asyncio.Future[Reply] | None:
        self.done.append(f"?{command.channel}")
        return self._reply()

    def _reply(self) -> asyncio.Future[Reply] | None:
        if not self.broker_waits:
            return None
        self.publishing.append(asyncio.get_running_loop().create_future())
        return self.publishing[-1]

    def prolong(self, connection: Connection, command: RefreshChannel, ttl: int | None) -> None:
        self.done.append(f"&{command.channel} {ttl}")

    def lapse(self, connection: Connection, channel: str) -> None:
        connection.channels.discard(channel)
        self.gate.left(connection, channel)
        self.done.append(f"~{channel}")

    def revoke(self, connection: Connection, channel: str, refusal: Refusal) -> None:
        connection.channels.discard(channel)
        self.done.append(f"x{channel}")

    def refuse(self, connection: Connection, command: ChannelCommand, refusal: Refusal) -> None:
        self.done.append(f"!{command.channel} {refusal.denial.name}")

    def overrun(self, connection: Connection) -> None:
        self.done.append("overrun")
        self.gate.forget(connection)

    def say(self, *words: str) -> None:
        """Commands: ``+channel`` subscribes, ``-`` unsubscribes, ``*`` publishes, ``?`` asks who is there.

        ``<`` reads what is kept, ``&channel token`` prolongs.
        """
        for word in words:
            channel, _, token = word[1:].partition(" ")
            commands: dict[str, ChannelCommand] = {
                "+": Subscribe(channel, token),
                "&": RefreshChannel(channel, token),
                "-": Unsubscribe(channel),
                "*": Publish(channel, b"1"),
                "?": AskPresence(channel),
                "<": ReadHistory(channel),
            }
            self.gate.take(self.connection, commands[word[0]])

    async def decide(self, answer: Answer | Exception = None, index: int = 0) -> None:
        future = self.asked.pop(index)
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)
        await asyncio.sleep(0)


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)
