"""One client: its socket, its bounded outbox, its wire."""

from tornado_realtime.connection.base import Connection, Limits, Owner, Phase
from tornado_realtime.connection.lean import LeanConnection, tune
from tornado_realtime.connection.stream import StreamConnection

__all__ = ["Connection", "LeanConnection", "Limits", "Owner", "Phase", "StreamConnection", "tune"]
