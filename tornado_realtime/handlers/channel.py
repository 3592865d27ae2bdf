"""``GET /internal/channels/NAME/history`` and ``/presence``: what applications ask about a channel."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from tornado_realtime.channels import BAD_NAME, is_good_name
from tornado_realtime.errors import QuestionError
from tornado_realtime.handlers.asking import AskingHandler, Query, decoded
from tornado_realtime.hub.histories import MOST_BYTES
from tornado_realtime.hub.presence import listed
from tornado_realtime.hub.reads import newest
from tornado_realtime.publication import Last, Position
from tornado_realtime.wire.json_text import plain_quote
from tornado_realtime.wire.v1 import past

if TYPE_CHECKING:
    from tornado_realtime.hub import Hub

OFFSET_DIGITS = 16


class ChannelHandler(AskingHandler):
    """The last part of the path says what is asked, everything before it is the channel's name."""

    async def found(self, rest: str) -> bytes:
        """See AskingHandler."""
        name, _, what = rest.rpartition("/")
        ask = self._questions.get(decoded(what, "the path"))
        if ask is None:
            raise QuestionError(
                f"what is asked of a channel comes last: /{' or /'.join(self._questions)}", 404
            )
        channel = decoded(name, "the channel's name")
        if not is_good_name(channel):
            raise QuestionError(BAD_NAME)
        return b'{"channel":%b,%b}' % (plain_quote(channel), await ask(channel))

    @property
    def _questions(self) -> dict[str, Callable[[str], Awaitable[bytes]]]:
        return {"history": self._history, "presence": self._presence}

    @property
    def _hub(self) -> Hub:
        return self.door.hub

    async def _history(self, channel: str) -> bytes:
        query = self.query("since", "last", "limit", "reverse")
        since, limit, reverse = _since(query), query.size("limit"), query.flag("reverse")
        broker = self._hub.broker
        if broker.traits.of(channel).retention is None:
            raise QuestionError("no channel block says that anything is kept of this channel", 404)
        since = newest(since, limit)
        found = broker.history_now(channel, since, limit, reverse=reverse)
        if found is None:
            found = await broker.history(channel, since, limit, reverse=reverse)
        if not found.recovered:
            reason = "the epoch is over, or some of what follows this position is not kept any more"
            raise QuestionError(reason, 410, epoch=found.position.epoch, offset=found.position.offset)
        told = past(found, MOST_BYTES)
        rest = b',"next":%b' % plain_quote(f"{told.last.epoch}:{told.last.offset}") if told.last else b""
        return told.text + rest

    async def _presence(self, channel: str) -> bytes:
        query = self.query("after", "limit")
        after, limit = query.text("after"), query.size("limit")
        if not self._hub.broker.traits.of(channel).presence:
            raise QuestionError("no channel block says that there is presence here", 404)
        listing = listed(await self._hub.presence.page(channel, after, limit))
        rest = b',"next":%b' % plain_quote(listing.next) if listing.next else b""
        return b'"count":%d,"members":%b%b' % (listing.count, listing.members or b"{}", rest)


def _since(query: Query) -> Position | Last | None:
    """The place in a stream that is asked for, if there is one."""
    place, last = query.text("since"), query.text("last")
    if place and last:
        raise QuestionError("give since or last, not both")
    if last:
        return Last(query.size("last"))
    if not place:
        return None
    epoch, _, offset = place.rpartition(":")
    if not (epoch and offset.isascii() and offset.isdigit() and len(offset) <= OFFSET_DIGITS):
        raise QuestionError("since must be EPOCH:OFFSET, such as k3f:41")
    return Position(epoch, int(offset))
