"""What was asked and not answered yet."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from itertools import count
from typing import Any

from tornado_realtime.errors import RequestError

Frame = Mapping[str, Any]


class Requests:
    """Requests by their ids. All may be sent again over another connection: publications have keys.

    Attributes:
        ids: For requests, never the same twice.
    """

    def __init__(self) -> None:
        self.ids = count(1)
        self._open: dict[int, tuple[Frame, asyncio.Future[Frame]]] = {}

    def add(self, frame: Frame) -> tuple[Frame, asyncio.Future[Frame]]:
        """A request with its id, and what will be its answer."""
        name = next(self.ids)
        asked = {**frame, "id": name}
        answer: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self._open[name] = asked, answer
        answer.add_done_callback(lambda _answer: self._open.pop(name, None))
        return asked, answer

    def answered(self, frame: Frame) -> bool:
        """Whether a message was an answer."""
        name = frame.get("id")
        if not isinstance(name, int) or name not in self._open:
            return False
        _, answer = self._open[name]
        if not answer.done():
            if frame["type"] == "error":
                answer.set_exception(error_from(frame))
            else:
                answer.set_result(frame)
        return True

    def again(self) -> list[Frame]:
        """What is to be sent over the new connection."""
        return [frame for frame, answer in self._open.values() if not answer.done()]

    def fail(self, error: Exception) -> None:
        """It is over."""
        for _, answer in list(self._open.values()):
            if not answer.done():
                answer.set_exception(error)


def error_from(frame: Frame) -> RequestError:
    """What a message ``error`` says."""
    after = frame.get("after")
    return RequestError(
        frame.get("code", 100),
        frame.get("error", ""),
        frame.get("channel", ""),
        retry=frame.get("retry", False),
        after=0.0 if after is None else after / 1000,
    )
