"""Servers for clients of tornado_realtime.client, and clients that come back at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from tests.support.realtime_world import TunedRealtime, World, realtime, serving
from tornado_realtime.client import (
    Client,
    Event,
    Message,
    State,
    Subscription,
)
from tornado_realtime.client.backoff import Backoff
from tornado_realtime.hub import Heart
from tornado_realtime.realtime import Realtime


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(main, 20))


def lenient(**options: Any) -> Realtime:
    """Who may do everything but what has to do with channel ``no``."""
    return realtime(authorize=lambda user, channel, action: channel != "no", **options)


def quick(**options: Any) -> Realtime:
    """One that looks at its clients often, and pings them."""

    class Instance(TunedRealtime):
        heart = staticmethod(partial(Heart, tick=0.01, talk_interval=0.04, talk_timeout=0.02))

    return Instance(**options)


class Told:
    """What a client said of its state."""

    def __init__(self) -> None:
        self.states: list[tuple[State, str]] = []

    def __call__(self, state: State, why: str) -> None:
        self.states.append((state, why))

    @property
    def names(self) -> list[str]:
        return [state.name for state, _ in self.states]


def make(world: World, **options: Any) -> Client:
    """A client that comes back at once."""
    client = Client(f"{'https' if world.tls else 'http'}://localhost:{world.port}", **options)
    client._backoff = Backoff(first=0.005, most=0.01)
    return client


@asynccontextmanager
async def connected(instance: Realtime, **options: Any) -> AsyncIterator[tuple[World, Client]]:
    async with serving(instance) as world, make(world, **options) as client:
        yield world, client


def cut(world: World) -> None:
    """Every connection breaks."""
    for connection in list(world.hub.connections):
        connection.abort()


async def some(events: AsyncIterator[Event], count: int) -> list[Event]:
    return [await anext(events) for _ in range(count)]


async def first(subscription: Subscription, count: int) -> AsyncIterator[Message]:
    messages = aiter(subscription)
    for _ in range(count):
        yield await anext(messages)
