"""``GET /internal/channels/NAME/presence``: what an application can ask about one channel."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from tornado_realtime.channels import BAD_NAME, is_good_name
from tornado_realtime.handlers.asking import AskingHandler, QuestionError, decoded
from tornado_realtime.hub.presence import listed
from tornado_realtime.wire.json_text import plain_quote

if TYPE_CHECKING:
    from tornado_realtime.hub import Hub


class ChannelHandler(AskingHandler):
    """The last part of the path says what is asked, everything before it is the channel's name."""

    async def found(self, rest: str) -> bytes:
        """See AskingHandler."""
        name, _, what = rest.rpartition("/")
        ask = self._questions.get(decoded(what, "the path"))
        if ask is None:
            raise QuestionError(f"of a channel there is {' and '.join(self._questions)}", 404)
        channel = decoded(name, "the channel's name")
        if not is_good_name(channel):
            raise QuestionError(BAD_NAME)
        return b'{"channel":%b,%b}' % (plain_quote(channel), await ask(channel))

    @property
    def _questions(self) -> dict[str, Callable[[str], Awaitable[bytes]]]:
        return {"presence": self._presence}

    @property
    def _hub(self) -> Hub:
        return self.door.hub

    async def _presence(self, channel: str) -> bytes:
        query = self.query("after", "limit")
        after, limit = query.text("after"), query.size("limit")
        if not self._hub.broker.traits.of(channel).presence:
            raise QuestionError("no channel block says that there is presence here", 404)
        listing = listed(await self._hub.presence.page(channel, after, limit))
        rest = b',"next":%b' % plain_quote(listing.next) if listing.next else b""
        return b'"count":%d,"members":%b%b' % (listing.count, listing.members or b"{}", rest)
