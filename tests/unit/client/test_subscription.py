"""What is iterated over: in order, bounded, and with an end that everybody hears of."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from tornado_realtime.client import Event, Message, Missed, Subscription
from tornado_realtime.client.channel import Channel
from tornado_realtime.client.subscription import QUEUE_SIZE
from tornado_realtime.errors import DisconnectedError


class Host:
    """A client that notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def begin(self, subscription: Subscription) -> None:
        self.asked.append("begin")

    async def end(self, subscription: Subscription) -> None:
        self.asked.append("end")


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(main, 5))


def make() -> tuple[Subscription, Host]:
    host = Host()
    return Subscription(host, [Channel("news")]), host


def test_messages_come_alone_or_with_everything_else() -> None:
    async def main() -> None:
        for method, expected in (("__aiter__", ["a", "b"]), ("events", ["a", "missed", "b"])):
            subscription, host = make()
            for event in (Message("news", "a"), Missed("news"), Message("news", "b")):
                await subscription.put(event)
            found: list[str] = []
            async for each in getattr(subscription, method)():
                found.append(each.payload if isinstance(each, Message) else "missed")
                if len(found) == len(expected):
                    break
            assert found == expected
            assert host.asked == ["begin"]

    run(main())


def test_who_stops_iterating_is_not_subscribed_any_more() -> None:
    async def main() -> None:
        subscription, host = make()
        for n in range(3):
            await subscription.put(Message("news", n))
        async for message in subscription:
            assert message.payload == 0
            break
        del message
        while host.asked != ["begin", "end"]:
            await asyncio.sleep(0)
        # Whatever came in is nobody's now, and keeps nobody waiting.
        for n in range(QUEUE_SIZE + 1):
            await subscription.put(Message("news", n))

        inside, host = make()
        async with inside:
            for n in range(3):
                await inside.put(Message("news", n))
            for n in range(2):
                async for message in inside:
                    assert message.payload == n
                    break
            assert host.asked == ["begin"]

    run(main())


def test_it_is_begun_once_and_ended_once() -> None:
    async def main() -> None:
        subscription, host = make()
        async with subscription as inside:
            assert inside is subscription
            iterating = asyncio.create_task(anext(aiter(subscription.events()), None))
            await asyncio.sleep(0)
            await subscription.close()
            assert await iterating is None
        assert host.asked == ["begin", "end"]
        await subscription.put(Missed("news"))
        assert [event async for event in subscription.events()] == []

    run(main())


def test_what_is_there_comes_before_the_error() -> None:
    async def main() -> None:
        subscription, _ = make()
        await subscription.put(Message("news", "a"))
        subscription.fail(DisconnectedError(4009, "disconnected"))
        subscription.fail(DisconnectedError(4008, "the first reason counts"))
        found: list[Event] = []
        with pytest.raises(DisconnectedError, match="disconnected"):
            async for event in subscription.events():
                found.append(event)  # noqa: PERF401
        assert found == [Message("news", "a")]

    run(main())


@pytest.mark.parametrize("end", ["read", "close", "fail"])
def test_nothing_more_is_read_than_somebody_iterates_over(end: str) -> None:
    async def main() -> None:
        subscription, _ = make()
        for n in range(QUEUE_SIZE - 1):
            await subscription.put(Message("news", n))
        putting = asyncio.create_task(subscription.put(Message("news", "last")))
        for _ in range(3):
            await asyncio.sleep(0)
        assert not putting.done()
        if end == "read":
            events = aiter(subscription.events())
            assert await anext(events) == Message("news", 0)
            assert await anext(events) == Message("news", 1)
        elif end == "close":
            await subscription.close()
        else:
            subscription.fail(DisconnectedError(4009, "disconnected"))
        await putting

    run(main())
