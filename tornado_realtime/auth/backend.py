"""The application, asked with care: by few at once, in turn, and not at all while it is down."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from urllib.parse import SplitResult

from tornado.httputil import HTTPHeaders

from tornado_realtime.auth.answers import Answer
from tornado_realtime.auth.breaker import Breaker
from tornado_realtime.auth.question import Asker
from tornado_realtime.auth.queue import FairQueue
from tornado_realtime.errors import AuthBusyError, AuthError, AuthTimeoutError, AuthUnavailableError
from tornado_realtime.metrics import Counters
from tornado_realtime.peers import neighbourhood

logger = logging.getLogger(__name__)

ANSWER_BYTES = 64 * 1024
# What a proxy says when the application behind it is down.
_DOWN = frozenset({502, 503, 504})


@dataclass(frozen=True, slots=True)
class Care:
    """How much is asked of the application.

    Attributes:
        timeout: Seconds for a question, redirects and waiting included.
        concurrency: Questions at once.
        queue: Questions that wait for their turn.
    """

    timeout: float = 5.0
    concurrency: int = 64
    queue: int = 4096


class Backend:
    """One application; its endpoints share connections, turns and breaker.

    Args:
        name: Its address for the log.
        care: See Care.
        counters: Where questions are counted.
    """

    def __init__(self, name: str, care: Care, counters: Counters) -> None:
        self._name = name
        self._care = care
        self._counters = counters
        self._asker = Asker(ANSWER_BYTES)
        self._breaker = Breaker()
        self.turns = FairQueue(care.concurrency, care.queue, care.timeout)

    @property
    def is_down(self) -> bool:
        """Whether the breaker is open."""
        return self._breaker.is_open

    def close(self) -> None:
        """Keep no connections; what is under way goes on. Idempotent."""
        self._asker.close()

    async def ask(self, url: SplitResult, headers: HTTPHeaders, client: str) -> Answer:
        """The answer to ``GET url``.

        Args:
            url: http or https.
            headers: Sent as they are.
            client: Address of whoever it is about, for a fair turn.

        Raises:
            AuthBusyError: Too many wait, or it is down.
            AuthTimeoutError: It took too long.
            AuthUnavailableError, AuthInvalidError: See ``Asker.ask``.
        """
        is_asked = False
        try:
            async with asyncio.timeout(self._care.timeout) as limit, self.turns.turn(neighbourhood(client)):
                is_probe = self._breaker.check()
                is_asked = True
                return await self._ask(url, headers, is_probe, limit)
        except TimeoutError as error:
            if not is_asked:
                raise AuthBusyError("too many were asked about before", self._care.timeout) from error
            logger.warning("auth endpoint %s took longer than %g s", self._name, self._care.timeout)
            raise AuthTimeoutError("the auth endpoint took too long") from error

    async def _ask(
        self, url: SplitResult, headers: HTTPHeaders, is_probe: bool, limit: asyncio.Timeout
    ) -> Answer:
        self._counters.auth_questions += 1
        try:
            answer = await self._asker.ask(url, headers)
        except AuthUnavailableError:
            self._failed(is_probe)
            raise
        except AuthError:
            self._answered()
            raise
        except BaseException:
            if limit.expired():
                self._failed(is_probe)
            else:
                self._breaker.abandoned(is_probe=is_probe)  # the visitor left, or a bug of ours
            raise
        if answer.status in _DOWN:
            self._failed(is_probe)
        else:
            self._answered()
        return answer

    def _failed(self, is_probe: bool) -> None:
        if self._breaker.failed(is_probe=is_probe):
            logger.error("auth endpoint %s is down: visitors get 503 until it answers again", self._name)

    def _answered(self) -> None:
        if self._breaker.succeeded():
            logger.warning("auth endpoint %s answers again", self._name)
