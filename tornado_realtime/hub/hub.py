"""Who listens to what on this node, and how publications reach them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from tornado_realtime.hub.admission import Admission, Quotas
from tornado_realtime.hub.directory import Directory
from tornado_realtime.hub.fanout import Fanout
from tornado_realtime.hub.gate import Authorizer, Gate, Reply
from tornado_realtime.hub.gauges import gauges
from tornado_realtime.hub.heart import Heart
from tornado_realtime.hub.nodes import Nodes
from tornado_realtime.hub.posts import Posts, Sessions
from tornado_realtime.hub.presence import Presence
from tornado_realtime.hub.receipts import Receipts
from tornado_realtime.hub.recovery import Recovery
from tornado_realtime.hub.refusals import RefusalLog
from tornado_realtime.hub.slow import LossLog
from tornado_realtime.hub.talk import Renew, Talk
from tornado_realtime.hub.turns import LoopTurns
from tornado_realtime.hub.users import Users
from tornado_realtime.metrics import Registry
from tornado_realtime.poller import make_poller
from tornado_realtime.rates import Meter
from tornado_realtime.wire.base import Farewell
from tornado_realtime.wire.commands import (
    AskPresence,
    ChannelCommand,
    Ping,
    Pong,
    Publish,
    ReadHistory,
    Refresh,
    RefreshChannel,
    Reject,
    Subscribe,
    Unsubscribe,
)
from tornado_realtime.wire.denial import Denial, Refusal

if TYPE_CHECKING:
    from tornado_realtime.brokers.base import Broker
    from tornado_realtime.connection import Connection, Limits
    from tornado_realtime.members import Listing
    from tornado_realtime.poller import Poller
    from tornado_realtime.publication import Gap, Publication, Taken

logger = logging.getLogger(__name__)

# Connections said goodbye to in one turn of the loop.
FAREWELL_SIZE = 256


class Hub:
    """Channels, their subscribers, and every open connection of one go_handler.

    Lives on one event loop, the running one when it is made; all its methods belong to that loop's
    thread. It never waits for a connection, and one client's trouble ends that client only.

    Args:
        broker: Carries publications; the hub starts and closes it.
        limits: Bounds of one client.
        heart: Another pulse than the default one (for tests with shorter times).
        poller: Another poller than the platform's best.
        authorizer: Decides who may subscribe to what, and publish; without one everybody may subscribe.
        quotas: How many connections there may be; without them any number.
        renew: Tells whose the tokens are by which clients prolong their logins; without it they cannot.
        presence_delay: Seconds for which users are present after their last connection.

    Attributes:
        nodes: What the nodes on this broker tell one another.
        posts: What clients say by other requests.
        receipts: How far publications got, for publishers who ask.
        users: Whose connections they are.
        directory: Who is where, on every node.
        presence: Who is there on which channel.
        admission: Whether there is room for one more connection.
    """

    def __init__(
        self,
        broker: Broker,
        limits: Limits,
        heart: Heart | None = None,
        poller: Poller | None = None,
        authorizer: Authorizer | None = None,
        quotas: Quotas | None = None,
        renew: Renew | None = None,
        presence_delay: float = 5.0,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.limits = limits
        self.broker = broker
        self.poller = poller if poller is not None else make_poller(loop)
        self.connections: set[Connection] = set()
        self.users = Users()
        self._loop = loop
        self._heart = heart if heart is not None else Heart(loop)
        self._turns = LoopTurns(loop)
        self.metrics = Registry({}, broker.counters)
        self._counters = self.metrics.counters
        self.nodes = Nodes(broker, self._counters)
        self._fanout = Fanout(limits, loop.call_soon, counters=self._counters, traits=broker.traits)
        self.receipts = Receipts(self._fanout, self.nodes, loop)
        self._losses = LossLog(loop.time)
        self._gate = Gate(authorizer, self, limits.channels_size, self._heart, loop.time)
        self._refusals = RefusalLog(loop.time, "subscription refused by %s%s%s")
        self._unpublished = RefusalLog(loop.time, "publication of a client refused by %s%s%s")
        self._floods = RefusalLog(loop.time, "client closed because %s%s%s", logging.WARNING)
        self._meter: Meter[Connection] | None = Meter(limits.messages, loop.time) if limits.messages else None
        self.admission = Admission(
            quotas or Quotas(), self.connections, self.users, self._counters, loop.time
        )
        sessions = Sessions(broker.node_id)
        features = {"history": broker.traits.keeps_history, "presence": broker.traits.has_presence}
        known = tuple(name for name, there_is in features.items() if there_is)
        self._talk = Talk(self, self._heart, limits, self._counters, renew, sessions.of, known)
        self._recovery = Recovery(broker, self._fanout, limits, self._gate, self._talk, self)
        self._held = self._recovery.held
        self.posts = Posts(self, self._talk.find, sessions, self.nodes)
        self.directory = Directory(self, self.nodes, broker.node_id)
        self.presence = Presence(
            broker.presence, broker.traits, self._fanout, self.users, presence_delay, self._talk.failed
        )
        self.metrics.add(
            gauges(
                broker,
                self._heart,
                self._turns,
                connections=self.connections,
                users=self.users,
                channels=self._fanout.channels,
                members=self.presence,
            )
        )
        self._emptied: asyncio.Future[None] | None = None
        self._after_gaps: list[Callable[[], None]] = []

    async def start(self) -> None:
        """Serve from now on.

        Raises:
            BrokerError: The broker cannot be started at all.
        """
        self._heart.start(self._expired, self._talk.expiring)
        self._turns.start()
        await self.broker.start(self)
        await self.presence.start()

    async def close(self, farewell: Farewell, timeout: float) -> None:
        """Tell every client goodbye, let what is queued go out, and release everything.

        Works after a ``start`` that failed, too.

        Args:
            farewell: What the clients are told.
            timeout: Seconds they have to take it; who has not by then is dropped.
        """
        deadline = self._loop.time() + timeout
        try:
            await self.nodes.close()
            self.receipts.close()
            await self._recovery.close()
            await self.presence.close()
            await self.broker.close()
            async with asyncio.timeout_at(deadline):
                await self._fanout.idle.wait()
                await self._say_goodbye(farewell)
                await self._all_gone()
        except TimeoutError:
            logger.info("%d clients did not take their goodbye in time", len(self.connections))
        finally:
            self._release()

    async def _say_goodbye(self, farewell: Farewell) -> None:
        await self._close_all(list(self.connections), farewell)

    async def _close_all(self, connections: Sequence[Connection], farewell: Farewell) -> None:
        """Close some connections, in slices, so that the others do not wait."""
        for start in range(0, len(connections), FAREWELL_SIZE):
            for connection in connections[start : start + FAREWELL_SIZE]:
                connection.close(connection.wire.farewell(farewell))
            await asyncio.sleep(0)

    async def disconnect(self, user: str) -> int:
        """Close the connections that a user has on this node; how many they are."""
        connections = self.users.of(user)
        self._counters.clients_disconnected += len(connections)
        await self._close_all(connections, Farewell.DISCONNECTED)
        return len(connections)

    async def _all_gone(self) -> None:
        if self.connections:
            self._emptied = self._loop.create_future()
            await self._emptied

    def _release(self) -> None:
        for connection in list(self.connections):
            connection.abort()
        self._heart.stop()
        self._turns.stop()
        self.poller.close()

    # -- publications ------------------------------------------------------------------------------

    async def publish(self, publication: Publication, key: str = "") -> Taken:
        """Hand a publication to the broker, by which it reaches the subscribers of every node.

        Args:
            publication: Of the application or of a client.
            key: See Broker.publish.

        Raises:
            BrokerUnavailableError: It could not be taken, or it is not known whether it was.
            BrokerClosedError: The hub is closed.
        """
        taken = await self.broker.publish(publication, key)
        self._counters.publications_repeated += taken.repeated
        return taken

    def publish_now(self, publication: Publication, key: str = "") -> Taken | None:
        """Publish without waiting; None, and nothing done, when the broker cannot do that.

        Raises:
            BrokerClosedError: The hub is closed.
        """
        taken = self.broker.publish_now(publication, key)
        if key and taken is not None:
            self._counters.publications_repeated += taken.repeated
        return taken

    # -- the broker's sink (brokers.base.Sink) -------------------------------------------------------

    def deliver(self, publication: Publication) -> None:
        """Fan one publication out to this node's subscribers."""
        self._counters.publications += 1
        if not publication.exclude:
            self._fanout.deliver(publication)
        else:
            self._fanout.deliver_except(publication, self._talk.find(publication.exclude))
        if self._held:
            self._recovery.delivered(publication)

    def told(self, message: bytes) -> None:
        """A node says something."""
        self.nodes.told(message)

    def missed(self, gap: Gap) -> None:
        """Subscribers may have missed publications: an operator is told once, and they, where they can be."""
        channels = tuple(self._fanout.channels) if gap.channels is None else gap.channels
        self._counters.gaps += 1
        self._counters.gap_channels += len(channels)
        text = "publications of the last %.1f s may have been missed on %d channels"
        logger.warning(text, gap.seconds, len(channels))
        for channel in channels:
            self._fanout.mark(channel)
        for callback in self._after_gaps:
            callback()

    def on_gap(self, callback: Callable[[], None]) -> None:
        """Have ``callback`` called after each time in which this node may have missed something."""
        self._after_gaps.append(callback)

    # -- what is here --------------------------------------------------------------------------------

    def subscribers(self, channel: str) -> int:
        """How many connections of this node are subscribed to ``channel``."""
        found = self._fanout.channels.get(channel)
        return sum(map(len, found.audiences.values())) if found is not None else 0

    def channels(self) -> Iterable[str]:
        """The channels with a subscriber on this node."""
        return self._fanout.channels.keys()

    def client_name(self, connection: Connection) -> str:
        """The public name of a connection; empty if its wire does not tell it one."""
        return self._talk.name_of(connection)

    # -- connections (connection.Owner) --------------------------------------------------------------

    def opened(self, connection: Connection, ticket: str = "") -> None:
        """A handshake succeeded; called before the connection begins to read.

        Args:
            connection: Whose.
            ticket: With which it may come back; told where its wire can tell.
        """
        self.connections.add(connection)
        self.users.add(connection)
        self._counters.connections_opened += 1
        self._counters.event_streams_opened += connection.wire.one_way
        self._heart.opened(connection)
        if ticket and connection.wire.talks:
            self._talk.ticketed(connection, ticket)
        logger.debug("connection opened, %d now", len(self.connections))

    def begun(self, connection: Connection) -> None:
        """See connection.Owner."""
        if connection.wire.talks:
            self._talk.begun(connection)

    def received(self, connection: Connection, message: bytes, is_text: bool) -> None:
        """See connection.Owner."""
        self._counters.messages += 1
        if not self._may_send(connection):
            return
        if connection.wire.talks:
            # Whatever a client says, it is there.
            connection.awaiting_pong = False
        match connection.wire.decode(message, is_text):
            case Reject(reply):
                self._refuse(connection, reply)
            case Ping() | Pong() | Refresh() as command:
                self._talk.take(connection, command)
            case command:
                self._gate.take(connection, command)

    def pinged(self, connection: Connection) -> bool:
        """See connection.Owner: that counts like a message, as it costs about as much."""
        if connection.wire.talks:
            connection.awaiting_pong = False
        return self._may_send(connection)

    def overflowed(self, connection: Connection) -> None:
        """See connection.Owner: a slow consumer is told so, if its socket still takes that, and ends."""
        self._counters.slow_consumers += 1
        outbox = connection.outbox
        if outbox is not None:
            logger.warning(
                "slow consumer closed: %d frames, %d bytes waiting", outbox.frames, outbox.size_bytes
            )
        connection.close(connection.wire.farewell(Farewell.SLOW), discard=True)

    def dropped(self, connection: Connection, frames: int) -> None:
        """See connection.Owner."""
        self._counters.frames_dropped += frames
        self._losses.lost(connection, frames)

    def backlogged(self, connection: Connection) -> None:
        """See connection.Owner."""
        self._heart.backlogged(connection)

    def drained(self, connection: Connection) -> None:
        """See connection.Owner."""
        self._heart.drained(connection)
        self._recovery.drained(connection)

    def closing(self, connection: Connection) -> None:
        """See connection.Owner: the one place that undoes every subscription."""
        if connection.failure is not None:
            self._counters.protocol_errors += 1
        self._heart.closing(connection)
        self._gate.forget(connection)
        self._recovery.closing(connection)
        self.users.discard(connection)
        if self._meter is not None:
            self._meter.forget(connection)
        self._talk.closing(connection)
        for channel in tuple(connection.channels):
            self.leave(connection, channel)

    def closed(self, connection: Connection) -> None:
        """See connection.Owner."""
        self._heart.closed(connection)
        self._losses.forget(connection)
        self.admission.closed(connection)
        self.connections.discard(connection)
        if not self.connections and self._emptied is not None and not self._emptied.done():
            self._emptied.set_result(None)

    # -- what the gate lets through (gate.Steps) -----------------------------------------------------

    def prepare(self, command: Subscribe) -> asyncio.Future[None] | None:
        """See gate.Steps."""
        return self.presence.prepare(command.channel) if command.presence else None

    def subscribe(self, connection: Connection, command: Subscribe) -> bool:
        """See gate.Steps."""
        channel = command.channel
        is_new = channel not in connection.channels
        if is_new:
            connection.channels.add(channel)
            self.presence.entered(connection, channel)
        if connection.wire.recovers and self.broker.traits.of(channel).retention is not None:
            return self._recovery.subscribe(connection, command)
        if is_new and self._fanout.subscribe(connection, channel):
            self.broker.subscribe(channel)
        self._reply(connection, connection.wire.subscribed(command, self.listing(connection, command)))
        return True

    def read(self, connection: Connection, command: ReadHistory) -> bool:
        """See gate.Steps."""
        return self._recovery.read(connection, command)

    def listing(self, connection: Connection, command: Subscribe) -> Listing | None:
        """See recovery.Host."""
        if not command.presence:
            return None
        # It may have been forgotten again since the subscription was prepared.
        self.presence.prepare(command.channel)
        return self.presence.listen(connection, command.channel)

    def unsubscribe(self, connection: Connection, command: Unsubscribe) -> None:
        """See gate.Steps."""
        channel = command.channel
        if channel in connection.channels:
            self.leave(connection, channel)
        self._reply(connection, connection.wire.unsubscribed(command))

    def publish_for(self, connection: Connection, command: Publish) -> asyncio.Future[Reply] | None:
        """See gate.Steps."""
        return self._talk.publish(connection, command)

    def ask_presence(self, connection: Connection, command: AskPresence) -> asyncio.Future[Reply] | None:
        """See gate.Steps."""
        return self.presence.ask(connection, command)

    def refuse(self, connection: Connection, command: ChannelCommand, refusal: Refusal) -> None:
        """See gate.Steps."""
        if isinstance(command, Publish):
            self._counters.client_publications_refused += 1
            self._unpublished.refused(refusal.rule)
        elif refusal.denial is not Denial.ABSENT:
            if refusal.denial in (Denial.LIMIT, Denial.BAD_NAME):
                self._counters.subscriptions_over_limit += 1
            else:
                self._counters.subscriptions_refused += 1
            self._refusals.refused(refusal.rule)
        self._refuse(connection, connection.wire.denied(command, refusal.denial))

    def prolong(self, connection: Connection, command: RefreshChannel, ttl: int | None) -> None:
        """See gate.Steps."""
        self._talk.prolonged(connection, command, ttl)

    def lapse(self, connection: Connection, channel: str) -> None:
        """See gate.Steps."""
        self.leave(connection, channel)
        self._counters.subscriptions_lapsed += 1
        self._reply(connection, connection.wire.lapsed(channel))

    def revoke(self, connection: Connection, channel: str, refusal: Refusal) -> None:
        """See gate.Steps."""
        self.leave(connection, channel)
        self._counters.subscriptions_revoked += 1
        self._refusals.refused(refusal.rule)
        self._reply(connection, connection.wire.revoked(channel))

    def overrun(self, connection: Connection) -> None:
        """See gate.Steps."""
        self.flooded(connection, "too many commands wait for decisions")

    def _may_send(self, connection: Connection) -> bool:
        """Whether a client keeps to its rate; if not, it is closed."""
        meter = self._meter
        if meter is None or meter.take(connection):
            return True
        self.flooded(connection, "it sends faster than message_rate")
        return False

    def flooded(self, connection: Connection, why: str, farewell: Farewell = Farewell.FLOOD) -> None:
        """See talk.Host."""
        self._counters.clients_flooding += 1
        self._floods.refused(why)
        connection.close(connection.wire.farewell(farewell), discard=True)

    def renewed(self, connection: Connection) -> None:
        """See talk.Host."""
        self._gate.judge_again(connection)

    def leave(self, connection: Connection, channel: str) -> None:
        """See recovery.Host: end a subscription without a word. Idempotent."""
        if channel in connection.channels:
            connection.channels.remove(channel)
            self.presence.left(connection, channel)
        self._gate.left(connection, channel)
        self._recovery.abandon(connection, channel)
        if self._fanout.unsubscribe(connection, channel):
            self.broker.unsubscribe(channel)
            self.receipts.emptied(channel)

    def _reply(self, connection: Connection, frame: bytes | None) -> None:
        if frame is not None:
            connection.send(frame)

    def _refuse(self, connection: Connection, frame: bytes | None) -> None:
        self._reply(connection, frame)
        if connection.wire.talks:
            self._talk.erred(connection)

    def _expired(self, connection: Connection) -> None:
        self._counters.logins_expired += 1
        logger.debug("login expired, connection closed")
        connection.close(connection.wire.farewell(Farewell.EXPIRED))
