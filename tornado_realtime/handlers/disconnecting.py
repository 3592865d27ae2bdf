"""Ending a user's connections on every node, and refusing the logins that they were made with."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tornado_realtime.auth.revocations import Revocation, Revocations
from tornado_realtime.errors import BrokerClosedError, BrokerError
from tornado_realtime.hub import Hub

logger = logging.getLogger(__name__)

# Seconds that nodes have to close connections and answer.
PATIENCE = 5.0
# Seconds between attempts to hear from the other nodes what is revoked.
AGAIN = 5.0
_DISCONNECT, _REVOKED = "disconnect", "revoked"


@dataclass(frozen=True, slots=True)
class Disconnected:
    """What came of it.

    Attributes:
        closed: Connections that were closed, on all nodes that answered.
        missing: Nodes that were told and did not answer in time.
    """

    closed: int
    missing: int


class Disconnector:
    """One node's part: it tells the others, and does what any of them tells.

    Args:
        hub: Its connections.
        revocations: What is refused here.
        forget: Called with each user: nothing that was remembered of them counts any more.
    """

    def __init__(self, hub: Hub, revocations: Revocations, forget: Callable[[str], None]) -> None:
        self._hub = hub
        self._revocations = revocations
        self._forget = forget
        self._learning: asyncio.Task[None] | None = None
        hub.nodes.on(_DISCONNECT, self._told)
        hub.nodes.on(_REVOKED, self._asked)
        hub.on_gap(self.learn)

    async def disconnect(self, user: str, before: float | None) -> Disconnected:
        """Close the connections of ``user`` on every node, after refusing what was issued before a Unix time.

        Raises:
            BrokerUnavailableError: Only this node did, or it is not known which did.
            BrokerClosedError: The hub is closed.
        """
        body = {"user": user} if before is None else {"user": user, "before": before}
        try:
            answers = await self._hub.nodes.ask(_DISCONNECT, body, PATIENCE)
        except BrokerClosedError:
            raise
        except BrokerError:
            await self._told(body)
            raise
        closed = sum(found for answer in answers.answers if isinstance(found := answer.get("closed"), int))
        return Disconnected(closed, answers.missing)

    def learn(self) -> None:
        """Ask the other nodes what is revoked, now and until they could be asked."""
        if self._learning is None or self._learning.done():
            self._learning = asyncio.get_running_loop().create_task(self._learn())

    def close(self) -> None:
        """Ask nobody any more. Idempotent."""
        if self._learning is not None:
            self._learning.cancel()

    async def _told(self, body: dict[str, Any]) -> dict[str, Any] | None:
        user, before = body.get("user"), body.get("before")
        if not isinstance(user, str) or not user:
            return None
        self._forget(user)
        if isinstance(before, int | float):
            self._revocations.revoke(user, before)
        return {"closed": await self._hub.disconnect(user)}

    def _asked(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"users": [[one.user, one.before, one.until] for one in self._revocations]}

    async def _learn(self) -> None:
        while True:
            try:
                answers = await self._hub.nodes.ask(_REVOKED, {}, PATIENCE)
            except BrokerClosedError:
                return
            except BrokerError as error:
                logger.debug("the other nodes cannot be asked what is revoked: %s", error)
                await asyncio.sleep(AGAIN)
                continue
            for answer in answers.answers:
                self._take(answer.get("users"))
            return

    def _take(self, users: object) -> None:
        for entry in users if isinstance(users, list) else ():
            match entry:
                case [str(user), int() | float() as before, int() | float() as until]:
                    self._revocations.add(Revocation(user, before, until))
