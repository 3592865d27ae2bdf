"""Which connections of this node are whose."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tornado_realtime.connection import Connection


class Users:
    """Connections by the id of their user; those of nobody in particular are not kept.

    Most users have one connection, which is kept as it is: a set for each would cost 200 bytes.
    """

    def __init__(self) -> None:
        self._connections: dict[str, Connection | set[Connection]] = {}

    def __len__(self) -> int:
        """How many users are connected."""
        return len(self._connections)

    def add(self, connection: Connection) -> None:
        """A connection opened."""
        name = _id(connection)
        if not name:
            return
        found = self._connections.setdefault(name, connection)
        if isinstance(found, set):
            found.add(connection)
        elif found is not connection:
            self._connections[name] = {found, connection}

    def discard(self, connection: Connection) -> None:
        """It is open no more. Idempotent."""
        name = _id(connection)
        found = self._connections.get(name)
        if isinstance(found, set):
            found.discard(connection)
            if len(found) == 1:
                self._connections[name] = found.pop()
        elif found is connection:
            del self._connections[name]

    def of(self, user: str) -> tuple[Connection, ...]:
        """The open connections of a user."""
        found = self._connections.get(user)
        if found is None:
            return ()
        return tuple(found) if isinstance(found, set) else (found,)

    def count(self, user: str) -> int:
        """How many there are, without a list of them."""
        found = self._connections.get(user)
        if found is None:
            return 0
        return len(found) if isinstance(found, set) else 1


def _id(connection: Connection) -> str:
    return getattr(connection.user, "id", "") or ""
