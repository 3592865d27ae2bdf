"""Clients that read what is kept of a stream."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

from tornado_realtime.connection import Phase
from tornado_realtime.errors import BrokerError
from tornado_realtime.hub.reads import Question, newest
from tornado_realtime.wire.v1 import V1, Fault, codes

if TYPE_CHECKING:
    from tornado_realtime.connection import Connection, Limits
    from tornado_realtime.hub.pace import Pace
    from tornado_realtime.hub.reads import Reads
    from tornado_realtime.publication import History
    from tornado_realtime.traits import TraitsTable
    from tornado_realtime.wire.commands import ReadHistory

# Longest answer, where the outbox allows that much.
MOST_BYTES = 1024 * 1024


class Host(Protocol):
    """What is asked of the room around it."""

    def answered(self, connection: Connection, channel: str) -> None:
        """A client that was not answered at once is answered now."""

    def failed(self, connection: Connection, command: ReadHistory, fault: Fault) -> None:
        """Tell a client that what it asked for cannot be had."""

    def away(self, connection: Connection, command: ReadHistory, error: BrokerError) -> None:
        """Tell a client that it cannot be had now."""


class Histories:
    """Answers clients of v1.

    Args:
        host: The hub.
        traits: Of which channels something is kept.
        reads: Reads it.
        pace: Makes those wait who have not taken what they were sent.
        limits: Bounds of one client.
    """

    def __init__(self, host: Host, traits: TraitsTable, reads: Reads, pace: Pace, limits: Limits) -> None:
        self._host = host
        self._traits = traits
        self._reads = reads
        self._pace = pace
        self._size_bytes = min(MOST_BYTES, limits.outbox_bytes)

    def read(self, connection: Connection, command: ReadHistory) -> bool:
        """Answer a client, or begin to; see gate.Steps."""
        if self._traits.of(command.channel).retention is None:
            self._host.failed(connection, command, codes.NOT_AVAILABLE)
            return True
        if not self._pace.may_ask(connection):
            return self._defer(connection, command)
        found: History | BrokerError | None
        try:
            found = self._reads.at_once(_question(command))
        except BrokerError as error:
            found = error
        if found is None:
            self._reads.ask(_question(command), partial(self._found, connection, command))
            return False
        return self._answer(connection, command, found)

    def _answer(self, connection: Connection, command: ReadHistory, found: History | BrokerError) -> bool:
        if isinstance(found, BrokerError):
            self._host.away(connection, command, found)
        elif not found.recovered:
            self._host.failed(connection, command, codes.UNRECOVERABLE)
        else:
            frame = V1.history(command, found, self._size_bytes)
            if not self._pace.has_room(connection, 1, len(frame)):
                # Read again then, rather than keep so much for a client that takes nothing.
                return self._defer(connection, command)
            connection.send(frame)
            self._pace.served(connection, len(frame))
        return True

    def _defer(self, connection: Connection, command: ReadHistory) -> bool:
        """Answer when the client may have more; not now."""
        self._pace.wait(connection, partial(self._read_again, connection, command))
        return False

    def _read_again(self, connection: Connection, command: ReadHistory) -> None:
        if self.read(connection, command):
            self._host.answered(connection, command.channel)

    def _found(self, connection: Connection, command: ReadHistory, found: History | BrokerError) -> None:
        if connection.phase is Phase.OPEN and self._answer(connection, command, found):
            self._host.answered(connection, command.channel)


def _question(command: ReadHistory) -> Question:
    since = newest(command.since, command.limit)
    return Question(command.channel, since, command.limit, command.reverse)
