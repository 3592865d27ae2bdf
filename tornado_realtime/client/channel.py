"""One channel that a client is subscribed to: where it stands, and what each message does to that.

No input or output: a connection hands in what came (``docs/realtime-v1.md`` V4, V9), gets events for whoever
iterates, and sends what it is told to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tornado_realtime.client.values import (
    Event,
    History,
    Joined,
    Left,
    Message,
    Missed,
    Subscribed,
    message_from,
    present_from,
)
from tornado_realtime.publication import Position

Frame = Mapping[str, Any]
# From here on a subscription that the server ended should be made again by itself.
_RESUBSCRIBE = 2500
# Publications that are asked for at once; a server may give fewer.
_PAGE_SIZE = 250


class Channel:
    """One subscribed channel.

    Args:
        name: Its name.
        since: After which position to begin; None for what comes from now on.
        last: How many of the newest messages to begin with, if there is no position.
        presence: Whether to be told who is there.
        token: What is shown for it; empty for nothing.

    Attributes:
        position: Up to where everything was received; None where nothing is kept, or nothing is known yet.
        is_live: Whether the server confirmed the subscription on this connection.
    """

    def __init__(
        self,
        name: str,
        *,
        since: Position | None = None,
        last: int = 0,
        presence: bool = False,
        token: str = "",
    ) -> None:
        self.name = name
        self.position = since
        self.is_live = False
        self._last = last
        self._presence = presence
        self._token = token
        self._was_confirmed = False

    def request(self) -> dict[str, Any]:
        """The message that subscribes, once or again; whatever comes before the answer does not count."""
        self.is_live = False
        found: dict[str, Any] = {"action": "subscribe", "channel": self.name}
        if self.position is not None:
            found["since"] = {"epoch": self.position.epoch, "offset": self.position.offset}
        elif self._last and not self._was_confirmed:
            found["since"] = {"last": self._last}
        if self._presence:
            found["presence"] = True
        if self._token:
            found["token"] = self._token
        return found

    def confirmed(self, frame: Frame) -> list[Event]:
        """The server confirmed: it says where the stream stands, and what it will send again."""
        replay = frame.get("replay", 0)
        is_whole = not self._was_confirmed if self.position is None else frame.get("recovered", False)
        self.is_live = self._was_confirmed = True
        stands = Position(frame["epoch"], frame["offset"]) if "offset" in frame else None
        self.position = None if stands is None else Position(stands.epoch, stands.offset - replay)
        events: list[Event] = [] if is_whole else [Missed(self.name)]
        events.append(Subscribed(self.name, stands, replay))
        if self._presence and ("count" in frame or "members" in frame):
            events.append(present_from(self.name, frame))
        return events

    def has_hole(self, frame: Frame) -> bool:
        """Whether a confirmation leaves something out that the history may still have.

        So it is when too much was missed to be sent at once.
        """
        position = self.position
        if position is None or frame.get("recovered") is not False:
            return False
        return frame.get("epoch") == position.epoch and frame["offset"] > position.offset

    def reading(self) -> dict[str, Any]:
        """The message that asks for what is missing; nothing that comes meanwhile counts."""
        assert self.position is not None
        since = {"epoch": self.position.epoch, "offset": self.position.offset}
        found: dict[str, Any] = {
            "action": "history",
            "channel": self.name,
            "since": since,
            "limit": _PAGE_SIZE,
        }
        return found | {"token": self._token} if self._token else found

    def read(self, history: History) -> tuple[Message, ...]:
        """What a page of the history has of what is missing."""
        if history.messages:
            self.position = history.messages[-1].position
        return history.messages

    def give_up(self) -> None:
        """What is missing cannot be had: the next confirmation says so."""
        self.position = None

    def take(self, frame: Frame) -> tuple[list[Event], bool]:
        """A message about the channel came.

        Returns:
            What happened, and whether to subscribe again to catch up.
        """
        if not self.is_live:
            return [], False
        kind = frame["type"]
        if kind == "message":
            return self._message(frame)
        if kind == "gap":
            # What is kept is asked for; the answer says whether that was all.
            return ([], True) if self.position is not None else ([Missed(self.name)], False)
        if kind == "skipped" and self.position is not None:
            return [], not self._moved_to(frame["offset"])
        if kind == "epoch":
            self.position = Position(frame["epoch"], frame["offset"])
            return [], False
        if kind == "unsubscribed":
            self.is_live = False
            return [], frame.get("code", 0) >= _RESUBSCRIBE
        return self._presence_events(kind, frame), False

    def _message(self, frame: Frame) -> tuple[list[Event], bool]:
        offset = frame.get("offset")
        if offset is None:
            return [message_from(self.name, frame, "")], False
        if self.position is None or not self._moved_to(offset):
            return [], True
        return [message_from(self.name, frame, self.position.epoch)], False

    def _moved_to(self, offset: int) -> bool:
        """Whether ``offset`` is the next one, which it then stands at."""
        if self.position is None or offset != self.position.offset + 1:
            return False
        self.position = Position(self.position.epoch, offset)
        return True

    def _presence_events(self, kind: str, frame: Frame) -> list[Event]:
        if kind == "presence":
            return [present_from(self.name, frame)]
        if kind == "join":
            return [Joined(self.name, frame["user"], frame.get("info"), frame["count"])]
        if kind == "leave":
            return [Left(self.name, frame["user"], frame["count"])]
        return []
