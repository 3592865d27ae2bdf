"""The older dialect: a publication is its message as it is, and the server never says anything else."""

from __future__ import annotations

from tornado_realtime.members import Listing
from tornado_realtime.publication import Publication
from tornado_realtime.wire.base import Wire
from tornado_realtime.wire.commands import Command, Reject, Subscribe, Unsubscribe
from tornado_realtime.wire.frames import text_frame
from tornado_realtime.wire.request import read_request

_SILENCE = Reject()


class RawWire(Wire):
    """Text frames that carry messages unchanged; nothing is confirmed and no mistake is answered."""

    name = "raw"

    def encode(self, publication: Publication) -> bytes:
        """The message, unchanged, as a text frame."""
        return text_frame(publication.data)

    def decode(self, message: bytes, is_text: bool) -> Command:
        """A subscribe or unsubscribe with a channel; anything else is a silent ``Reject``."""
        request = read_request(message, is_text)
        if request is None or not request.channel:
            return _SILENCE
        if request.action == "subscribe":
            return Subscribe(request.channel, request.token)
        if request.action == "unsubscribe":
            return Unsubscribe(request.channel)
        return _SILENCE

    def subscribed(self, command: Subscribe, listing: Listing | None = None) -> None:
        """Nothing: this wire does not confirm."""

    def unsubscribed(self, command: Unsubscribe) -> None:
        """Nothing: this wire does not confirm."""
