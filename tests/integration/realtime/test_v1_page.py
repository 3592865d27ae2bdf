"""Every example of docs/realtime-v1.md against a running server, to the byte."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.support.realtime_world import TunedRealtime, World, serving
from tests.support.v1_world import PROTOCOL, V1Client, channel_token, open_v1, token
from tests.unit.wire.client_frames import PING, client_frame
from tornado_realtime.auth import User
from tornado_realtime.brokers.memory import MemoryBroker
from tornado_realtime.connection.outbox import Outbox
from tornado_realtime.hub import Heart
from tornado_realtime.members import Member
from tornado_realtime.publication import Gap
from tornado_realtime.realtime import Realtime

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "realtime-v1.md").read_text(encoding="utf-8")
EXCHANGES = re.findall(r"^```exchange ?(\w*)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
CADDYFILE = re.findall(r"^```caddyfile\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
NAME = "sXh2qPmDkz0R"
EPOCH = "k3f9XqZw"
NOON = 1763871600.123
TOKENS: dict[str, Callable[[], str]] = {
    "<token>": token,
    "<token of another user>": partial(token, "u-9"),
    "<token that has run out>": partial(token, seconds=-1),
    "<token for seats>": partial(channel_token, "seats", seconds=600),
    "<longer token for seats>": partial(channel_token, "seats", seconds=1200),
    "<token for seats that has run out>": partial(channel_token, "seats", seconds=-1),
    "<token for seats, for a moment>": partial(channel_token, "seats", seconds=0.2),
}
QUICK = partial(Heart, tick=0.01)
HEARTS: dict[str, Callable[[asyncio.AbstractEventLoop], Heart]] = {
    "pinged": partial(QUICK, talk_interval=0.05),
    "silent": partial(QUICK, talk_interval=0.05, talk_timeout=0.05),
    "expiring": QUICK,
    "expired": QUICK,
    "lapsing": QUICK,
}
LIFETIMES = {"expiring": 60.1, "expired": 0.1}


class _Fickle:
    """An ``authorize`` function that lets everybody subscribe once."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, user: User, channel: str, action: str) -> bool:
        self.asked += 1
        return self.asked == 1


def make(scene: str) -> Realtime:
    class Instance(TunedRealtime):
        heart = staticmethod(HEARTS.get(scene, Heart))
        broker = staticmethod(partial(MemoryBroker, clock=lambda: NOON))

    if scene == "rejudged":
        block = re.sub(r"\tchannel .*?\n\t}\n", "", CADDYFILE[0], flags=re.DOTALL)
        return Instance.from_caddyfile(block, authorize=_Fickle())
    return Instance.from_caddyfile(CADDYFILE[0])


class Play:
    """One example, line by line."""

    def __init__(self, world: World, client: V1Client) -> None:
        self.world = world
        self.client = client
        self.closing: asyncio.Task[None] | None = None
        history = world.hub.broker.history_now("log", None, 0)
        self.epoch = history.position.epoch if history is not None else EPOCH

    async def line(self, line: str) -> None:
        kind, _, rest = line.partition(" ")
        if kind == "C":
            for mark, make_token in TOKENS.items():
                rest = rest.replace(mark, make_token())
            await self.client.socket.say(rest.replace(EPOCH, self.epoch))
        elif kind == "!":
            await self.happen(*rest.split(" ", 2))
        elif rest.startswith("close "):
            _, code, reason = rest.split(" ", 2)
            assert await self.client.socket.closed_with() == (int(code), reason)
        else:
            assert kind == "S"
            heard = (await self.client.socket.text()).decode()
            assert heard == rest.replace(NAME, self.client.name).replace(EPOCH, self.epoch)

    async def happen(self, what: str, *words: str) -> None:
        if what == "publish":
            await self.world.realtime.publish(*words)
        elif what == "stuff":
            await self.stuff(words[0], *words[1].split())
        elif what in ("come", "go"):
            user, channel = words
            member = Member(user, b'{"name":"Al"}', conns=int(what == "come"))
            self.world.hub.broker.presence.put(channel, member)
        elif what == "turn":
            self.turn(words[1])
        elif what == "miss":
            self.world.hub.missed(Gap(None, 1.0))
        else:
            assert what == "stop"
            self.closing = asyncio.create_task(self.world.realtime.close(timeout=5))

    def turn(self, epoch: str) -> None:
        """Have the streams begin anew."""
        broker = self.world.hub.broker
        assert isinstance(broker, MemoryBroker)
        broker._streams.clear()
        broker._streams._epoch = epoch

    async def stuff(self, channel: str, *messages: str) -> None:
        """Publish so much at once that the client's socket refuses some of it."""
        (connection,) = self.world.hub.connections
        connection.outbox = Outbox()
        for message in messages:
            await self.world.realtime.publish(channel, message)
            await asyncio.sleep(0)
        connection.on_writable()


def lines(text: str) -> Iterator[str]:
    return filter(None, text.split("\n"))


@pytest.mark.parametrize(("scene", "text"), EXCHANGES)
def test_exchange(scene: str, text: str) -> None:
    async def main() -> None:
        shown = f"{PROTOCOL}, bearer.{token(seconds=LIFETIMES.get(scene, 3600.0))}"
        async with serving(make(scene)) as world:
            client = await open_v1(world, fields=[shown])
            play = Play(world, client)
            for number, line in enumerate(lines(text)):
                if not number and '"welcome"' in line:
                    assert line.removeprefix("S ").replace(NAME, client.name) == client.text
                else:
                    await play.line(line)
            if not scene:
                # Nothing more was said.
                await client.socket.send(client_frame(b"", PING))
                assert (await client.socket.frame())[0] == 0x8A
            if play.closing is not None:
                await play.closing

    asyncio.run(main())


def test_every_scene_is_used() -> None:
    scenes = {scene for scene, _ in EXCHANGES}
    assert scenes >= {"", "rejudged", "stopped", *HEARTS}
    assert len(CADDYFILE) == 1


def test_every_example_of_a_message_is_run() -> None:
    outside = re.sub(r"^```.*?^```$", "", PAGE, flags=re.DOTALL | re.MULTILINE)
    assert not re.findall(r'\{"(?:type|action)"', outside)
