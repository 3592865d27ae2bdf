"""The network between pages and their server, to be pulled out and put back in by a test without a loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any

from tests.chaos.proxy import Proxy
from tests.support.streams import turns


class Cable:
    """A proxy in a thread of its own.

    Args:
        target: The server's port.
    """

    def __init__(self, target: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._target = target
        self._proxy: Proxy | None = None

    @property
    def port(self) -> int:
        """Where pages connect."""
        return self._running.port

    def pull(self) -> None:
        """Nothing comes through, and nobody is told; new connections are refused."""
        self._do(self._pull())

    def cut(self) -> None:
        """The same, and everybody notices."""
        self._do(self._cut())

    def plug(self) -> None:
        """New connections come through."""
        self._do(self._plug())

    def hold_answers(self, seconds: float) -> None:
        """What the server says is late from now on."""
        self._do(self._hold(seconds))

    def __enter__(self) -> Cable:
        self._thread.start()
        self._do(self._start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def _running(self) -> Proxy:
        assert self._proxy is not None
        return self._proxy

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _start(self) -> None:
        self._proxy = Proxy(self._target)
        await self._proxy.start()

    async def _end(self) -> None:
        await self._running.close()
        # Pages connect again as soon as they are cut: nobody who just came is left to the garbage collector.
        late = asyncio.all_tasks() - {asyncio.current_task()}
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        await turns()

    async def _pull(self) -> None:
        self._running.refuses = True
        self._running.swallow()

    async def _cut(self) -> None:
        await self._pull()
        await self._running.mend()

    async def _plug(self) -> None:
        self._running.refuses = False
        self._running.delay = 0.0

    async def _hold(self, seconds: float) -> None:
        self._running.delay = seconds
