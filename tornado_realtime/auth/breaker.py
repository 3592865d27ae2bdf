"""A circuit breaker: whoever is down is not asked again and again."""

from __future__ import annotations

import time
from collections.abc import Callable

from tornado_realtime.errors import AuthBusyError

FAILURES_SIZE = 5
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0


class Breaker:
    """Opens after five failures in a row; then one question a time tries whether it is over.

    The pause before that is one second, and twice as long each time, up to thirty.

    Args:
        clock: Monotonic seconds.

    Attributes:
        is_open: Whether questions are refused.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._pause = FIRST_PAUSE
        self._until = 0.0
        self._is_probing = False
        self.is_open = False

    def check(self) -> bool:
        """Whether a question may be asked, and then has to be told of; True if it is a probe.

        Raises:
            AuthBusyError: Not now.
        """
        if not self.is_open:
            return False
        left = self._until - self._clock()
        if left > 0 or self._is_probing:
            raise AuthBusyError("the application is down", max(left, 1.0))
        self._is_probing = True
        return True

    def succeeded(self) -> bool:
        """A question was answered; True if that closed the breaker."""
        was_open, self.is_open = self.is_open, False
        self._failures, self._pause, self._is_probing = 0, FIRST_PAUSE, False
        return was_open

    def failed(self, *, is_probe: bool) -> bool:
        """A question was not answered; True if that opened the breaker, which was closed."""
        self._failures += 1
        if is_probe:
            self._is_probing = False
            self._pause = min(self._pause * 2, LONGEST_PAUSE)
        elif self.is_open or self._failures < FAILURES_SIZE:
            return False
        was_open, self.is_open = self.is_open, True
        self._until = self._clock() + self._pause
        return not was_open

    def abandoned(self, *, is_probe: bool) -> None:
        """Nobody waits for the answer any more, so nothing is known."""
        if is_probe:
            self._is_probing = False
