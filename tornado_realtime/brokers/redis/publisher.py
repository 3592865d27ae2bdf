"""What goes out to Redis: publications and questions, pipelined over one connection each."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain

from redis.crc import key_slot
from redis.exceptions import NoScriptError, ResponseError

from tornado_realtime.brokers.redis.dialect import ELSEWHERE, PLAIN, Dialect
from tornado_realtime.brokers.redis.line import Command, Line
from tornado_realtime.brokers.redis.scripts import life_of
from tornado_realtime.errors import BrokerError, BrokerUnavailableError, Outcome

BATCH_BYTES = 65536  # what is not written yet can still be withdrawn, so batches stay small
COPY_MILLISECONDS = b"250"  # that replicas may take; whatever was sent behind it waits so long
QUEUE_BYTES = 64 * 1024 * 1024  # beyond it publishing is refused; one publication always fits


@dataclass(frozen=True, slots=True)
class Server:
    """What a command depends on: to whom it goes.

    Attributes:
        dialect: How it carries messages.
        life: Tells a start or a promotion of the server from all others; empty where it does not tell.
    """

    dialect: Dialect
    life: bytes = b""


Ask = Callable[["Parcel", Server], Command]
"""What a parcel asks of a server."""


def plainly(parcel: Parcel, server: Server) -> Command:
    """Publish it on its topic, and nothing else."""
    return (server.dialect.publish, parcel.topic, parcel.data)


@dataclass(slots=True, eq=False)
class Parcel:
    """One publication on its way to Redis, or one question.

    Attributes:
        topic: Redis' name of the channel; it goes to who serves that.
        data: The message.
        taken: Done when Redis took it, with its reply: to a plain publication the number of its clients
            that got it; fails with a BrokerError; cancelled when nobody waits.
        awaited: Whether this node itself listened to the topic when the parcel was handed in, and nobody
            else would notice if it got nothing.
        sent: Whether any of it may have reached Redis.
        ask: Says what Redis is to do.
        replicas: How many replicas must have it, too, before it is taken.
    """

    topic: bytes
    data: bytes
    taken: asyncio.Future[object] = field(repr=False)
    awaited: bool = False
    sent: bool = False
    ask: Ask = plainly
    replicas: int = 0

    @property
    def has_keys(self) -> bool:
        """Whether it is about keys of the slot of its topic, and so only who has them can take it."""
        return self.ask is not plainly

    def fail(self, error: BrokerError) -> None:
        """Tell the publisher that it was not taken, or, of one that was sent, that this is not known."""
        self._end(error, "unknown" if self.sent else "rejected")

    def refuse(self, error: BrokerError) -> None:
        """Tell the publisher that Redis answered, and did not take it."""
        self._end(error, "rejected")

    def _end(self, error: BrokerError, outcome: Outcome) -> None:
        if not self.taken.done():
            # A copy for each: one error raised in many places would collect all their tracebacks.
            copy = type(error)(*error.args)
            copy.outcome = outcome
            self.taken.set_exception(copy)

    def succeed(self, reply: object) -> None:
        """Tell the publisher that it was taken, and what Redis said."""
        if not self.taken.done():
            self.taken.set_result(reply)

    def withdraw(self) -> None:
        """Nobody waits for the outcome any longer; what is not sent yet never will be."""
        self.taken.cancel()  # on one that failed already: asyncio will not complain that nobody looked


async def answered(parcel: Parcel, seconds: float) -> bool:
    """Wait until it is known what became of ``parcel``, but not for ever; whether it is."""
    # Two waits: after this process was itself stopped for a while, the first is over at once,
    # before the answer that lies in the socket could be read.
    for _ in range(2):
        await asyncio.wait([parcel.taken], timeout=seconds / 2)
        if parcel.taken.done():
            return True
    return False


class Publisher:
    """Sends parcels in the order in which they were handed in; a session of a link.

    All that is handed in during one turn of the loop leaves in one write. There is one connection,
    because the order of two publications on one channel must not depend on luck.

    Args:
        ready: Called when a new connection is there.
        doubtful: Takes a parcel that Redis gave to nobody, not even to this node, which listened.
        dialect: How Redis carries messages.
        worry: Called when the connection is lost.
        sent_back: Takes a parcel that a node of a cluster does not serve, so that nobody got it.
    """

    name = "publishing"

    def __init__(
        self,
        ready: Callable[[], None],
        doubtful: Callable[[Parcel], None],
        dialect: Dialect = PLAIN,
        worry: Callable[[], None] = lambda: None,
        sent_back: Callable[[Parcel], None] | None = None,
    ) -> None:
        self._sent_back = sent_back
        self._ready = ready
        self._doubtful = doubtful
        self._server = Server(dialect)
        self._worry = worry
        self._line: Line | None = None
        self._waiting: deque[Parcel] = deque()
        self._sent: deque[Parcel | int | None] = (
            deque()
        )  # None: a PING; a number: a WAIT for so many replicas
        self._answers: list[tuple[Parcel, object]] = []  # those that the next WAIT is to settle
        self._queued_bytes = 0
        self._wake = asyncio.Event()
        self._ping_due = False
        self._answered = 0.0

    @property
    def online(self) -> bool:
        """Whether Redis can be reached, as far as is known."""
        return self._line is not None

    def owes(self, slot: int) -> bool:
        """Whether a publication on a channel of ``slot`` waits here, or for its answer."""
        parcels = chain(self._sent, self._waiting)
        return any(isinstance(parcel, Parcel) and key_slot(parcel.topic) == slot for parcel in parcels)

    def hand_in(self, parcel: Parcel) -> None:
        """Send ``parcel`` with the next write, or fail it at once."""
        if self._line is None:
            parcel.fail(BrokerUnavailableError("Redis is away"))
        elif self._queued_bytes and self._queued_bytes + len(parcel.data) > QUEUE_BYTES:
            parcel.fail(BrokerUnavailableError("too many publications wait for Redis"))
        else:
            self._waiting.append(parcel)
            self._queued_bytes += len(parcel.data)
            self._wake.set()

    def doubt(self, silence: float) -> None:
        """A publication had no answer: give the connection up if nothing had one for ``silence`` seconds.

        So only those who publish in the first moments of a stall wait in vain, not everybody until
        the next health check.
        """
        if self._line is None or asyncio.get_running_loop().time() - self._answered < silence:
            return
        line, error = self._line, BrokerUnavailableError("Redis stopped answering")
        self.end(error)
        line.abort(error)

    def begin(self, line: Line) -> None:
        """Publishing works from now on."""
        self._line = line
        self._server = Server(self._server.dialect, life_of(line.answers))
        self._answered = asyncio.get_running_loop().time()
        self._ready()

    def end(self, error: BrokerError) -> None:
        """Fail everything that was handed in; nothing of it is sent again, lest it arrive twice."""
        self._line = None
        lost = [*(parcel for parcel, _ in self._answers), *self._sent, *self._waiting]
        self._answers = []
        self._sent.clear()
        self._waiting.clear()
        self._queued_bytes = 0
        self._ping_due = False
        for parcel in lost:
            if isinstance(parcel, Parcel):
                parcel.fail(error)
        self._worry()

    def ping(self) -> None:
        """Send a PING with the next write."""
        self._ping_due = True
        self._wake.set()

    async def write(self, line: Line) -> None:
        """Send what waits, whenever something waits."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while commands := self._next_batch():
                await line.write(commands)

    async def read(self, line: Line) -> None:
        """Match every reply with its parcel; Redis answers in the order of the commands."""
        while True:
            reply = await line.read()
            self._answered = asyncio.get_running_loop().time()
            if not self._sent:
                raise BrokerUnavailableError("Redis answered what nobody asked")
            asked = self._sent.popleft()
            if isinstance(asked, Parcel):
                self._settle(asked, reply, line)
            elif asked is not None:
                self._settle_copied(_short_of(asked, reply, line))

    def _settle(self, parcel: Parcel, reply: object, line: Line) -> None:
        self._queued_bytes -= len(parcel.data)
        if isinstance(reply, ELSEWHERE) and self._sent_back is not None:
            self._sent_back(parcel)
        elif isinstance(reply, ResponseError):
            parcel.refuse(error := line.refusal(reply))
            if isinstance(reply, NoScriptError):  # all scripts are loaded anew over a new connection
                raise error
        elif reply == 0 and parcel.awaited:
            self._doubtful(parcel)
        elif parcel.replicas:
            self._answers.append((parcel, reply))
        else:
            parcel.succeed(reply)

    def _settle_copied(self, error: BrokerUnavailableError | None) -> None:
        answers, self._answers = self._answers, []
        for parcel, reply in answers:
            if error is None:
                parcel.succeed(reply)
            else:
                parcel.fail(error)

    def _next_batch(self) -> list[Command]:
        commands: list[Command] = []
        if self._ping_due:
            self._ping_due = False
            self._sent.append(None)
            commands.append((b"PING",))
        size = replicas = 0
        while self._waiting and size < BATCH_BYTES:
            parcel = self._waiting.popleft()
            if parcel.taken.done():  # its publisher gave up: it must not arrive after all
                self._queued_bytes -= len(parcel.data)
                continue
            parcel.sent = True
            self._sent.append(parcel)
            commands.append(parcel.ask(parcel, self._server))
            size += len(parcel.data)
            if parcel.replicas > replicas:
                replicas = parcel.replicas
        if replicas:  # once for all of them
            self._sent.append(replicas)
            commands.append((b"WAIT", b"%d" % replicas, COPY_MILLISECONDS))
        return commands


def _short_of(replicas: int, reply: object, line: Line) -> BrokerUnavailableError | None:
    """Why a WAIT for so many replicas was in vain; None if it was not."""
    if isinstance(reply, ResponseError):
        return line.refusal(reply)
    if isinstance(reply, int) and reply >= replicas:
        return None
    return BrokerUnavailableError("Redis took it, but not enough of its replicas did")


class Reader(Publisher):
    """Asks over a connection of its own: neither does an answer delay publications, nor they an answer."""

    name = "reading"
