"""Help for applications that test their own use of tornado_realtime.

With pytest, on whatever runs async tests there (pytest-tornado, pytest-asyncio, ``asyncio.run``)::

    async def test_news(realtime_server):
        async with realtime_server() as server:
            client = await server.connect(user="u1")
            await client.subscribe("news")
            await server.publish("news", "hello")
            assert await client.receive() == "hello"
            assert server.published == [("news", "hello")]

With unittest and Tornado's own test case::

    class NewsTest(RealtimeTestMixin, AsyncHTTPTestCase):
        def get_realtime(self):
            return Realtime(max_message_size="4KiB")

        def get_app(self):
            return Application([(r"/send", SendHandler, {"realtime": self.realtime}), *self.realtime.routes])

        @gen_test
        async def test_send(self):
            client = await self.connect(user="u1")
            await client.subscribe("news")
            await self.http_client.fetch(self.get_url("/send"), method="POST", body="hello")
            self.assertEqual(await client.receive(), "hello")
            self.assertEqual(self.published, [("news", "hello")])

Publications stay inside the test, whatever ``driver`` says; ``connect(user=...)`` asks nobody who the
user is. Everything else is the real thing: handlers, frames, sockets.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tornado_realtime.testing.case import RealtimeTestMixin
    from tornado_realtime.testing.client import Client
    from tornado_realtime.testing.harness import Harness, Published
    from tornado_realtime.testing.server import RealtimeServer

__all__ = ["Client", "Harness", "Published", "RealtimeServer", "RealtimeTestMixin"]

_HOMES = {"RealtimeTestMixin": "case", "Client": "client", "RealtimeServer": "server"}


def __getattr__(name: str) -> object:
    # Loaded when it is used: pytest imports this package in every run, for its plugin.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'harness')}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
