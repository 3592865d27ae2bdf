"""unittest with Tornado's ``AsyncHTTPTestCase``."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from tornado.httputil import HTTPHeaders
from tornado.web import Application

from tornado_realtime.auth.function import Answer
from tornado_realtime.client import Client as V1Client
from tornado_realtime.realtime import Realtime
from tornado_realtime.testing.client import Client
from tornado_realtime.testing.harness import Harness, Published

if TYPE_CHECKING:
    from tornado.testing import AsyncHTTPTestCase as _Base
else:
    _Base = object


class RealtimeTestMixin(_Base):
    """Stands before ``AsyncHTTPTestCase`` among the bases of a test case; see the package for an example.

    Attributes:
        realtime: The instance; there from ``get_app`` on, and running inside tests.
    """

    realtime: Realtime

    def get_realtime(self) -> Realtime:
        """The instance under test, not started; override it to give the application's."""
        return Realtime()

    def get_app(self) -> Application:
        """An application with nothing else in it; override it, with ``self.realtime.routes`` in yours."""
        return Application(self.realtime.routes)

    @property
    def published(self) -> list[Published]:
        """Every publication that was taken in this test, in order."""
        return self._harness.published

    async def connect(
        self, user: Answer = "u1", headers: Mapping[str, str] | HTTPHeaders | None = None
    ) -> Client:
        """See Harness."""
        return await self._harness.connect(self.get_url("/").rstrip("/"), user, headers)

    def client(self, user: Answer = "u1", headers: Mapping[str, str] | None = None) -> V1Client:
        """See Harness."""
        return self._harness.client(self.get_url("/").rstrip("/"), user, headers)

    def outage(self, reason: str = "the broker is away") -> AbstractContextManager[None]:
        """See Harness."""
        return self._harness.outage(reason)

    def setUp(self) -> None:
        """Make and start the instance."""
        self.realtime = self.get_realtime()
        self._harness = Harness(self.realtime)
        super().setUp()
        self.io_loop.run_sync(self._harness.start)

    def tearDown(self) -> None:
        """Close clients and instance."""
        self.io_loop.run_sync(self._harness.close)
        super().tearDown()
