"""Which channels this node listens to, and what comes in on them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, dropwhile, islice, takewhile
from typing import Protocol

from redis.crc import key_slot
from redis.exceptions import AskError, ResponseError

from tornado_realtime.brokers.redis.deafness import Deafness
from tornado_realtime.brokers.redis.dialect import NOT_SERVED, PLAIN, Dialect
from tornado_realtime.brokers.redis.line import Command, Line
from tornado_realtime.brokers.redis.names import topic_of
from tornado_realtime.brokers.redis.publisher import QUEUE_BYTES, Parcel
from tornado_realtime.errors import BrokerError, BrokerUnavailableError
from tornado_realtime.publication import Gap

BATCH = 100  # commands in one write
Take = Callable[[bytes], None]


class Ear(Protocol):
    """Who listens to a stream, and must know when that is interrupted."""

    @property
    def settled(self) -> bool:
        """Whether it is known what was published before it began to listen."""

    def confirmed(self) -> None:
        """Messages come from now on."""

    def interrupted(self, since: float) -> None:
        """Messages do not come any longer; surely heard was what came before ``since`` (loop time)."""

    def take(self, data: bytes) -> bytes:
        """Take a message.

        Returns:
            The topic on which the next message is a copy of this one; empty for none.
        """


@dataclass(frozen=True, slots=True)
class Lodger:
    """A topic on its way from one server to another.

    Attributes:
        listener: The channel, or what takes the messages of a stream or of one of the node's own topics.
        held: What was to be published when it is subscribed.
        since: When it was surely heard for the last time (loop time).
    """

    listener: str | Take | Ear
    held: list[Parcel]
    since: float = 0.0


class Subscriber:
    """Keeps Redis' idea of our channels equal to ours; a session of a link.

    A topic is *wanted* while it has a local subscriber, *confirmed* between Redis' answer to SUBSCRIBE
    and our UNSUBSCRIBE. It *lingers* while it is confirmed but wanted no longer. It is *lost* when a
    node of a cluster does not serve it any longer, until it is moved, or tried here again. A channel
    whose subscription was interrupted is *deaf* until everything is confirmed again.

    Args:
        own: The topics of this node itself, which are always wanted, and what takes their messages.
        receive: Takes every message on a channel: channel, data.
        release: Takes parcels that were held, once their topic is confirmed.
        ready: Called when all channels of a new connection are confirmed.
        linger: Seconds.
        dialect: How Redis carries messages.
        worry: Called when the connection or a topic is lost.
        missed: Called with the channels that were deaf, when they are not any longer.
    """

    name = "subscribing"

    def __init__(
        self,
        own: Mapping[bytes, Take],
        receive: Callable[[str, bytes], None],
        release: Callable[[Parcel], None],
        ready: Callable[[], None],
        linger: float,
        dialect: Dialect = PLAIN,
        worry: Callable[[], None] = lambda: None,
        missed: Callable[[Gap], None] = lambda gap: None,
    ) -> None:
        self._missed = missed
        self._dialect = dialect
        self._worry = worry
        self._own = dict(own)
        self._receive = receive
        self._release = release
        self._ready = ready
        self._linger = linger
        self._line: Line | None = None
        self._wake = asyncio.Event()
        self._ping_due = False
        self._doubtful: list[Parcel] = []  # what the next PING is to settle
        self._pings: deque[tuple[float, list[Parcel]]] = deque()  # sent when, and what each is to settle
        self._wanted: dict[bytes, str] = {}
        self._streams: dict[bytes, Ear] = {}  # wanted likewise
        self._joins: dict[bytes, None] = {}  # to SUBSCRIBE with the next write, in order
        self._parts: dict[bytes, None] = {}  # to UNSUBSCRIBE with the next write, before the joins
        self._unanswered: dict[bytes, int] = {}  # SUBSCRIBEs whose answer is still to come
        self._confirmed: set[bytes] = set()
        self._lost: set[bytes] = set()
        self._held: dict[bytes, list[Parcel]] = {}
        self._held_bytes = 0
        self._lingering: dict[bytes, float] = {}  # when each is due (loop time), soonest first
        self._timer: asyncio.TimerHandle | None = None
        self._catching_up = False
        self._deafness = Deafness()
        self._opened = 0.0

    def __len__(self) -> int:
        return len(self._wanted)

    def hears(self, topic: bytes) -> bool:
        """False if a message on ``topic`` sent now would miss subscribers that are here already."""
        if topic in self._held:
            return False
        if (ear := self._streams.get(topic)) is not None:
            return ear.settled  # from there on it reads what it does not hear
        return topic in self._confirmed or not self.wants(topic)

    def hold(self, parcel: Parcel) -> None:
        """Keep ``parcel`` until its topic is confirmed; fail it if the connection is away."""
        if self._line is None:
            parcel.fail(BrokerUnavailableError("Redis is away"))
        elif self._held_bytes and self._held_bytes + len(parcel.data) > QUEUE_BYTES:
            parcel.fail(BrokerUnavailableError("too many publications wait for Redis"))
        else:
            self._held_bytes += len(parcel.data)
            self._held.setdefault(parcel.topic, []).append(parcel)

    def unhold(self, topic: bytes) -> list[Parcel]:
        """Hand out what waits for ``topic``, in order."""
        held = self._held.pop(topic, [])
        self._held_bytes -= sum(len(parcel.data) for parcel in held)
        return held

    def wants(self, topic: bytes) -> bool:
        """Whether ``topic`` has a local subscriber, or is one of the node's own."""
        return topic in self._wanted or topic in self._own or topic in self._streams

    @property
    def caught_up(self) -> bool:
        """Whether Redis sends us everything that was wanted when the connection was made."""
        return self._line is not None and not self._catching_up

    def examine(self, parcel: Parcel) -> None:
        """Settle a parcel that nobody got though we listen, by whether our connection still answers.

        Redis may have closed it, which the loop tells only later; or it counts only what listens on
        another machine than ours, as the nodes of a cluster do.
        """
        if self._line is None:
            parcel.fail(BrokerUnavailableError("this node's subscription was lost meanwhile"))
        else:
            self._doubtful.append(parcel)
            self.ping()

    def add(self, channel: str) -> None:
        """The first local subscriber came."""
        topic = topic_of(channel)
        if topic in self._wanted:
            return
        self._wanted[topic] = channel
        if self._line is None:
            self._deafness.joined(topic, asyncio.get_running_loop().time())
        self._begin_to_want(topic)

    def remove(self, channel: str) -> None:
        """The last local subscriber left."""
        topic = topic_of(channel)
        self._deafness.left(topic)
        if self._wanted.pop(topic, None) is not None:
            self._stop_to_want(topic)

    def follow(self, topic: bytes, ear: Ear) -> None:
        """Listen to a stream."""
        self._streams[topic] = ear
        if self._begin_to_want(topic):
            ear.confirmed()

    def unfollow(self, topic: bytes) -> None:
        """Nobody listens to a stream any longer."""
        if self._streams.pop(topic, None) is not None:
            self._stop_to_want(topic)

    def settle(self, topic: bytes) -> None:
        """The ear of ``topic`` knows where its stream stands."""
        self._let_go(topic)

    def _begin_to_want(self, topic: bytes) -> bool:
        """See that ``topic`` is subscribed; whether it still is."""
        lingered = self._lingering.pop(topic, None) is not None
        if not lingered and self._line is not None:
            self._joins[topic] = None
            self._wake.set()
        return lingered

    def _stop_to_want(self, topic: bytes) -> None:
        if self._line is None:
            return
        if topic in self._joins or topic in self._lost:  # Redis does not send it
            self._joins.pop(topic, None)
            self._lost.discard(topic)
            self._let_go(topic)
            self._check_ready()
        else:
            self._lingering[topic] = asyncio.get_running_loop().time() + self._linger
            self._arm()

    def begin(self, line: Line) -> None:
        """Subscribe everything, anew."""
        self._line = line
        self._opened = asyncio.get_running_loop().time()
        self._deafness.promised(self._opened)
        self._joins = dict.fromkeys(self.topics())
        self._catching_up = True
        self._wake.set()

    def end(self, error: BrokerError) -> None:
        """Redis forgets our channels with the connection; so do we, but for what is wanted."""
        if self._line is not None:
            self._deafness.began(self._wanted)
            for ear in self._streams.values():
                ear.interrupted(self._deafness.sure)
        self._line = None
        self._ping_due = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        settled = (parcels for _, parcels in self._pings)
        stranded = chain(self._doubtful, *settled, *self._held.values())
        self._doubtful, self._pings, self._held, self._held_bytes = [], deque(), {}, 0
        for state in (
            self._joins,
            self._parts,
            self._unanswered,
            self._confirmed,
            self._lost,
            self._lingering,
        ):
            state.clear()
        for parcel in stranded:
            parcel.fail(error)
        self._worry()

    def give_up(self, error: BrokerError) -> None:
        """Listen over a new connection; this one is not good."""
        if self._line is not None:
            line = self._line
            self.end(error)
            line.abort(error)

    def proved(self, moment: float) -> None:
        """What was published before ``moment`` (loop time) was heard."""
        self._deafness.proved(moment)

    def ping(self) -> None:
        """Send a PING with the next write."""
        self._ping_due = True
        self._wake.set()

    async def write(self, line: Line) -> None:
        """Send the changes of each loop turn together."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            commands = self._commands()
            while batch := list(islice(commands, BATCH)):
                await line.write(batch)

    async def read(self, line: Line) -> None:
        """Take messages and confirmations in the order in which Redis sent them."""
        copied = b""  # where the next message is a copy, if it comes there
        message, subscribed, unsubscribed = (
            self._dialect.message,
            self._dialect.subscribed,
            self._dialect.unsubscribed,
        )
        while True:
            match await line.read():
                case [kind, bytes(topic), bytes(data)] if kind == message:
                    if copied:
                        is_copy, copied = copied == topic, b""
                        if is_copy:
                            continue
                    if (channel := self._wanted.get(topic)) is not None:
                        self._receive(channel, data)
                    elif (ear := self._streams.get(topic)) is not None:
                        copied = ear.take(data)
                    elif (take := self._own.get(topic)) is not None:
                        take(data)
                case [kind, bytes(topic), _] if kind == subscribed:
                    self._confirm(topic)
                case [kind, bytes(topic), _] if kind == unsubscribed:
                    if topic in self._confirmed:  # we did not ask for it
                        self._lose([topic])
                case ResponseError() as error:
                    self._turned_away(error, line)
                case [b"pong", _] | b"PONG":  # the latter while nothing is subscribed
                    self._settle_doubts()

    @property
    def channels(self) -> tuple[str, ...]:
        """Those that have a local subscriber."""
        return tuple(self._wanted.values())

    def topics(self) -> list[bytes]:
        """All that is wanted here; streams come last, see ``heads``."""
        return [*self._own, *self._wanted, *self._streams]

    def evict(self, topic: bytes) -> Lodger:
        """Give up a topic that is wanted, because another server is to serve it."""
        listener: str | Take | Ear | None = self._wanted.pop(topic, None)
        if listener is None and (listener := self._streams.pop(topic, None)) is not None:
            listener.interrupted(self._deafness.sure)
        if listener is None:
            listener = self._own.pop(topic)
        if topic in self._confirmed or topic in self._unanswered:
            self._confirmed.discard(topic)
            self._parts[topic] = None
            self._wake.set()
        self._joins.pop(topic, None)
        self._lost.discard(topic)
        held = self.unhold(topic)
        since = self._deafness.left(topic)
        self._check_ready()
        return Lodger(listener, held, since)

    def admit(self, topic: bytes, lodger: Lodger) -> None:
        """Take over a topic from another server."""
        if isinstance(lodger.listener, str):
            self._wanted[topic] = lodger.listener
            self._deafness.joined(topic, lodger.since)
        elif callable(lodger.listener):
            self._own[topic] = lodger.listener
        else:
            self._streams[topic] = lodger.listener
        if self._line is not None:
            self._join([topic])
        for parcel in lodger.held:
            self.hold(parcel)

    def retry(self) -> None:
        """Subscribe here again what was lost and not moved."""
        lost, self._lost = self._lost, set()
        self._join(lost)

    def _join(self, topics: Iterable[bytes]) -> None:
        for topic in topics:
            self._joins[topic] = None
            self._catching_up = True
            self._wake.set()

    def _turned_away(self, error: ResponseError, line: Line) -> None:
        if isinstance(error, AskError):
            self._lose(self._refused(error.slot_id))
        elif isinstance(error, NOT_SERVED):  # it does not say which; what works is confirmed again
            self._lose(list(self._unanswered))
        else:
            raise line.refusal(error) from error

    def _refused(self, slot: int) -> list[bytes]:
        """The topics of the subscription that was answered with ``slot``; none if it was no subscription.

        One command names topics of one slot, and is answered before the next: they stand in front.
        """

        def is_other(topic: bytes) -> bool:
            return key_slot(topic) != slot

        return list(takewhile(lambda topic: not is_other(topic), dropwhile(is_other, self._unanswered)))

    def _lose(self, topics: Iterable[bytes]) -> None:
        for topic in topics:
            self._confirmed.discard(topic)
            self._unanswered.pop(topic, None)
            self._lingering.pop(topic, None)
            if not self.wants(topic):
                self._let_go(topic)
            elif topic not in self._joins:
                self._deafness.began({topic} & self._wanted.keys())
                if (ear := self._streams.get(topic)) is not None:
                    ear.interrupted(self._deafness.sure)
                self._lost.add(topic)
                self._catching_up = True
        self._worry()
        self._check_ready()

    def _commands(self) -> Iterator[Command]:
        if self._ping_due:
            self._ping_due = False
            self._pings.append((asyncio.get_running_loop().time(), self._doubtful))
            self._doubtful = []
            yield (b"PING",)
        parts, self._parts = self._parts, {}
        yield from self._dialect.commands(self._dialect.unsubscribe, parts)
        joins, self._joins = self._joins, {}
        commands = list(self._dialect.commands(self._dialect.subscribe, joins))
        for topic in chain.from_iterable(command[1:] for command in commands):
            self._unanswered[topic] = self._unanswered.get(topic, 0) + 1
        yield from commands
        self._check_ready()

    def _confirm(self, topic: bytes) -> None:
        rest = self._unanswered.pop(topic, 1) - 1
        if rest:  # an older SUBSCRIBE; our UNSUBSCRIBE after it is still on its way
            self._unanswered[topic] = rest
            return
        if topic in self._joins:  # the same, not sent yet
            return
        self._lost.discard(topic)
        if self.wants(topic) or topic in self._lingering:
            self._confirmed.add(topic)
        if (ear := self._streams.get(topic)) is not None:
            ear.confirmed()
        if ear is None or ear.settled:
            self._let_go(topic)
        self._check_ready()

    def _settle_doubts(self) -> None:
        moment, parcels = self._pings.popleft() if self._pings else (0.0, [])
        self.proved(moment)
        for parcel in parcels:
            if parcel.topic in self._lost:
                parcel.refuse(BrokerUnavailableError("this node's subscription was lost; nobody got it"))
            else:
                parcel.succeed(0)

    def _let_go(self, topic: bytes) -> None:
        for parcel in self.unhold(topic):
            self._release(parcel)

    def _check_ready(self) -> None:
        if self._catching_up and not (self._unanswered or self._joins or self._lost):
            self._catching_up = False
            self.proved(self._opened)
            self._ready()
            self._tell_missed()

    def _tell_missed(self) -> None:
        topics, seconds = self._deafness.ended(asyncio.get_running_loop().time())
        if topics:
            self._missed(Gap(tuple(self._wanted[topic] for topic in topics), seconds))

    def _arm(self) -> None:
        if self._timer is None and self._lingering:
            due = next(iter(self._lingering.values()))
            self._timer = asyncio.get_running_loop().call_at(due, self._part)

    def _part(self) -> None:
        """Unsubscribe what lingered long enough."""
        self._timer = None
        now = asyncio.get_running_loop().time()
        while self._lingering and next(iter(self._lingering.values())) <= now:
            topic = next(iter(self._lingering))
            del self._lingering[topic]
            self._confirmed.discard(topic)
            self._parts[topic] = None
            self._wake.set()
        self._arm()
