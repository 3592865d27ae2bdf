"""What the nodes on one broker tell and ask one another."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

from tornado_realtime.errors import BrokerError

if TYPE_CHECKING:
    from tornado_realtime.brokers.base import Broker
    from tornado_realtime.metrics import Counters

logger = logging.getLogger(__name__)

T = TypeVar("T")
Body = dict[str, Any]
Handler = Callable[[Body], "Body | Awaitable[Body | None] | None"]

# Messages of other nodes that are being worked on; beyond it they are ignored, and whoever asked is told.
MOST_TASKS = 1000


@dataclass(frozen=True, slots=True)
class Answers:
    """What came back to a question.

    Attributes:
        answers: One of each node that had something to say, this node included, as they came.
        missing: Nodes that the question reached and that did not answer in time.
    """

    answers: list[Body]
    missing: int


@dataclass(slots=True, eq=False)
class _Question:
    """A question that is still open."""

    complete: asyncio.Future[None]
    answers: list[Body] = field(default_factory=list)
    answered: int = 0
    asked: int | None = None  # nodes that got it; unknown until the broker said so

    def add(self, answer: Body | None) -> None:
        self.answered += 1
        if answer is not None:
            self.answers.append(answer)
        self.check()

    def check(self) -> None:
        if self.asked is not None and self.answered >= self.asked and not self.complete.done():
            self.complete.set_result(None)


class Nodes:
    """Messages between nodes, each a JSON object of some kind, at most once.

    What makes no sense to this node is ignored and counted: another version of the server may have sent it.

    Args:
        broker: Carries them.
        counters: Where ignored ones are counted.
    """

    def __init__(self, broker: Broker, counters: Counters) -> None:
        self._broker = broker
        self._counters = counters
        self._handlers: dict[str, Handler] = {}
        self._questions: dict[str, _Question] = {}
        self._numbers = count(1)
        self._tasks: set[asyncio.Future[Any]] = set()

    def on(self, kind: str, handler: Handler) -> None:
        """Let ``handler`` take every message of ``kind``, this node's own included.

        What it returns, or what it returns is awaited to, is the answer to a question; None is an answer
        with nothing to say. One that raises is logged and does not answer.

        Raises:
            ValueError: The kind has a handler already.
        """
        if kind in self._handlers:
            raise ValueError(f"node messages of kind {kind!r} have a handler already")
        self._handlers[kind] = handler

    async def tell(self, kind: str, body: Body) -> int:
        """Send to every node; this node's own handler gets it by the same road.

        Returns:
            How many nodes it went to.

        Raises:
            BrokerUnavailableError: The broker could not take it, or it is not known whether it did.
            BrokerClosedError: The hub is closed, or not started.
        """
        return await self._broker.tell(_dumped({"kind": kind, "body": body}))

    async def ask(self, kind: str, body: Body, timeout: float, to: str = "") -> Answers:
        """Send to every node, or to one, and collect what they answer.

        Args:
            kind: What it is about.
            body: The question.
            timeout: Seconds that it may take at most, the sending not counted.
            to: The name of one node; empty for all.

        Raises:
            BrokerUnavailableError: The question could not be sent, or it is not known whether it was.
            BrokerClosedError: The hub is closed, or not started.
        """
        name = str(next(self._numbers))
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        question = self._questions[name] = _Question(loop.create_future())
        note = {"kind": kind, "body": body, "ask": name, "from": self._broker.node_id}
        try:
            question.asked = await self._broker.tell(_dumped(note), to)
            question.check()
            await asyncio.wait([question.complete], timeout=max(0.0, deadline - loop.time()))
        finally:
            del self._questions[name]
        return Answers(question.answers, max(0, question.asked - question.answered))

    def told(self, message: bytes) -> None:
        """Take one message from the broker. Never raises and never waits."""
        match _loaded(message):
            case {"answer": str(name), "body": (dict() | None) as body}:
                if (question := self._questions.get(name)) is not None:  # else it is late
                    question.add(body)
            case {"kind": str(kind), "body": dict(body), "ask": str(name), "from": str(node)}:
                self._handle(kind, body, lambda answer: self._reply(node, name, answer))
            case {"kind": str(kind), "body": dict(body)}:
                self._handle(kind, body, _say_nothing)
            case _:
                self._counters.node_messages_ignored += 1

    async def close(self) -> None:
        """End what is being worked on, and handle nothing more; who still asks gets what is there."""
        self._handlers.clear()
        for question in self._questions.values():
            if not question.complete.done():
                question.complete.set_result(None)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _handle(self, kind: str, body: Body, reply: Callable[[Body | None], None]) -> None:
        handler = self._handlers.get(kind)
        if handler is None or len(self._tasks) >= MOST_TASKS:
            self._counters.node_messages_ignored += 1
            return
        try:
            answer = handler(body)
            if inspect.isawaitable(answer):
                task = self._keep(asyncio.ensure_future(answer))
                task.add_done_callback(lambda task: self._handled(kind, task, reply))
            else:
                reply(answer)
        except Exception:  # the handler's bug; the others go on
            logger.exception("a node message of kind %r could not be handled", kind)

    def _handled(
        self, kind: str, task: asyncio.Future[Body | None], reply: Callable[[Body | None], None]
    ) -> None:
        if task.cancelled():
            return
        try:
            reply(task.result())
        except Exception:  # the handler's bug; the others go on
            logger.exception("a node message of kind %r could not be handled", kind)

    def _reply(self, node: str, name: str, answer: Body | None) -> None:
        message = _dumped({"answer": name, "body": answer})
        if node == self._broker.node_id:
            self.told(message)
        else:
            self._keep(asyncio.ensure_future(self._send(node, message)))

    async def _send(self, node: str, message: bytes) -> None:
        try:
            await self._broker.tell(message, node)
        except (BrokerError, UnicodeEncodeError) as error:  # the latter: the name is not one of ours
            logger.debug("an answer to another node could not be sent: %s", error)

    def _keep(self, task: asyncio.Future[T]) -> asyncio.Future[T]:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _say_nothing(answer: Body | None) -> None:
    """Nobody asked."""


def _dumped(note: Body) -> bytes:
    return json.dumps(note, separators=(",", ":")).encode()


def _loaded(message: bytes) -> Any:
    try:
        return json.loads(message)
    except (ValueError, RecursionError):
        return None
