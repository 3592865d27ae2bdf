"""What clients of event streams say: by POST, on whichever node, about a stream that is theirs (S5)."""

from __future__ import annotations

import asyncio
import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable
from enum import IntEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

from tornado_realtime.connection import EventConnection, Phase
from tornado_realtime.errors import BrokerError

if TYPE_CHECKING:
    from tornado_realtime.connection import Connection
    from tornado_realtime.hub.nodes import Body, Nodes

KIND = "post"
# Seconds that the node of a stream has to say what became of a message.
TIMEOUT = 5.0
# Messages of one request that are carried out in one turn of the loop.
SLICE_SIZE = 64
_MAC_BYTES = 18


class Verdict(IntEnum):
    """What became of a message, as the HTTP status that tells it."""

    TAKEN = 202
    FOREIGN = 403
    """The stream is another user's."""
    GONE = 404
    """There is no such stream, any more or at all."""
    UNKNOWN = 503
    """Its node did not say: perhaps it was taken."""


class Receiver(Protocol):
    """What takes messages; the hub does."""

    def received(self, connection: Connection, message: bytes, is_text: bool) -> None:
        """A whole message came in."""


class Sessions:
    """Makes the secret that only the owner of a stream is told, and knows it again, without keeping any.

    Args:
        node: The name of this node.
    """

    def __init__(self, node: str) -> None:
        self._node = node
        self._key = secrets.token_bytes(32)

    def of(self, client: str) -> str:
        """The session of the connection that is called ``client``; it can stand in a header field."""
        mac = hmac.digest(self._key, client.encode(), sha256)[:_MAC_BYTES]
        return f"{self._node}.{client}.{urlsafe_b64encode(mac).decode()}"

    def is_of_this_node(self, session: str) -> bool:
        """Whether only this node can know ``session``."""
        return session.partition(".")[0] == self._node

    def client(self, session: str) -> str:
        """The name of the connection that ``session`` is of; empty if this node did not make it."""
        client = session.split(".")[1] if session.count(".") == 2 else ""
        return client if hmac.compare_digest(self.of(client).encode(), session.encode()) else ""


class Posts:
    """Hands messages to the connection whose they are.

    Args:
        receiver: Takes them.
        find: The open connection of a name.
        sessions: Whose they are.
        nodes: The other nodes.
    """

    def __init__(
        self,
        receiver: Receiver,
        find: Callable[[str], Connection | None],
        sessions: Sessions,
        nodes: Nodes,
    ) -> None:
        self._receiver = receiver
        self._find = find
        self._sessions = sessions
        self._nodes = nodes
        nodes.on(KIND, self._on_post)

    def is_hopeless(self, session: str) -> bool:
        """Whether it is known, without asking who posts, that there is no such stream."""
        return self._sessions.is_of_this_node(session) and self._stream(session) is None

    async def take(self, session: str, user: str, messages: str) -> Verdict:
        """Have messages carried out as if the client had said them over its connection.

        Args:
            session: What the client was told in its welcome.
            user: Id of whoever posts; empty for nobody in particular.
            messages: One in each line.
        """
        if self._sessions.is_of_this_node(session):
            return await self._take_here(session, user, messages)
        body = {"session": session, "user": user, "messages": messages}
        try:
            answers = await self._nodes.ask(KIND, body, TIMEOUT, to=session.partition(".")[0])
        except BrokerError:
            return Verdict.UNKNOWN
        for answer in answers.answers:
            return Verdict(answer["verdict"])
        return Verdict.UNKNOWN if answers.missing else Verdict.GONE

    async def _on_post(self, body: Body) -> Body:
        verdict = await self._take_here(str(body["session"]), str(body["user"]), str(body["messages"]))
        return {"verdict": int(verdict)}

    async def _take_here(self, session: str, user: str, messages: str) -> Verdict:
        connection = self._stream(session)
        if connection is None:
            return Verdict.GONE
        if connection.user.id != user:
            return Verdict.FOREIGN
        connection.narrow()
        for number, line in enumerate(messages.split("\n"), 1):
            if connection.phase is not Phase.OPEN:
                return Verdict.GONE
            if line.strip():
                self._receiver.received(connection, line.encode(), is_text=True)
            if not number % SLICE_SIZE:
                await asyncio.sleep(0)
        return Verdict.TAKEN

    def _stream(self, session: str) -> EventConnection | None:
        client = self._sessions.client(session)
        connection = self._find(client) if client else None
        return connection if isinstance(connection, EventConnection) else None
