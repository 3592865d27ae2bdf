"""Clients listen to every channel and write down what they get; who loses its node goes to another one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from itertools import count

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, WebSocketException

from tests.chaos.history import Hearing, Message

RETRY = 0.2
FOREIGN = "/"  # how a message begins that no author wrote


class Client:
    """One WebSocket client.

    Args:
        name: Its own.
        ports: The nodes by name; the first one is where it begins.
        channels: What it subscribes.
        cookie: Its login.
        note: Takes every hearing when it begins.
    """

    def __init__(
        self,
        name: str,
        ports: dict[str, int],
        channels: Sequence[str],
        cookie: str,
        note: Callable[[Hearing], None],
    ) -> None:
        self.name = name
        self.newest: dict[tuple[str, int], int] = {}  #: of every author, since the connection was opened
        self._ports = ports
        self._channels = channels
        self._cookie = cookie
        self._note = note

    async def listen(self) -> None:
        """Connect and listen, again and again, until cancelled."""
        names = list(self._ports)
        for number in count():
            node = names[number % len(names)]
            try:
                async with connect(
                    f"ws://127.0.0.1:{self._ports[node]}/ws",
                    additional_headers={"Cookie": self._cookie},
                    compression=None,
                    ping_interval=None,
                    open_timeout=5.0,
                    close_timeout=0.5,
                ) as connection:
                    await self._hear(node, connection)
            except (OSError, InvalidHandshake, WebSocketException, TimeoutError):
                pass
            await asyncio.sleep(RETRY)

    async def _hear(self, node: str, connection: ClientConnection) -> None:
        hearing = Hearing(self.name, node)
        self.newest = {}
        self._note(hearing)
        try:
            for channel in self._channels:
                await connection.send(f'{{"action":"subscribe","channel":"{channel}"}}')
            async for text in connection:
                if str(text).startswith(FOREIGN):
                    continue
                message = Message.parse(str(text))
                hearing.heard.append((message, time.time()))
                self.newest[message.channel, message.author] = message.number
            hearing.closed = time.time()
        except WebSocketException:
            hearing.closed = time.time()
            raise
