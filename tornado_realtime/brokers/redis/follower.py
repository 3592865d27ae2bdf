"""How a node keeps to one channel's stream: every publication once, in order, whatever the subscription does.

No input or output here: a keeper takes what is delivered, and reads what a follower asks for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from tornado_realtime.publication import Position, Publication

HELD = 100  # live publications that wait while the stream is read; what is beyond is read, too
HELD_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Page:
    """What was read of a stream.

    Attributes:
        position: Where the stream stood.
        items: Publications in order.
        complete: Whether nothing is missing before the first of them.
        more: Whether there is more behind the last of them.
    """

    position: Position
    items: tuple[Publication, ...] = ()
    complete: bool = True
    more: bool = False


class Keeper(Protocol):
    """Who owns followers. None of these raises."""

    def deliver(self, publication: Publication) -> None:
        """Take the next publication."""

    def missed(self, follower: Follower) -> None:
        """Some are not in the stream any more; what came after them is delivered next."""

    def read(self, follower: Follower) -> None:
        """Read the stream from the follower's position on, or only where it stands, where that is None.

        Answered by ``turned``, whenever that can be had; it is not called again before.
        """

    def settled(self, follower: Follower) -> None:
        """The follower's position is known."""


class Follower:
    """What was delivered of one stream, and what is to be delivered next.

    What comes live is delivered if it is the next one. If it is not, or the subscription was interrupted,
    live publications wait, the stream is read from the last delivery on, and what was missed is delivered
    before them. A subscription begins with where the stream stands once it is confirmed, or with what came
    live before that was known.

    Args:
        channel: Its name.
        keeper: Its owner.

    Attributes:
        channel: Its name.
        position: Of the last delivery; None until it is known.
        hears: Whether the subscription is confirmed.
        deaf_since: When everything was surely heard for the last time, where it was not since.
    """

    __slots__ = (
        "_again",
        "_held",
        "_held_bytes",
        "_keeper",
        "_reading",
        "channel",
        "deaf_since",
        "hears",
        "position",
    )

    def __init__(self, channel: str, keeper: Keeper) -> None:
        self.channel = channel
        self.position: Position | None = None
        self.hears = False
        self.deaf_since: float | None = None
        self._keeper = keeper
        self._reading = False
        self._again = False  # to read once more after that
        self._held: list[Publication] = []
        self._held_bytes = 0

    @property
    def settled(self) -> bool:
        """Whether it is known where the stream stood when the first subscription was confirmed."""
        return self.position is not None

    def interrupted(self, since: float) -> None:
        """Publications do not come any longer; those before ``since`` surely came."""
        self.hears = False
        if self.deaf_since is None:
            self.deaf_since = since
        self._again = False  # not before they do again
        self._let_go()

    def confirmed(self) -> None:
        """Publications come from now on."""
        self.hears = True
        self._ask()

    def live(self, publication: Publication) -> None:
        """A publication came; it has a position."""
        if self._reading or self.position is None:
            self._hold(publication)
        elif not self._take(publication):
            self._hold(publication)
            self._ask()

    def turned(self, page: Page) -> None:
        """The stream was read."""
        self._reading = False
        if self.position is None:
            self.position = self._start(page.position)
            self._keeper.settled(self)
        elif self._catch_up(self.position, page):
            self._ask()
            return
        again, self._again = self._again, False
        held = self._held
        self._let_go()
        for publication in held:
            again = not self._take(publication) or again
        if again:
            self._ask()
        elif self.hears:
            self.deaf_since = None

    def _start(self, read: Position) -> Position:
        """Behind what the first delivery is: what came live before the stream was read was not missed."""
        first = self._held[0].position if self._held else None
        if first is None or first.epoch != read.epoch:
            return read
        return Position(read.epoch, min(read.offset, first.offset - 1))

    def _catch_up(self, known: Position, page: Page) -> bool:
        """Deliver what was read; whether there is more."""
        # Where the epoch alone is new, who heard everything all the time missed nothing.
        if not page.complete and (self.deaf_since is not None or page.position.epoch == known.epoch):
            self._keeper.missed(self)
        for item in page.items:
            self.position = item.position
            self._keeper.deliver(item)
        if not page.more:
            self.position = page.position
        return page.more

    def _take(self, publication: Publication) -> bool:
        """Deliver the next one, and drop what was delivered; False for anything else."""
        position, known = publication.position, self.position
        assert position is not None
        assert known is not None
        if position.epoch != known.epoch or position.offset > known.offset + 1:
            return False
        if position.offset > known.offset:
            self.position = position
            self._keeper.deliver(publication)
        return True

    def _ask(self) -> None:
        if self._reading:
            self._again = True
        else:
            self._reading = True
            self._keeper.read(self)

    def _hold(self, publication: Publication) -> None:
        if len(self._held) < HELD and self._held_bytes + len(publication.data) <= HELD_BYTES:
            self._held.append(publication)
            self._held_bytes += len(publication.data)
        else:
            self._again = True

    def _let_go(self) -> None:
        self._held, self._held_bytes = [], 0
