"""A server with a realtime instance on a free port of loopback."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Self

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders
from tornado.testing import bind_unused_port
from tornado.web import Application

from tornado_realtime.auth.function import Answer
from tornado_realtime.client import Client as V1Client
from tornado_realtime.realtime import Realtime
from tornado_realtime.testing.client import Client
from tornado_realtime.testing.harness import Harness, Published, options_or_instance


class RealtimeServer:
    """An async context manager: serves on the running loop from its beginning to its end.

    Args:
        realtime: The application's instance, not started yet; left out, one is made from ``options``.
        app: The application, with the instance's routes in it; left out, one is made from ``routes``.
        routes: More routes beside the instance's, as for ``tornado.web.Application``.
        options: As for ``Realtime``.

    Attributes:
        realtime: The instance.
        port: Where it listens on 127.0.0.1; known inside the context.
    """

    def __init__(
        self,
        realtime: Realtime | None = None,
        *,
        app: Application | None = None,
        routes: Sequence[Any] = (),
        **options: Any,
    ) -> None:
        self.realtime = options_or_instance(realtime, options)
        self.port = 0
        self._harness = Harness(self.realtime)
        self._server = HTTPServer(app if app is not None else Application([*routes, *self.realtime.routes]))

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def published(self) -> list[Published]:
        """Every publication that was taken, in order."""
        return self._harness.published

    async def connect(
        self, user: Answer = "u1", headers: Mapping[str, str] | HTTPHeaders | None = None
    ) -> Client:
        """See Harness."""
        return await self._harness.connect(self.url, user, headers)

    def client(self, user: Answer = "u1", headers: Mapping[str, str] | None = None) -> V1Client:
        """See Harness."""
        return self._harness.client(self.url, user, headers)

    async def publish(self, channel: str, message: str | bytes) -> None:
        """See Realtime."""
        await self.realtime.publish(channel, message)

    def outage(self, reason: str = "the broker is away") -> AbstractContextManager[None]:
        """See Harness."""
        return self._harness.outage(reason)

    async def __aenter__(self) -> Self:
        await self._harness.start()
        listener, self.port = bind_unused_port()
        self._server.add_socket(listener)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop()
        await self._harness.close()
        await self._server.close_all_connections()
