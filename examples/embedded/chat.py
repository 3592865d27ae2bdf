"""A Tornado application with realtime channels: run it, open http://localhost:8888 in two windows, and type.

The three lines that matter are the three with `realtime` in `main`; everything else is an application.
"""

from __future__ import annotations

import asyncio
import json
import os

import tornado.web
from tornado.httputil import HTTPServerRequest

from tornado_realtime import Realtime

PAGE = """<!doctype html>
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Chat</title>
<style>
body { font: 1rem system-ui; max-width: 40rem; margin: 2rem auto; padding: 0 1rem }
input { font: inherit; width: 100%% }
</style>
<h1>Hello, %s</h1>
<form><label>Say something <input name="text" autofocus autocomplete="off"></label></form>
<ul aria-live="polite"></ul>
<script type="module">
import { Realtime } from "/realtime.js";
const list = document.querySelector("ul"), form = document.querySelector("form");
const chat = new Realtime().subscribe("chat", ({from, text}) => {
  const line = document.createElement("li");
  line.textContent = `${from}: ${text}`;
  list.prepend(line);
}, {last: 20});
chat.on("reload", () => list.replaceChildren());
form.onsubmit = (event) => {
  event.preventDefault();
  fetch("/say", {method: "POST", body: new FormData(form)});
  form.reset();
};
</script>
"""


def who(request: HTTPServerRequest) -> str | None:
    """The visitor behind a request; a real application looks a session up here."""
    return request.cookies["name"].value if "name" in request.cookies else None


class HomeHandler(tornado.web.RequestHandler):
    """The page; gives every visitor a name."""

    def get(self) -> None:
        """Greet."""
        name = who(self.request) or f"guest-{os.urandom(2).hex()}"
        self.set_cookie("name", name, httponly=True, samesite="Strict")
        self.write(PAGE % tornado.escape.xhtml_escape(name))


class SayHandler(tornado.web.RequestHandler):
    """Publishes what somebody says."""

    def initialize(self, realtime: Realtime) -> None:
        """Take what the route table hands over."""
        self.realtime = realtime

    async def post(self) -> None:
        """Publish one line of chat."""
        name = who(self.request)
        if name is None:
            raise tornado.web.HTTPError(401)
        await self.realtime.publish(
            "chat", json.dumps({"from": name, "text": self.get_body_argument("text")})
        )


async def main(port: int = 8888) -> None:
    """Serve until interrupted."""
    realtime = Realtime(authenticate=who, channel={"chat": {"history": [20, "1h"]}})
    application = tornado.web.Application(
        [("/", HomeHandler), ("/say", SayHandler, {"realtime": realtime}), *realtime.routes]
    )
    await realtime.start()
    application.listen(port, address="localhost")
    try:
        await asyncio.Event().wait()
    finally:
        await realtime.close()


if __name__ == "__main__":
    try:
        asyncio.run(main(int(os.environ.get("PORT", "8888"))))
    except KeyboardInterrupt:
        pass
