"""What clients get of streams beside what comes live: their past, as far as it is kept.

::

    joining     from a subscription to the first live publication, without a gap and without a duplicate
    held        what comes live meanwhile
    replays     what of the past a client is sent, encoded once for all
    histories   clients that read what is kept
    reads       equal questions to the broker are asked once
    pace        long answers wait until the client has taken what was sent before
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from tornado_realtime.errors import BrokerUnavailableError
from tornado_realtime.hub.histories import Histories
from tornado_realtime.hub.joining import Joining
from tornado_realtime.hub.pace import Pace
from tornado_realtime.hub.reads import Reads
from tornado_realtime.wire.v1 import Fault, codes

if TYPE_CHECKING:
    from tornado_realtime.brokers.base import Broker
    from tornado_realtime.connection import Connection, Limits
    from tornado_realtime.errors import BrokerError
    from tornado_realtime.hub.fanout import Fanout
    from tornado_realtime.hub.gate import Gate
    from tornado_realtime.hub.talk import Talk
    from tornado_realtime.members import Listing
    from tornado_realtime.publication import Publication
    from tornado_realtime.wire.commands import ReadHistory, Subscribe

# Milliseconds after which a client may ask again that was told that nothing can be read now.
AFTER = 1000


class Host(Protocol):
    """What is asked of the hub."""

    def leave(self, connection: Connection, channel: str) -> None:
        """End a subscription without a word."""

    def listing(self, connection: Connection, command: Subscribe) -> Listing | None:
        """Who is present, if that was asked for, and who comes and goes from now on."""


class Recovery:
    """All of it for one hub.

    Args:
        broker: Knows the past.
        fanout: Brings what comes.
        limits: Bounds of one client.
        gate: Is told when a client that was not answered at once is.
        talk: Tells clients what went wrong.
        host: The hub.

    Attributes:
        held: Channels that somebody is still joining; while there are any, ``delivered`` has to be called.
    """

    def __init__(
        self,
        broker: Broker,
        fanout: Fanout,
        limits: Limits,
        gate: Gate,
        talk: Talk,
        host: Host,
    ) -> None:
        self._gate = gate
        self._talk = talk
        self._reads = Reads(broker)
        self._pace = Pace(limits, asyncio.get_running_loop().call_soon)
        self._joining = Joining(self, broker, fanout, self._reads, self._pace, limits)
        self._histories = Histories(self, broker.traits, self._reads, self._pace, limits)
        self._host = host
        self.held = self._joining.held

    async def close(self) -> None:
        """Let nobody in any more, and read nothing."""
        self._joining.close()
        await self._reads.close()

    # -- what the hub tells --------------------------------------------------------------------------

    def subscribe(self, connection: Connection, command: Subscribe) -> bool:
        """Subscribe a client whose wire recovers to a stream, or begin to; see gate.Steps."""
        return self._joining.subscribe(connection, command)

    def read(self, connection: Connection, command: ReadHistory) -> bool:
        """Answer a client, or begin to; see gate.Steps."""
        return self._histories.read(connection, command)

    def delivered(self, publication: Publication) -> None:
        """Something came live, and was given to the fan-out."""
        self._joining.delivered(publication)

    def abandon(self, connection: Connection, channel: str) -> None:
        """A client leaves a channel."""
        self._joining.abandon(connection, channel)

    def drained(self, connection: Connection) -> None:
        """A client has taken everything."""
        self._pace.drained(connection)

    def closing(self, connection: Connection) -> None:
        """A client is gone."""
        self._pace.forget(connection)

    # -- joining.Host, histories.Host ----------------------------------------------------------------

    def answered(self, connection: Connection, channel: str) -> None:
        """A client that was not answered at once is answered now."""
        self._gate.settled(connection, channel)

    def leave(self, connection: Connection, channel: str) -> None:
        """End a subscription without a word."""
        self._host.leave(connection, channel)

    def listing(self, connection: Connection, command: Subscribe) -> Listing | None:
        """Who is present where a client is subscribed now, if it asked for that."""
        return self._host.listing(connection, command)

    def name(self, connection: Connection) -> str:
        """A connection's public name."""
        return self._talk.name_of(connection)

    def failed(self, connection: Connection, command: Subscribe | ReadHistory, fault: Fault) -> None:
        """Tell a client that what it asked for cannot be had."""
        self._talk.failed(connection, command, fault)

    def away(self, connection: Connection, command: Subscribe | ReadHistory, error: BrokerError) -> None:
        """Tell a client that it cannot be had now."""
        after = int(error.retry_after * 1000) if isinstance(error, BrokerUnavailableError) else AFTER
        self._talk.failed(connection, command, codes.AWAY, after)
