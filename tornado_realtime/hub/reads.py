"""Streams that are read: equal questions at the same time are one, and not too many are asked at once."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from tornado_realtime.errors import BrokerError, BrokerUnavailableError
from tornado_realtime.publication import History, Last

if TYPE_CHECKING:
    from tornado_realtime.brokers.base import Broker
    from tornado_realtime.publication import Position, Publication

logger = logging.getLogger(__name__)

# Different questions that are under way to the broker; the others wait for their turn.
MOST_READS = 64


class Question(NamedTuple):
    """What Broker.history is asked.

    Attributes:
        size_bytes: Of messages that are wanted, where one answer of the broker holds less; of the newest few
            perhaps fewer, but the newest. 0 for one answer as it comes.
    """

    channel: str
    since: Position | Last | None
    limit: int
    reverse: bool = False
    size_bytes: int = 0


def newest(since: Position | Last | None, limit: int) -> Position | Last | None:
    """``since``, but for no more than ``limit`` of the newest, as the first of more would be answered."""
    return Last(min(since.count, limit)) if isinstance(since, Last) else since


Waiter = Callable[["History | BrokerError"], None]


class Reads:
    """Reads streams for one hub.

    Args:
        broker: Whose streams.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._waiters: dict[Question, list[Waiter]] = {}
        self._line: deque[Question] = deque()
        self._running: set[asyncio.Task[None]] = set()

    def at_once(self, question: Question) -> History | None:
        """The answer, if it is known without waiting.

        Raises:
            BrokerClosedError: The broker was closed.
        """
        return self._broker.history_now(
            question.channel, question.since, question.limit, reverse=question.reverse
        )

    def ask(self, question: Question, waiter: Waiter) -> bool:
        """Have ``waiter`` called with the answer, or what went wrong; never before this returns.

        Returns:
            Whether the question is asked anew; False if it was under way already.
        """
        waiters = self._waiters.get(question)
        if waiters is not None:
            waiters.append(waiter)
            return False
        self._waiters[question] = [waiter]
        self._line.append(question)
        self._go_on()
        return True

    async def close(self) -> None:
        """Read nothing more; nobody is told."""
        self._line.clear()
        self._waiters.clear()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _go_on(self) -> None:
        while self._line and len(self._running) < MOST_READS:
            task = asyncio.ensure_future(self._read(self._line.popleft()))
            self._running.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._go_on()

    async def _read(self, question: Question) -> None:
        found: History | BrokerError
        try:
            found = await (self._whole(question) if question.size_bytes else self._page(question))
        except BrokerError as error:
            found = error
        except Exception:
            logger.exception("the history of %r could not be read", question.channel)
            found = BrokerUnavailableError("internal error")
        for waiter in self._waiters.pop(question, ()):
            try:
                waiter(found)
            except Exception:
                # A bug of ours for one who waits must not silence the others.
                logger.exception("an answer about the history of %r failed", question.channel)

    async def _page(self, question: Question) -> History:
        channel, since, limit, reverse, _ = question
        return await self._broker.history(channel, since, limit, reverse=reverse)

    async def _whole(self, question: Question) -> History:
        """Page after page, from the place that is asked for; or back from the newest, which must be there."""
        since, limit = question.since, question.limit
        is_newest = isinstance(since, Last)
        if isinstance(since, Last):
            limit = min(limit, since.count)
        first = page = await self._page(question._replace(reverse=is_newest))
        items = list(page.items)
        while page.more and page.items and len(items) < limit and _size(items) < question.size_bytes:
            place = items[-1].position
            page = await self._page(Question(question.channel, place, limit - len(items), is_newest))
            if not page.recovered or page.position.epoch != first.position.epoch:
                return History(page.position, recovered=False)
            items += page.items
        if is_newest:
            return History(first.position, tuple(reversed(items)))
        return History(page.position, tuple(items), page.recovered, page.more)


def _size(items: list[Publication]) -> int:
    return sum(len(item.data) for item in items)
