"""Tornado as its documentation shows it: ``tornado_server.py PORT``, ``write_message`` for every client."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import defaultdict

from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketClosedError, WebSocketHandler

CHANNELS: defaultdict[str, set[Client]] = defaultdict(set)


class Client(WebSocketHandler):
    """One subscriber."""

    def initialize(self) -> None:
        self.channels: set[str] = set()

    def check_origin(self, origin: str) -> bool:
        return True

    def on_message(self, message: str | bytes) -> None:
        channel = json.loads(message)["channel"]
        CHANNELS[channel].add(self)
        self.channels.add(channel)

    def on_close(self) -> None:
        for channel in self.channels:
            CHANNELS[channel].discard(self)


class Publish(RequestHandler):
    """``POST /publish`` with the form fields ``channel`` and ``message``."""

    def post(self) -> None:
        message = self.get_body_argument("message")
        for client in list(CHANNELS[self.get_body_argument("channel")]):
            try:
                client.write_message(message)
            except WebSocketClosedError:
                pass
        self.set_status(202)


class Nothing(RequestHandler):
    """``POST /nothing``: what a request costs in Tornado before anything is done with it."""

    def post(self) -> None:
        self.set_status(202)


async def main() -> None:
    """Serve until killed."""
    application = Application(
        [("/ws", Client), ("/publish", Publish), ("/nothing", Nothing)], log_function=lambda _handler: None
    )
    application.listen(int(sys.argv[1]), "127.0.0.1", backlog=4096)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
