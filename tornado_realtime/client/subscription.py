"""What is iterated over: the events of some channels, in the order in which they came."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from tornado_realtime.client.values import Message

if TYPE_CHECKING:
    from tornado_realtime.client.channel import Channel
    from tornado_realtime.client.values import Event

QUEUE_SIZE = 1000
"""Events that may wait to be iterated over; beyond it nothing more is read from the server."""


class Host(Protocol):
    """What a subscription needs of its client."""

    async def begin(self, subscription: Subscription) -> None:
        """Subscribe, and wait until the server has confirmed every channel."""

    async def end(self, subscription: Subscription) -> None:
        """Unsubscribe."""


class Subscription:
    """Some channels of one client; made by ``Client.subscribe``.

    Iterating over it subscribes, gives messages, and unsubscribes when it ends. ``async with`` subscribes at
    its beginning and unsubscribes at its end: inside, nothing is missed that is published from then on.

    Attributes:
        channels: The channels.
    """

    def __init__(self, host: Host, channels: Sequence[Channel]) -> None:
        self.channels = tuple(channels)
        self._host = host
        self._events: deque[Event] = deque()
        self._error: Exception | None = None
        self._begun = self._ended = False
        self._news = asyncio.Event()
        self._room = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self._begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def __aiter__(self) -> AsyncIterator[Message]:
        """The messages, without end.

        Raises:
            RequestError: A channel was refused, or taken away.
            ClientError: The connection is over for good.
        """
        async for event in self.events():
            if isinstance(event, Message):
                yield event

    async def events(self) -> AsyncIterator[Event]:
        """The same with everything else that happens on the channels: see ``Event``."""
        is_whole = not self._begun
        try:
            await self._begin()
            while not self._ended:
                while self._events:
                    yield self._events.popleft()
                    self._room.set()
                if self._error is not None:
                    raise self._error
                self._news.clear()
                await self._news.wait()
        finally:
            # Else what nobody reads would keep the client from reading anything.
            if is_whole:
                await self.close()

    async def close(self) -> None:
        """Unsubscribe; whoever iterates is at the end. Idempotent."""
        if not self._ended:
            self._ended = True
            self._events.clear()
            self._wake()
            if self._begun:
                await self._host.end(self)

    async def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            await self._host.begin(self)

    # -- what the client tells -----------------------------------------------------------------------

    async def put(self, event: Event) -> None:
        """Something happened; returns when there is room for the next event."""
        if self._ended:
            return
        self._events.append(event)
        self._news.set()
        while len(self._events) >= QUEUE_SIZE and not self._ended and self._error is None:
            self._room.clear()
            await self._room.wait()

    def fail(self, error: Exception) -> None:
        """It is over: whoever iterates gets what is there, and then the error."""
        if self._error is None:
            self._error = error
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._room.set()
