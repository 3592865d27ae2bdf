"""The mixin for Tornado's AsyncHTTPTestCase, used as an application would use it."""

from __future__ import annotations

from typing import Any

from tornado.testing import AsyncHTTPTestCase, gen_test
from tornado.web import Application, RequestHandler

from tornado_realtime import BrokerUnavailableError, Realtime
from tornado_realtime.testing import RealtimeTestMixin


class SendHandler(RequestHandler):
    def initialize(self, realtime: Realtime) -> None:
        self.realtime = realtime

    async def post(self) -> None:
        try:
            await self.realtime.publish("news", self.request.body)
        except BrokerUnavailableError:
            self.send_error(503)


class TestAnApplication(RealtimeTestMixin, AsyncHTTPTestCase):
    def get_realtime(self) -> Realtime:
        return Realtime(prefix="/realtime")

    def get_app(self) -> Application:
        routes: list[Any] = [(r"/send", SendHandler, {"realtime": self.realtime}), *self.realtime.routes]
        return Application(routes, log_function=lambda handler: None)

    @gen_test
    async def test_send(self) -> None:
        client = await self.connect(user="u1")
        await client.subscribe("news")
        await self.http_client.fetch(self.get_url("/send"), method="POST", body="hello")
        self.assertEqual(await client.receive(), "hello")
        self.assertEqual(self.published, [("news", "hello")])

    def test_send_without_a_coroutine(self) -> None:
        self.assertEqual(self.fetch("/send", method="POST", body="hello").code, 200)
        self.assertEqual(self.published, [("news", "hello")])

    def test_an_outage(self) -> None:
        with self.outage():
            self.assertEqual(self.fetch("/send", method="POST", body="hello").code, 503)
        self.assertEqual(self.published, [])

    def test_each_test_begins_anew(self) -> None:
        self.assertEqual(self.published, [])
        self.assertEqual(len(self.realtime.hub.connections), 0)


class TestTheDefaults(RealtimeTestMixin, AsyncHTTPTestCase):
    @gen_test
    async def test_they_serve(self) -> None:
        client = await self.connect()
        await client.subscribe("news")
        await self.realtime.publish("news", "hello")
        self.assertEqual(await client.receive(), "hello")
        self.assertEqual([connection.user.id for connection in self.realtime.hub.connections], ["u1"])
