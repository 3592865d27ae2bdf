"""One client: its socket, its bounded outbox, its wire."""

from tornado_realtime.connection.base import Connection, Limits, Owner, Phase
from tornado_realtime.connection.events import (
    EventConnection,
    LeanEventConnection,
    StreamEventConnection,
    spread,
    watch,
)
from tornado_realtime.connection.lean import LeanConnection, tune
from tornado_realtime.connection.prefixed import PLAIN_STREAMS, PrefixedStream
from tornado_realtime.connection.stream import StreamConnection

__all__ = [
    "PLAIN_STREAMS",
    "Connection",
    "EventConnection",
    "LeanConnection",
    "LeanEventConnection",
    "Limits",
    "Owner",
    "Phase",
    "PrefixedStream",
    "StreamConnection",
    "StreamEventConnection",
    "spread",
    "tune",
    "watch",
]
