"""Decisions about channels by a Python function of the application."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable

from tornado_realtime.auth.authorize import Action
from tornado_realtime.auth.user import User
from tornado_realtime.wire.denial import Answer, Denial, Refusal

logger = logging.getLogger(__name__)

Authorize = Callable[[User, str, Action], bool | Awaitable[bool]]


class FunctionAuthorizer:
    """Asks ``function(user, channel, action)``, plain or async; only True lets them.

    A plain function runs on the loop: it must not wait for anything. What it raises is logged, and refuses.

    Args:
        function: The application's; ``action`` is ``"subscribe"`` or ``"publish"``.
        timeout: Seconds an async one may take.
    """

    def __init__(self, function: Authorize, timeout: float) -> None:
        self._function = function
        self._timeout = timeout

    def refusal(
        self, user: User, channel: str, action: Action, shown: str = ""
    ) -> Answer | Awaitable[Answer]:
        """See Authorizer."""
        try:
            answer: object = self._function(user, channel, action)
        except Exception:
            return _failed()
        if not inspect.isawaitable(answer):
            return _verdict(answer)
        asking = asyncio.ensure_future(self._waited_for(answer))
        if inspect.iscoroutine(answer):
            # Who leaves at once cancels the question before it has begun.
            asking.add_done_callback(lambda _asking: answer.close())
        return asking

    async def _waited_for(self, answer: Awaitable[object]) -> Answer:
        try:
            return _verdict(await asyncio.wait_for(answer, self._timeout))
        except TimeoutError:
            logger.warning("the authorize function took longer than %g s", self._timeout)
            return _UNDECIDED
        except Exception:
            return _failed()

    def close(self) -> None:
        """Nothing is kept."""


_REFUSED = Refusal(Denial.FORBIDDEN, "the authorize function said no")
_UNDECIDED = Refusal(Denial.UNDECIDED, "the authorize function did not decide")


def _verdict(answer: object) -> Answer:
    if isinstance(answer, bool):
        return None if answer else _REFUSED
    logger.error("the authorize function returned %s, not True or False", type(answer).__name__)
    return _UNDECIDED


def _failed() -> Refusal:
    logger.exception("the authorize function failed")
    return _UNDECIDED
