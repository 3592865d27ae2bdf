"""Clients listen and write down what they get; who loses its node goes to another one.

Most speak no subprotocol, listen to every channel, and get what their node gives them. Others speak
``realtime.v1.json``, listen to the channels with a history, go from node to node all the time, and ask for
what they missed.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from random import Random

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, WebSocketException
from websockets.typing import Subprotocol

from tests.chaos.history import Hearing, Message

RETRY = 0.2
STAY_SECONDS = (0.5, 3.0)  # at a node
V1 = Subprotocol("realtime.v1.json")
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

    subprotocols: tuple[Subprotocol, ...] = ()

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
        self.channels = channels
        self._ports = ports
        self._cookie = cookie
        self._note = note

    def stay(self) -> None:
        """Stay at the node where it is; most do anyway."""

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
                    subprotocols=self.subprotocols or None,
                    ping_interval=None,
                    open_timeout=5.0,
                    close_timeout=0.5,
                ) as connection:
                    await self._hear(node, connection)
            except (OSError, InvalidHandshake, WebSocketException, TimeoutError):
                pass
            await asyncio.sleep(RETRY)

    async def _hear(self, node: str, connection: ClientConnection) -> None:
        hearing = self._begin(node)
        try:
            for channel in self.channels:
                await connection.send(self._wish(channel))
            async for text in connection:
                await self._take(hearing, connection, str(text))
            hearing.closed = time.time()
        except WebSocketException:
            hearing.closed = time.time()
            raise

    def _begin(self, node: str) -> Hearing:
        hearing = Hearing(self.name, node)
        self.newest = {}
        self._note(hearing)
        return hearing

    def _wish(self, channel: str) -> str:
        return json.dumps({"action": "subscribe", "channel": channel})

    async def _take(self, hearing: Hearing, connection: ClientConnection, text: str) -> None:
        self._write_down(hearing, text)

    def _write_down(self, hearing: Hearing, text: str) -> None:
        if not text.startswith(FOREIGN):
            message = Message.parse(text)
            hearing.heard.append((message, time.time()))
            self.newest[message.channel, message.author] = message.number


@dataclass(slots=True)
class _Place:
    """Where a client is in one stream, and whether it waits to be told that."""

    epoch: str = ""
    offset: int = 0
    is_asked: bool = False


class RecoveringClient(Client):
    """One that asks for what it missed, as docs/realtime-v1.md says that clients do.

    Args:
        random: Where it takes from how long it stays at a node.
        complain: Told of errors, and when something cannot be had any more that is kept.
        keeps: Whether everything is.
        recovered: Told how many messages were.
    """

    subprotocols = (V1,)

    def __init__(
        self,
        name: str,
        ports: dict[str, int],
        channels: Sequence[str],
        cookie: str,
        note: Callable[[Hearing], None],
        *,
        random: Random,
        complain: Callable[[str], None],
        keeps: bool,
        recovered: Callable[[int], None],
    ) -> None:
        super().__init__(name, ports, channels, cookie, note)
        self._places = {channel: _Place() for channel in channels}
        self._random = random
        self._patience: asyncio.Timeout | None = None
        self._hearing: Hearing | None = None
        self._stays = False
        self._complain = complain
        self._keeps = keeps
        self._recovered = recovered

    def stay(self) -> None:
        """Go from node to node no longer."""
        self._stays = True
        if self._patience is not None:
            self._patience.reschedule(None)

    async def _hear(self, node: str, connection: ClientConnection) -> None:
        seconds = None if self._stays else self._random.uniform(*STAY_SECONDS)
        try:
            async with asyncio.timeout(seconds) as self._patience:
                await super()._hear(node, connection)
        except TimeoutError:
            assert self._hearing is not None
            self._hearing.closed = time.time()
        finally:
            self._patience = None

    def _begin(self, node: str) -> Hearing:
        newest = self.newest
        self._hearing = super()._begin(node)
        self._hearing.recovers = True
        self.newest = newest  # it goes on where it was
        return self._hearing

    def _wish(self, channel: str) -> str:
        place = self._places[channel]
        place.is_asked = True
        wish: dict[str, object] = {"action": "subscribe", "channel": channel, "id": channel}
        if place.epoch:
            wish["since"] = {"epoch": place.epoch, "offset": place.offset}
        return json.dumps(wish)

    async def _take(self, hearing: Hearing, connection: ClientConnection, text: str) -> None:
        frame = json.loads(text)
        place = self._places.get(frame.get("channel", ""))
        match frame["type"], place:
            case "ping", _:
                await connection.send('{"action":"pong"}')
            case "subscribed", _Place():
                self._placed(place, frame)
            case "epoch", _Place(is_asked=False):
                place.epoch, place.offset = frame["epoch"], frame["offset"]
            case "message", _Place(is_asked=False) if "offset" not in frame:
                self._write_down(hearing, frame["payload"])
            case "message", _Place(is_asked=False) if frame["offset"] == place.offset + 1:
                place.offset += 1
                self._write_down(hearing, frame["payload"])
            case (("message" | "gap"), _Place(is_asked=False)):
                await connection.send(self._wish(frame["channel"]))
            case "error", _ if frame.get("retry"):
                await asyncio.sleep(RETRY)
                await connection.send(self._wish(frame["channel"]))
            case "error", _:
                self._complain(f"{self.name} was told: {text}")

    def _placed(self, place: _Place, frame: dict[str, object]) -> None:
        """A subscription begins, or begins anew: what is replayed comes next."""
        epoch, offset, replay = frame["epoch"], frame["offset"], frame.get("replay", 0)
        assert isinstance(epoch, str)
        assert isinstance(offset, int)
        assert isinstance(replay, int)
        if place.epoch and self._keeps and not frame.get("recovered"):
            self._complain(f"{self.name} cannot go on at {place.epoch} {place.offset}: {json.dumps(frame)}")
        self._recovered(replay)
        place.epoch, place.offset, place.is_asked = epoch, offset - replay, False
