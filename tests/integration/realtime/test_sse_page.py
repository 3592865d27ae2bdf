"""Every example of docs/sse.md against a running server, line by line."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.integration.realtime.test_v1_page import CADDYFILE, EPOCH, NAME
from tests.support.realtime_world import TunedRealtime, World, serving
from tests.support.sse_world import EventStream, open_stream, post
from tests.support.v1_world import token
from tornado_realtime.hub import Heart

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "sse.md").read_text(encoding="utf-8")
EXCHANGES = re.findall(r"^```exchange ?(\w*)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
HEARTS: dict[str, Callable[[asyncio.AbstractEventLoop], Heart]] = {
    "pinged": partial(Heart, tick=0.01, talk_interval=0.05, talk_timeout=0.02),
}


class Play:
    """One example, line by line."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.login = f"Authorization: Bearer {token()}"
        self.stream: EventStream | None = None
        self.status = 0
        history = world.hub.broker.history_now("log", None, 0)
        assert history is not None
        self.epoch = history.position.epoch
        self.closing: asyncio.Task[None] | None = None

    async def run(self, text: str) -> None:
        expected: list[str] = []
        for line in text.split("\n"):
            kind, _, rest = line.partition(" ")
            if kind == "S" and rest != "end":
                expected.append(rest)
            elif not line and expected:
                assert await self._event("welcome" in expected[-1]) == "\n".join(expected)
                expected.clear()
            elif line:
                await self._step(kind, rest)
        assert not expected

    async def _event(self, is_welcome: bool) -> str:
        """The next event, with what is different each time as the page has it."""
        assert self.stream is not None
        text = self.stream.welcome_text if is_welcome else (await self.stream.event()).text
        retry = re.search(r"^retry: (\d+)$", text, re.MULTILINE)
        if retry is not None:
            assert 1500 <= int(retry[1]) <= 3000
            text = text.replace(retry[0], "retry: 1500")
        welcome = self.stream.welcome
        text = text.rstrip("\n").replace(welcome["session"], "<session>").replace(welcome["client"], NAME)
        return text.replace(self.epoch, EPOCH)

    async def _step(self, kind: str, rest: str) -> None:
        if kind == "C" and rest.startswith("GET "):
            target, _, field = rest.removeprefix("GET ").partition(" ")
            shown = [self.login, field.replace(EPOCH, self.epoch)] if field else [self.login]
            self.stream = await open_stream(self.world, target, *shown)
        elif kind == "C":
            assert self.stream is not None
            message = rest.removeprefix("POST /sse ")
            answered = await post(self.world, self.stream.session, message, fields=(self.login,))
            self.status = answered.status
        elif kind == "=":
            assert self.status == int(rest)
        elif kind == "!":
            await self._happen(*rest.split(" ", 2))
        else:
            assert (kind, rest) == ("S", "end")
            assert self.stream is not None
            await self.stream.ended()

    async def _happen(self, what: str, *words: str) -> None:
        if what == "publish":
            await self.world.realtime.publish(*words)
        elif what == "cut":
            assert self.stream is not None
            self.stream.socket.close()
        else:
            assert what == "stop"
            self.closing = asyncio.create_task(self.world.realtime.close(timeout=5))


@pytest.mark.parametrize(("scene", "text"), EXCHANGES)
def test_exchange(scene: str, text: str) -> None:
    class Instance(TunedRealtime):
        heart = staticmethod(HEARTS.get(scene, Heart))

    async def main() -> None:
        async with serving(Instance.from_caddyfile(CADDYFILE[0])) as world:
            play = Play(world)
            await play.run(text)
            if play.closing is not None:
                await play.closing

    asyncio.run(main())


def test_every_scene_is_used() -> None:
    assert {scene for scene, _ in EXCHANGES} >= {"", "stopped", *HEARTS}


def test_every_example_of_a_message_is_run() -> None:
    outside = re.sub(r"^```.*?^```$", "", PAGE, flags=re.DOTALL | re.MULTILINE)
    assert not re.findall(r'\{"(?:type|action)"', outside)
