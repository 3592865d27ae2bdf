"""Commands about channels: judged before they are carried out, in order on each channel of a connection.

What can be decided at once is carried out at once. While a decision is waited for, what the same client sends
about the same channel waits behind it; other channels and other clients do not.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol

from tornado_realtime.channels import is_good_name
from tornado_realtime.wire.commands import Subscribe, Unsubscribe
from tornado_realtime.wire.denial import Denial, Refusal

if TYPE_CHECKING:
    from tornado_realtime.connection import Connection

logger = logging.getLogger(__name__)

Answer = Refusal | None
ChannelCommand = Subscribe | Unsubscribe

_BAD_NAME = Refusal(Denial.BAD_NAME, "channel names: 1 to 255 bytes, no control characters")
_FAILED = Refusal(Denial.UNDECIDED, "the decision failed")


class Authorizer(Protocol):
    """Decides about channels."""

    def refusal(
        self, user: Any, channel: str, action: Literal["subscribe", "publish"], shown: str = ""
    ) -> Answer | Awaitable[Answer]:
        """Why not; None if they may. Does not raise, nor does what it may return to be awaited."""


class Steps(Protocol):
    """What is done about a command once it is decided; the hub does it."""

    def subscribe(self, connection: Connection, channel: str) -> None:
        """Subscribe, once or again, and confirm."""

    def unsubscribe(self, connection: Connection, channel: str) -> None:
        """Unsubscribe and confirm."""

    def refuse(self, connection: Connection, channel: str, refusal: Refusal) -> None:
        """Tell the client no."""

    def overrun(self, connection: Connection) -> None:
        """More commands wait for decisions than may: end this client."""


class _Line:
    """What waits on one connection: a decision for each channel, and the commands behind it."""

    __slots__ = ("behind", "deciding", "size")

    def __init__(self) -> None:
        self.deciding: dict[str, asyncio.Future[Answer]] = {}
        self.behind: dict[str, deque[ChannelCommand]] = {}
        self.size = 0


class Gate:
    """Where every command about a channel passes.

    Args:
        authorizer: Decides; None lets everybody subscribe to everything.
        steps: Carries out.
        channels_size: How many channels one connection may have, those it waits for included. As many
            commands may wait behind decisions.
    """

    def __init__(self, authorizer: Authorizer | None, steps: Steps, channels_size: int) -> None:
        self._authorizer = authorizer
        self._steps = steps
        self._channels_size = channels_size
        self._lines: dict[Connection, _Line] = {}

    def take(self, connection: Connection, command: ChannelCommand) -> None:
        """Carry out, refuse, or keep a command until what is before it is decided."""
        line = self._lines.get(connection)
        if line is None or command.channel not in line.deciding:
            self._begin(connection, command)
        elif line.size >= self._channels_size:
            self._steps.overrun(connection)
        else:
            line.size += 1
            line.behind.setdefault(command.channel, deque()).append(command)

    def forget(self, connection: Connection) -> None:
        """It is over: nothing that waits is decided or carried out any more."""
        line = self._lines.pop(connection, None)
        if line is not None:
            for deciding in line.deciding.values():
                deciding.cancel()

    @property
    def waiting(self) -> int:
        """How many decisions are waited for."""
        return sum(len(line.deciding) for line in self._lines.values())

    def _begin(self, connection: Connection, command: ChannelCommand) -> None:
        channel = command.channel
        if isinstance(command, Unsubscribe):
            self._steps.unsubscribe(connection, channel)
            return
        answer = self._judge(connection, channel, command.token)
        if answer is None or isinstance(answer, Refusal):
            self._settle(connection, channel, answer)
            return
        deciding = asyncio.ensure_future(answer)
        self._lines.setdefault(connection, _Line()).deciding[channel] = deciding
        deciding.add_done_callback(partial(self._decided, connection, channel))

    def _judge(self, connection: Connection, channel: str, token: str) -> Answer | Awaitable[Answer]:
        if channel in connection.channels:
            return None
        if not is_good_name(channel):
            return _BAD_NAME
        line = self._lines.get(connection)
        waiting = len(line.deciding) if line is not None else 0
        if len(connection.channels) + waiting >= self._channels_size:
            return Refusal(Denial.LIMIT, f"max_channels {self._channels_size}")
        if self._authorizer is None:
            return None
        return self._authorizer.refusal(connection.user, channel, "subscribe", token)

    def _settle(self, connection: Connection, channel: str, refusal: Answer) -> None:
        if refusal is None:
            self._steps.subscribe(connection, channel)
        else:
            self._steps.refuse(connection, channel, refusal)

    def _decided(self, connection: Connection, channel: str, deciding: asyncio.Future[Answer]) -> None:
        """A decision is there: carry it out, and what waits behind it up to the next one to wait for."""
        line = self._lines.get(connection)
        if line is None or line.deciding.get(channel) is not deciding:
            return
        del line.deciding[channel]
        self._settle(connection, channel, _answer(deciding))
        behind = line.behind.pop(channel, None)
        while behind and channel not in line.deciding and self._lines.get(connection) is line:
            line.size -= 1
            self._begin(connection, behind.popleft())
        if behind:
            line.behind[channel] = behind
        elif not line.deciding:
            self._lines.pop(connection, None)


def _answer(deciding: asyncio.Future[Answer]) -> Answer:
    error = None if deciding.cancelled() else deciding.exception()
    if deciding.cancelled() or error is not None:
        logger.error("a decision about a channel failed unexpectedly", exc_info=error)
        return _FAILED
    return deciding.result()
