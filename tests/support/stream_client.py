"""A client of realtime.v1.json that keeps the rules of V4, and fails where the server does not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tests.support.connections import payloads
from tornado_realtime.connection import Connection, Owner, Phase
from tornado_realtime.wire.v1 import V1

Message = tuple[int | None, Any]
"""Offset and payload; the payload is ``None`` for what was skipped."""


class AllMay:
    """Whoever wants may."""

    def refusal(self, *asked: Any) -> None:
        return None


class Ear:
    """What one client knows of one channel.

    Attributes:
        epoch: Of the last ``subscribed``.
        offset: Of what it got last.
        got: Everything that it was sent since the last ``subscribed``.
        replay: How many missed messages must still come before live ones.
        acks: Every ``subscribed``.
        is_subscribed: Whether messages may come.
        gaps: How often it was told since that something may be missing.
        heard: Everything that it can place, with its epoch; whoever looks at it may empty it.
    """

    def __init__(self) -> None:
        self.epoch = ""
        self.offset = 0
        self.got: list[Message] = []
        self.acks: list[dict[str, Any]] = []
        self.is_subscribed = False
        self.replay = 0
        self.gaps = 0
        self.heard: list[tuple[str, int | None, Any]] = []

    @property
    def position(self) -> dict[str, Any]:
        """As ``since`` wants it."""
        return {"epoch": self.epoch, "offset": self.offset}

    def hear(self, message: dict[str, Any]) -> None:
        """One message of the server about this channel."""
        kind = message["type"]
        if kind == "subscribed":
            assert not self.replay, "not all that was promised came"
            if self.is_subscribed and not self.gaps and self.epoch == message["epoch"]:
                # It changes nothing: what is told is what it has.
                assert "recovered" in message or message["offset"] == self.offset, (self.offset, message)
            # What has no position and came before is to be ignored, as it may come again.
            self.heard = [heard for heard in self.heard if heard[1] is not None]
            self.acks.append(message)
            self.is_subscribed, self.got, self.gaps = True, [], 0
            self.epoch, self.replay = message["epoch"], message.get("replay", 0)
            self.offset = message["offset"] - self.replay
        elif kind == "unsubscribed":
            self.is_subscribed = False
        elif kind == "gap":
            self.gaps += 1
        elif kind == "epoch":
            assert not self.replay, "not all that was promised came"
            self.epoch, self.offset = message["epoch"], message["offset"]
        elif kind in ("message", "skipped"):
            self._take(message)

    def _take(self, message: dict[str, Any]) -> None:
        assert self.is_subscribed, f"a message without a subscription: {message}"
        offset = message.get("offset")
        self.got.append((offset, message.get("payload")))
        if not self.gaps:
            self.heard.append((self.epoch, offset, message.get("payload")))
        if offset is None:
            assert not self.replay, "what has no position is never replayed"
            return
        if not self.gaps:
            assert offset == self.offset + 1, f"{offset} came after {self.offset}: {self.acks[-1]}"
        self.offset = offset
        self.replay = max(0, self.replay - 1)


class StreamClient(Connection):
    """A connection of a hub without a socket; what it is sent is read at once.

    Attributes:
        said: Everything that it was sent, as JSON.
        act: Called instead of the next write; how many bytes it takes.
        on_message: Called for each message, once it is noted.
        failures: Where the server broke a rule; raised into whoever wrote, too.
    """

    def __init__(self, hub: Owner, user: Any = "u1") -> None:
        super().__init__(hub, V1, user)
        self.said: list[dict[str, Any]] = []
        self.ears: dict[str, Ear] = {}
        self.act: Callable[[], int] | None = None
        self.on_message: Callable[[dict[str, Any]], None] = lambda message: None
        self.failures: list[AssertionError] = []
        self._half = b""

    def begin(self, early: bytes = b"") -> None:
        self._owner.begun(self)

    def say(self, action: str, channel: str = "log", **members: Any) -> None:
        """Send one message, if the connection is open."""
        if self.phase is Phase.OPEN:
            text = json.dumps({"action": action, "channel": channel, **members})
            self._owner.received(self, text.encode(), True)

    @property
    def name(self) -> str:
        """Its public name."""
        name = self.said[0]["client"]
        assert isinstance(name, str)
        return name

    def ear(self, channel: str = "log") -> Ear:
        return self.ears.setdefault(channel, Ear())

    def replies(self, name: int) -> list[dict[str, Any]]:
        """What was answered to a request."""
        return [message for message in self.said if message.get("id") == name]

    @property
    def payloads(self) -> list[Any]:
        """Of the messages since the last ``subscribed``."""
        return [payload for _, payload in self.ear().got]

    @property
    def offsets(self) -> list[int | None]:
        return [offset for offset, _ in self.ear().got]

    def _write(self, data: bytes) -> int:
        if self.act is not None:
            taken = self.act()
            self._read(data[:taken])
            return taken
        self._read(data)
        return len(data)

    def _writev(self, views: Sequence[memoryview]) -> int:
        return self._write(b"".join(views))

    def _read(self, data: bytes) -> None:
        self._half += data
        whole, self._half = _whole_frames(self._half)
        try:
            for payload in _texts(whole):
                self._hear(json.loads(payload))
        except AssertionError as failure:
            self.failures.append(failure)
            raise

    def _hear(self, message: dict[str, Any]) -> None:
        self.said.append(message)
        if "channel" in message and message["type"] != "error":
            self.ear(message["channel"]).hear(message)
        self.on_message(message)

    def _want_write(self, wanted: bool) -> None: ...

    def _hang_up(self) -> None: ...

    def _release(self) -> None: ...


def _texts(data: bytes) -> Iterable[bytes]:
    return (payload for payload in payloads(data) if payload.startswith(b"{"))


def _whole_frames(data: bytes) -> tuple[bytes, bytes]:
    """The whole frames at the beginning of ``data``, and the rest."""
    place = 0
    while len(data) - place >= 2:
        size, start = data[place + 1], place + 2
        if size == 126:
            if len(data) < place + 4:
                break
            size, start = int.from_bytes(data[place + 2 : place + 4]), place + 4
        if len(data) < start + size:
            break
        place = start + size
    return data[:place], data[place:]
