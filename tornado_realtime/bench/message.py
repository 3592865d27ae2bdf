"""The messages of a measurement: recognisable, stamped with the time they were due, and JSON on any wire."""

from __future__ import annotations

_TIME_DIGITS = 16


class Stamp:
    """Makes messages and recognises them.

    A message is a JSON string (so that every dialect carries it): ``~``, a token of this measurement,
    16 hex digits of nanoseconds, padding.

    Args:
        token: Letters and digits that nobody else's messages contain.
        size_bytes: Of a message, quotes included.
    """

    def __init__(self, token: str, size_bytes: int) -> None:
        self.mark = b"~" + token.encode("ascii")
        self._padding = b"x" * (size_bytes - len(self.mark) - _TIME_DIGITS - 2)

    def form(self, channel: str, due: float) -> bytes:
        """A publish form with a message for ``channel``.

        Args:
            channel: Letters, digits and dashes.
            due: When it should be sent, in seconds of the loop's clock.
        """
        stamped = b"%b%016x%b" % (self.mark, int(due * 1e9), self._padding)
        return b"channel=%b&message=%%22%b%%22" % (channel.encode("ascii"), stamped)

    def due(self, payload: bytes) -> float | None:
        """When the message in ``payload`` was due, in seconds; None if there is none of ours in it."""
        at = payload.find(self.mark)
        if at < 0:
            return None
        at += len(self.mark)
        return int(payload[at : at + _TIME_DIGITS], 16) / 1e9
