"""Which channels a node could not hear for a while, and for how long."""

from __future__ import annotations

from collections.abc import Iterable


class Deafness:
    """The topics whose subscription was interrupted; moments are seconds of a clock that never goes back.

    When a subscription broke is not known: Redis may have stopped to send long before the connection
    ended. Known is what was heard last, and a topic counts as deaf from there: rather too long than too
    short.
    """

    def __init__(self) -> None:
        self.sure = 0.0  #: what was published before this moment was heard
        self._since: dict[bytes, float] = {}

    def promised(self, moment: float) -> None:
        """What is published from ``moment`` on is to be heard; called more than once the first counts."""
        self.sure = self.sure or moment

    def proved(self, moment: float) -> None:
        """What Redis sent before ``moment`` was read: it answered what was asked then."""
        self.sure = max(self.sure, moment)

    def began(self, topics: Iterable[bytes]) -> None:
        """These cannot be heard any longer; those that could not before stay what they are."""
        for topic in topics:
            self._since.setdefault(topic, self.sure)

    def joined(self, topic: bytes, since: float) -> None:
        """One more cannot be heard, since then."""
        self._since[topic] = since

    def left(self, topic: bytes) -> float:
        """Nobody listens to ``topic`` here any longer.

        Returns:
            When it was surely heard for the last time.
        """
        return self._since.pop(topic, self.sure)

    def ended(self, now: float) -> tuple[list[bytes], float]:
        """Everything is heard again.

        Returns:
            The topics that were deaf, and for how many seconds the longest of them.
        """
        since, self._since = self._since, {}
        return list(since), now - min(since.values(), default=now)
