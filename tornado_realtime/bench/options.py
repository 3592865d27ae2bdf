"""What one measurement consists of."""

from __future__ import annotations

from dataclasses import dataclass, field

from tornado_realtime.errors import BenchError

MOST_SUBSCRIBERS = 20_000
MOST_SECONDS = 600.0
MOST_WINDOW = 1024
MOST_PUBLISHERS = 64
MOST_RATE = 100_000.0
LEAST_MESSAGE_BYTES, MOST_MESSAGE_BYTES = 48, 1024 * 1024


@dataclass(frozen=True, slots=True)
class Options:
    """How much load, and who we are.

    Attributes:
        subscribers: Connections that listen.
        channels: Channels they are spread over evenly.
        publishers: Connections that publish.
        window: Messages published and not yet delivered, at most, while the limit is looked for.
        rate: Messages a second; 0 to look for the limit first, and then take half of it.
        seconds: Of each part.
        message_bytes: Size of a message.
        secret: For publishing; empty to send none.
        headers: Sent with every handshake, such as ``Cookie: AUTH_TOKEN=...``.
        anywhere: Whether the server may be on another machine.
        verify: Whether its certificate is checked.
    """

    subscribers: int = 100
    channels: int = 1
    publishers: int = 4
    window: int = 16
    rate: float = 0.0
    seconds: float = 5.0
    message_bytes: int = 128
    secret: str = field(default="", repr=False)
    headers: tuple[str, ...] = field(default=(), repr=False)
    anywhere: bool = False
    verify: bool = True

    def check(self) -> None:
        """Refuse what makes no sense or is too much.

        Raises:
            BenchError: One value is out of its bounds; it is named, with the bounds.
        """
        _within("--subscribers", self.subscribers, 1, MOST_SUBSCRIBERS)
        _within("--channels", self.channels, 1, self.subscribers)
        _within("--publishers", self.publishers, 1, MOST_PUBLISHERS)
        _within("--window", self.window, 1, MOST_WINDOW)
        _within("--duration", self.seconds, 0.1, MOST_SECONDS)
        _within("--size", self.message_bytes, LEAST_MESSAGE_BYTES, MOST_MESSAGE_BYTES)
        if self.rate:
            _within("--rate", self.rate, 0.1, MOST_RATE)
        for header in (*self.headers, f"X-Broadcast-Secret: {self.secret}"):
            _one_line(header)

    @property
    def listeners(self) -> list[int]:
        """How many subscribers each channel has."""
        each, more = divmod(self.subscribers, self.channels)
        return [each + (number < more) for number in range(self.channels)]


def _within(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise BenchError(f"{name} must be from {least:,g} to {most:,.10g}, not {value:g}")


def _one_line(header: str) -> None:
    name, colon, _ = header.partition(":")
    if not colon or not name.strip() or not header.isprintable() or not header.isascii():
        raise BenchError(f"a header is written NAME: VALUE, in ASCII, unlike {name[:40]!r}...")
