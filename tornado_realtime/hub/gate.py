"""Commands about channels: judged before they are carried out, in order on each channel of a connection.

What can be decided at once is carried out at once. While a decision is waited for, what the same client sends
about the same channel waits behind it; other channels and other clients do not. Publications do not wait
until the broker took those before them, as it keeps their order; their replies, and other commands, do.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol

from tornado_realtime.channels import is_good_name
from tornado_realtime.hub.passes import Passes
from tornado_realtime.wire.commands import (
    AskPresence,
    ChannelCommand,
    Publish,
    ReadHistory,
    RefreshChannel,
    Subscribe,
    Unsubscribe,
)
from tornado_realtime.wire.denial import Answer, Denial, Grant, Refusal

if TYPE_CHECKING:
    from tornado_realtime.connection import Connection
    from tornado_realtime.hub.heart import Heart

logger = logging.getLogger(__name__)

Reply = Callable[[], None]

_BAD_NAME = Refusal(Denial.BAD_NAME, "channel names: 1 to 255 bytes, no control characters")
_NO_PUBLISHERS = Refusal(Denial.FORBIDDEN, "nobody says who may publish")
_FAILED = Refusal(Denial.UNDECIDED, "the decision failed")
_ABSENT = Refusal(Denial.ABSENT, "no subscription to prolong")


@dataclass(frozen=True, slots=True)
class _Recheck:
    """Whether a client still may be subscribed to ``channel``.

    Attributes:
        token: What it showed for it.
    """

    channel: str
    token: str


@dataclass(frozen=True, slots=True)
class _Lapse:
    """What a client showed for ``channel`` has run out, unless it showed something else meanwhile."""

    channel: str


_ForSubscribers = Subscribe | AskPresence | ReadHistory | RefreshChannel | _Recheck
_Judged = _ForSubscribers | Publish
_Command = ChannelCommand | _Recheck | _Lapse


class Authorizer(Protocol):
    """Decides about channels."""

    def refusal(
        self, user: Any, channel: str, action: Literal["subscribe", "publish"], shown: str = ""
    ) -> Answer | Awaitable[Answer]:
        """Why not, or how long. Does not raise, nor does what it may return to be awaited."""


class Steps(Protocol):
    """What is done about a command once it is decided; the hub does it."""

    def prepare(self, command: Subscribe) -> asyncio.Future[None] | None:
        """Find out what a subscription needs to begin with; None if nothing. The future does not fail."""

    def subscribe(self, connection: Connection, command: Subscribe) -> bool:
        """Subscribe, once or again, and confirm; or begin to, False, and tell ``Gate.settled`` later."""

    def read(self, connection: Connection, command: ReadHistory) -> bool:
        """Answer with what is kept; or begin to, False, and tell ``Gate.settled`` later."""

    def unsubscribe(self, connection: Connection, command: Unsubscribe) -> None:
        """Unsubscribe and confirm."""

    def publish_for(self, connection: Connection, command: Publish) -> asyncio.Future[Reply] | None:
        """Publish, and confirm; or begin to, and return what will know how to do the rest.

        Publications that were begun keep their order. The future is not cancelled, and does not fail.
        """

    def ask_presence(self, connection: Connection, command: AskPresence) -> asyncio.Future[Reply] | None:
        """Say who is present; or begin to find out, and return what will know how to say it.

        The future is not cancelled, and does not fail.
        """

    def prolong(self, connection: Connection, command: RefreshChannel, ttl: int | None) -> None:
        """Confirm that a subscription lasts so many seconds from now on, or as long as the client likes."""

    def revoke(self, connection: Connection, channel: str, refusal: Refusal) -> None:
        """End a subscription that is not allowed any more."""

    def lapse(self, connection: Connection, channel: str) -> None:
        """End a subscription for which what was shown has run out."""

    def refuse(self, connection: Connection, command: ChannelCommand, refusal: Refusal) -> None:
        """Tell the client no."""

    def overrun(self, connection: Connection) -> None:
        """More commands wait for decisions than may: end this client."""


class _Line:
    """What waits on one connection: on each channel a decision, reading, or publications; commands behind."""

    __slots__ = ("behind", "busy", "deciding", "publishing", "size")

    def __init__(self) -> None:
        self.busy: set[str] = set()
        self.deciding: dict[str, asyncio.Future[Answer] | asyncio.Future[None]] = {}
        self.publishing: dict[str, deque[asyncio.Future[Reply]]] = {}
        self.behind: dict[str, deque[_Command]] = {}
        self.size = 0

    def holds(self, command: _Command) -> bool:
        """Whether ``command`` has to wait; a publication does not wait for publications."""
        channel = command.channel
        if channel in self.deciding or channel in self.behind or channel in self.busy:
            return True
        return channel in self.publishing and not isinstance(command, Publish)

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not (self.busy or self.deciding or self.publishing or self.behind)


class Gate:
    """Where every command about a channel passes.

    Args:
        authorizer: Decides; None lets everybody subscribe to everything, and publish nothing.
        steps: Carries out.
        channels_size: How many channels one connection may have, those it waits for included. As many
            commands may wait behind decisions, or for the broker.
        heart: Looks when what clients showed for channels runs out.
        clock: The loop's time.
    """

    def __init__(
        self,
        authorizer: Authorizer | None,
        steps: Steps,
        channels_size: int,
        heart: Heart,
        clock: Callable[[], float],
    ) -> None:
        self._authorizer = authorizer
        self._steps = steps
        self._channels_size = channels_size
        self._lines: dict[Connection, _Line] = {}
        self._passes = Passes(
            heart, clock, lambda connection, channel: self.take(connection, _Lapse(channel))
        )

    def take(self, connection: Connection, command: _Command) -> None:
        """Carry out, refuse, or keep a command until what is before it is decided."""
        line = self._lines.get(connection)
        if line is None or not line.holds(command):
            self._begin(connection, command)
        elif self._has_room(connection, line):
            line.size += 1
            line.behind.setdefault(command.channel, deque()).append(command)

    def judge_again(self, connection: Connection) -> None:
        """Its user is another, in a way: what it is subscribed to is decided anew."""
        for channel in tuple(connection.channels):
            self.take(connection, _Recheck(channel, self._passes.token(connection, channel)))

    def left(self, connection: Connection, channel: str) -> None:
        """A subscription is over: what was shown for it counts no more."""
        self._passes.drop(connection, channel)

    def settled(self, connection: Connection, channel: str) -> None:
        """What was begun there is answered: go on with what waits behind it."""
        line = self._lines.get(connection)
        if line is not None and channel in line.busy:
            line.busy.remove(channel)
            line.size -= 1
            self._go_on(connection, line, channel)

    def forget(self, connection: Connection) -> None:
        """It is over: nothing that waits is decided or carried out any more; what is begun, is."""
        self._passes.forget(connection)
        line = self._lines.pop(connection, None)
        if line is not None:
            for deciding in line.deciding.values():
                deciding.cancel()

    @property
    def waiting(self) -> int:
        """How many decisions are waited for."""
        return sum(len(line.deciding) for line in self._lines.values())

    def _has_room(self, connection: Connection, line: _Line) -> bool:
        if line.size < self._channels_size:
            return True
        self._steps.overrun(connection)
        return False

    def _begin(self, connection: Connection, command: _Command) -> None:
        if isinstance(command, Unsubscribe):
            self._steps.unsubscribe(connection, command)
            return
        if isinstance(command, _Lapse):
            if self._passes.is_over(connection, command.channel):
                self._steps.lapse(connection, command.channel)
            return
        answer = self._judge(connection, command)
        if answer is None or isinstance(answer, Refusal | Grant):
            self._settle(connection, command, answer)
            return
        deciding = asyncio.ensure_future(answer)
        self._line(connection).deciding[command.channel] = deciding
        deciding.add_done_callback(partial(self._decided, connection, command))

    def _line(self, connection: Connection) -> _Line:
        return self._lines.setdefault(connection, _Line())

    def _judge(self, connection: Connection, command: _Judged) -> Answer | Awaitable[Answer]:
        channel = command.channel
        if isinstance(command, Publish):
            return self._judge_publisher(connection, command)
        if isinstance(command, _Recheck):
            return self._ask(connection, command) if channel in connection.channels else None
        if isinstance(command, RefreshChannel):
            return self._ask(connection, command) if channel in connection.channels else _ABSENT
        if channel in connection.channels:
            return None
        if not is_good_name(channel):
            return _BAD_NAME
        if isinstance(command, AskPresence | ReadHistory):
            return self._ask(connection, command)
        line = self._lines.get(connection)
        waiting = len(line.deciding) if line is not None else 0
        if len(connection.channels) + waiting >= self._channels_size:
            return Refusal(Denial.LIMIT, f"max_channels {self._channels_size}")
        return self._ask(connection, command)

    def _ask(self, connection: Connection, command: _ForSubscribers) -> Answer | Awaitable[Answer]:
        if self._authorizer is None:
            return None
        return self._authorizer.refusal(connection.user, command.channel, "subscribe", command.token)

    def _judge_publisher(self, connection: Connection, command: Publish) -> Answer | Awaitable[Answer]:
        if not is_good_name(command.channel):
            return _BAD_NAME
        if self._authorizer is None:
            return _NO_PUBLISHERS
        return self._authorizer.refusal(connection.user, command.channel, "publish", command.token)

    def _settle(self, connection: Connection, command: _Judged, answer: Answer) -> None:
        if isinstance(command, _Recheck):
            # Who cannot be judged keeps what it has, and what has run out is over by itself.
            if isinstance(answer, Refusal) and answer.denial is Denial.FORBIDDEN:
                self._steps.revoke(connection, command.channel, answer)
        elif isinstance(answer, Refusal):
            self._steps.refuse(connection, command, answer)
        elif isinstance(command, Subscribe):
            if command.channel not in connection.channels:
                self._keep(connection, command, answer)
            ttl = self._passes.ttl(connection, command.channel)
            self._subscribe(connection, command if ttl is None else replace(command, ttl=ttl))
        elif isinstance(command, RefreshChannel):
            self._keep(connection, command, answer)
            self._steps.prolong(connection, command, self._passes.ttl(connection, command.channel))
        elif isinstance(command, AskPresence):
            self._reply_later(connection, command, self._steps.ask_presence(connection, command))
        elif isinstance(command, ReadHistory):
            if not self._steps.read(connection, command):
                self._occupy(connection, command.channel)
        else:
            self._reply_later(connection, command, self._steps.publish_for(connection, command))

    def _keep(self, connection: Connection, command: Subscribe | RefreshChannel, grant: Grant | None) -> None:
        """Remember what a client showed that can show something else later, and how long it counts."""
        if command.token and connection.wire.talks:
            until = grant.until if grant is not None else None
            self._passes.put(connection, command.channel, command.token, until)

    def _subscribe(self, connection: Connection, command: Subscribe) -> None:
        preparing = self._steps.prepare(command)
        if preparing is None:
            self._begin_subscription(connection, command)
            return
        self._line(connection).deciding[command.channel] = preparing
        preparing.add_done_callback(partial(self._prepared, connection, command))

    def _prepared(self, connection: Connection, command: Subscribe, preparing: asyncio.Future[None]) -> None:
        line = self._lines.get(connection)
        if line is None or line.deciding.get(command.channel) is not preparing:
            return
        del line.deciding[command.channel]
        self._begin_subscription(connection, command)
        self._go_on(connection, line, command.channel)

    def _begin_subscription(self, connection: Connection, command: Subscribe) -> None:
        if not self._steps.subscribe(connection, command):
            self._occupy(connection, command.channel)

    def _occupy(self, connection: Connection, channel: str) -> None:
        """Let what comes about a channel wait until ``settled``."""
        line = self._line(connection)
        line.busy.add(channel)
        if self._has_room(connection, line):
            line.size += 1

    def _reply_later(
        self,
        connection: Connection,
        command: Publish | AskPresence,
        publishing: asyncio.Future[Reply] | None,
    ) -> None:
        if publishing is None:
            return
        line = self._line(connection)
        line.publishing.setdefault(command.channel, deque()).append(publishing)
        publishing.add_done_callback(partial(self._published, connection, command.channel))
        if self._has_room(connection, line):
            line.size += 1

    def _decided(self, connection: Connection, command: _Judged, deciding: asyncio.Future[Answer]) -> None:
        """A decision is there: carry it out, and what waits behind it."""
        line = self._lines.get(connection)
        if line is None or line.deciding.get(command.channel) is not deciding:
            return
        del line.deciding[command.channel]
        self._settle(connection, command, _answer(deciding))
        self._go_on(connection, line, command.channel)

    def _published(self, connection: Connection, channel: str, publishing: asyncio.Future[Reply]) -> None:
        """A publication is done: reply in the order in which they were begun, then go on."""
        line = self._lines.get(connection)
        waiting = line.publishing.get(channel) if line is not None else None
        if line is None or not waiting:
            return
        while waiting and waiting[0].done() and self._lines.get(connection) is line:
            line.size -= 1
            waiting.popleft().result()()
        if not waiting:
            del line.publishing[channel]
            self._go_on(connection, line, channel)

    def _go_on(self, connection: Connection, line: _Line, channel: str) -> None:
        """Carry out what waits behind, up to what has to be waited for."""
        behind = line.behind.pop(channel, None)
        while behind and not line.holds(behind[0]) and self._lines.get(connection) is line:
            line.size -= 1
            self._begin(connection, behind.popleft())
        if behind:
            line.behind[channel] = behind
        elif line.is_empty and self._lines.get(connection) is line:
            del self._lines[connection]


def _answer(deciding: asyncio.Future[Answer]) -> Answer:
    error = None if deciding.cancelled() else deciding.exception()
    if deciding.cancelled() or error is not None:
        logger.error("a decision about a channel failed unexpectedly", exc_info=error)
        return _FAILED
    return deciding.result()
