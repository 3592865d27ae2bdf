"""Asking who serves what, again and again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from redis.exceptions import ResponseError

from tornado_realtime.brokers.redis.address import Place, RedisAddress
from tornado_realtime.brokers.redis.cluster.guide import Guide
from tornado_realtime.brokers.redis.cluster.topology import Topology
from tornado_realtime.brokers.redis.line import Line, needs_a_person
from tornado_realtime.errors import BrokerError, BrokerUnavailableError

logger = logging.getLogger(__name__)


class Scout:
    """Asks one node, or Sentinel, for as long as it knows best, then the next; a session of a link.

    One that was cut off from the others goes on telling what it knew. So an answer that is older
    than one had before is not passed on, and who gives it, or says that it is not well, is not asked
    again before all others were.

    Args:
        address: Those whom it lists are asked first.
        guide: Whom to ask what.
        dial_timeout: Seconds for one dial.
        found: Takes every answer that is not out of date.
    """

    name = "asking"

    def __init__(
        self, address: RedisAddress, guide: Guide, dial_timeout: float, found: Callable[[Topology], None]
    ) -> None:
        self.tried = asyncio.Event()  #: set once there was an answer, or no node of all had one
        self._address = address
        self._guide = guide
        self._dial_timeout = dial_timeout
        self._found = found
        self._places: list[Place] = list(address.places)  # in turn; whom we ask now is the last
        self._wake = asyncio.Event()
        self._asked = False  # whether an answer is to come
        self._again = False  # whether to ask once more after it
        self._epoch: int | None = None  # of the last answer that was believed
        self._failures = 0  # in a row
        self._outdated = 0  # answers in a row that were older than one before

    @property
    def places(self) -> int:
        """How many nodes there are to ask."""
        return len(self._places)

    def dial(self) -> Line:
        """A connection to the node whose turn it is."""
        self._places.append(self._places.pop(0))
        return Line(self._guide.whom(self._places[-1]), self._dial_timeout)

    def ask(self) -> None:
        """Ask soon; once more if the answer to the last question is still to come."""
        self._wake.set()

    def begin(self, line: Line) -> None:
        """Ask at once."""
        self._asked = self._again = False
        self.ask()

    def ping(self) -> None:
        """A question is as good as a PING."""
        self.ask()

    def end(self, error: BrokerError) -> None:
        """The next node is asked when it is dialled."""

    def began(self, link: str, error: BrokerUnavailableError) -> None:
        """One more connection failed: say so when all did, as long as nothing is known."""
        self._failures += 1
        if self._failures != self.places or self._epoch is not None:
            return
        self.tried.set()
        level = logging.ERROR if needs_a_person(error) else logging.WARNING
        logger.log(level, self._guide.silence, self._address.shown, error.reason)

    async def write(self, line: Line) -> None:
        """Send the questions whenever somebody wants to know, once for all who want to know meanwhile."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._asked:
                self._again = True
                continue
            self._asked = True
            await line.write(self._guide.questions)

    async def read(self, line: Line) -> None:
        """Judge every answer.

        Raises:
            BrokerUnavailableError: Somebody else should be asked.
        """
        while True:
            replies = [await line.read() for _ in self._guide.questions]
            self._asked = False
            self._judge(self._understood(replies, line))
            if self._again:
                self._again = False
                self.ask()

    def _understood(self, replies: list[object], line: Line) -> Topology:
        try:
            return self._guide.read(replies, self._places[-1])
        except ValueError as error:
            if isinstance(refused := error.__cause__, ResponseError):
                raise line.refusal(refused) from refused
            raise BrokerUnavailableError(str(error)) from error

    def _judge(self, topology: Topology) -> None:
        if self._epoch is not None and topology.epoch < self._epoch and self._outdated < self.places:
            self._outdated += 1
            raise BrokerUnavailableError("what it knows is out of date")
        self._epoch, self._outdated, self._failures = topology.epoch, 0, 0
        self._remember(topology.nodes)
        self._found(topology)
        self.tried.set()
        if not topology.well:
            raise BrokerUnavailableError("it lost touch with the others, or says that they are down")

    def _remember(self, nodes: Iterable[Place]) -> None:
        """Ask all that are known, those that were there before in the old order, and the seeds."""
        now, known = self._places[-1], {*nodes, *self._address.places}
        turn = [place for place in self._places if place in known and place != now]
        turn += sorted(known - {*turn, now})
        self._places = [*turn, now]
