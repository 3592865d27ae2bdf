"""The channels of a client: who iterates over which, what is asked about them, and what the answers mean."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any

from tornado_realtime.client.requests import Frame, error_from
from tornado_realtime.client.values import history_from
from tornado_realtime.errors import ClientError, RequestError

if TYPE_CHECKING:
    from tornado_realtime.client.channel import Channel
    from tornado_realtime.client.subscription import Subscription

# Seconds after which a subscription is tried again that the server could not decide about.
RETRY_SECONDS = 1.0
# How often a history is read to its end while more is published than the server sends again at once.
MOST_TRIES = 5


class _Entry:
    """One channel at the desk."""

    __slots__ = ("asked", "channel", "confirmed", "filling", "subscription", "timer", "tries")

    def __init__(self, channel: Channel, subscription: Subscription) -> None:
        self.channel = channel
        self.subscription = subscription
        self.confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.asked = 0
        self.timer: asyncio.TimerHandle | None = None
        self.filling: asyncio.Task[None] | None = None
        self.tries = 0

    def pause(self) -> None:
        """What was begun over a connection is begun anew over the next one."""
        for work in (self.timer, self.filling):
            if work is not None:
                work.cancel()
        self.timer = self.filling = None

    def stop(self, error: Exception | None) -> None:
        """Try no more; whoever waits hears why."""
        self.pause()
        if error is not None and not self.confirmed.done():
            self.confirmed.set_exception(error)
            self.confirmed.exception()  # somebody waits for it, or for another one


class Desk:
    """Takes every message about a channel.

    Args:
        send: Sends a message; nothing happens while there is no connection.
        ask: Sends a request, and returns its answer; raises ClientError.
        ids: For requests, never the same twice.
    """

    def __init__(
        self,
        send: Callable[[Frame], None],
        ask: Callable[[dict[str, Any]], Awaitable[Frame]],
        ids: Iterator[int],
    ) -> None:
        self._send = send
        self._read = ask
        self._ids = ids
        self._entries: dict[str, _Entry] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    async def begin(self, subscription: Subscription) -> None:
        """Subscribe, and wait until every channel is confirmed.

        Raises:
            RequestError: One was refused; then none of them is subscribed any more.
        """
        entries = [_Entry(channel, subscription) for channel in subscription.channels]
        self._entries |= {entry.channel.name: entry for entry in entries}
        for entry in entries:
            self._ask(entry)
        try:
            for entry in entries:
                await entry.confirmed
        except BaseException:
            self.end(subscription)
            raise

    def end(self, subscription: Subscription, error: Exception | None = None) -> None:
        """Unsubscribe, for that reason if there is one. Idempotent."""
        for channel in subscription.channels:
            entry = self._entries.get(channel.name)
            if entry is not None and entry.subscription is subscription:
                del self._entries[channel.name]
                entry.stop(error)
                self._send({"action": "unsubscribe", "channel": channel.name})

    def again(self) -> None:
        """There is a new connection: subscribe to everything, from where it stands."""
        for entry in self._entries.values():
            entry.pause()
            self._ask(entry)

    def fail(self, error: Exception) -> None:
        """It is over for good."""
        for entry in list(self._entries.values()):
            self._fail(entry, error)

    async def take(self, frame: Frame) -> None:
        """A message came; it may be about a channel, or not."""
        entry = self._entries.get(frame.get("channel", ""))
        if entry is None:
            return
        kind = frame.get("type")
        if "id" not in frame:
            await self._happened(entry, frame)
        elif frame["id"] == entry.asked and kind == "subscribed":
            await self._confirmed(entry, frame)
        elif frame["id"] == entry.asked and kind == "error":
            self._refused(entry, error_from(frame))

    def _ask(self, entry: _Entry) -> None:
        entry.asked = next(self._ids)
        self._send({**entry.channel.request(), "id": entry.asked})

    async def _confirmed(self, entry: _Entry, frame: Frame) -> None:
        if entry.channel.has_hole(frame) and entry.tries < MOST_TRIES:
            entry.tries += 1
            entry.filling = asyncio.create_task(self._fill(entry))
            return
        entry.tries = 0
        for event in entry.channel.confirmed(frame):
            await entry.subscription.put(event)
        if not entry.confirmed.done():
            entry.confirmed.set_result(None)

    async def _fill(self, entry: _Entry) -> None:
        """Read what was too much to be sent at once, then subscribe from there."""
        channel = entry.channel
        try:
            has_more = True
            while has_more:
                history = history_from(channel.name, await self._read(channel.reading()))
                for message in channel.read(history):
                    await entry.subscription.put(message)
                has_more = history.more
        except ClientError:
            channel.give_up()
        entry.filling = None
        self._ask(entry)

    async def _happened(self, entry: _Entry, frame: Frame) -> None:
        was_live = entry.channel.is_live
        events, has_to_catch_up = entry.channel.take(frame)
        for event in events:
            await entry.subscription.put(event)
        if has_to_catch_up:
            self._ask(entry)
        elif was_live and not entry.channel.is_live:
            reason = frame.get("reason", "unsubscribed")
            self._fail(entry, RequestError(frame.get("code", 0), reason, entry.channel.name))

    def _refused(self, entry: _Entry, error: RequestError) -> None:
        if error.retry:
            loop = asyncio.get_running_loop()
            entry.timer = loop.call_later(error.after or RETRY_SECONDS, self._ask, entry)
        else:
            self._fail(entry, error)

    def _fail(self, entry: _Entry, error: Exception) -> None:
        entry.subscription.fail(error)
        self.end(entry.subscription, error)
