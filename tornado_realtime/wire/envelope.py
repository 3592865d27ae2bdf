"""The newer dialect: every server message is one JSON object with a type, and everything is answered.

Names come in the order type, channel, payload, error, as the pages in the field were written against.
"""

from __future__ import annotations

from tornado_realtime.members import Listing
from tornado_realtime.publication import Publication
from tornado_realtime.wire.base import Wire
from tornado_realtime.wire.commands import ChannelCommand, Command, Reject, Subscribe, Unsubscribe
from tornado_realtime.wire.denial import Denial
from tornado_realtime.wire.frames import text_frame
from tornado_realtime.wire.json_text import compact, quote
from tornado_realtime.wire.request import read_request


def _error(text: str) -> Reject:
    """The answer to a message that asked for nothing that can be done."""
    return Reject(text_frame(b'{"type":"error","error":%b}' % quote(text)))


_INVALID = _error("invalid JSON message")
_NO_CHANNEL = _error("channel must be specified")
_BAD_NAME = text_frame(b'{"type":"error","error":%b}' % quote(Denial.BAD_NAME.value))


class EnvelopeWire(Wire):
    """JSON envelopes; only publications that are JSON themselves can be carried."""

    name = "envelope"

    def encode(self, publication: Publication) -> bytes | None:
        """The message as ``payload``, compacted; None when it is not exactly one JSON value."""
        payload = compact(publication.data)
        if payload is None:
            return None
        channel = quote(publication.channel)
        return text_frame(b'{"type":"message","channel":%b,"payload":%b}' % (channel, payload))

    def decode(self, message: bytes, is_text: bool) -> Command:
        """A subscribe or unsubscribe with a channel; anything else is a ``Reject`` that says why."""
        request = read_request(message, is_text)
        if request is None:
            return _INVALID
        if not request.channel:
            return _NO_CHANNEL
        if request.action == "subscribe":
            return Subscribe(request.channel, request.token)
        if request.action == "unsubscribe":
            return Unsubscribe(request.channel)
        return _error(f"unknown action: {request.action}")

    def subscribed(self, command: Subscribe, listing: Listing | None = None) -> bytes:
        """The confirmation, sent for every subscribe, the first and all later ones."""
        return text_frame(b'{"type":"subscribed","channel":%b}' % quote(command.channel))

    def unsubscribed(self, command: Unsubscribe) -> bytes:
        """The confirmation, sent even when the client had not subscribed."""
        return text_frame(b'{"type":"unsubscribed","channel":%b}' % quote(command.channel))

    def denied(self, command: ChannelCommand, why: Denial) -> bytes:
        """An error with the channel's name, unless the name itself is what is wrong."""
        if why is Denial.EXPIRED:
            why = Denial.FORBIDDEN
        if why is Denial.BAD_NAME:
            return _BAD_NAME
        channel, text = quote(command.channel), quote(why.value)
        return text_frame(b'{"type":"error","channel":%b,"error":%b}' % (channel, text))
