"""The two ways in which Redis carries messages on channels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from redis.crc import key_slot
from redis.exceptions import AskError, ClusterDownError, TryAgainError

# How a node of a cluster says that another one serves a channel, or will in a moment (MOVED is an AskError).
ELSEWHERE = (AskError, TryAgainError)
NOT_SERVED = (*ELSEWHERE, ClusterDownError)  # or that nobody does
CHUNK = 500  # channels in one SUBSCRIBE, so that 100,000 of them do not stall Redis in one command


@dataclass(frozen=True, slots=True)
class Dialect:
    """The names of the commands, and of what Redis sends.

    Attributes:
        publish, subscribe, unsubscribe: Commands.
        message, subscribed, unsubscribed: What Redis sends: a message, and its answers to the commands.
        by_slot: Whether one command may only name channels of one slot.
    """

    publish: bytes
    subscribe: bytes
    unsubscribe: bytes
    message: bytes
    subscribed: bytes
    unsubscribed: bytes
    by_slot: bool

    def commands(self, verb: bytes, topics: Iterable[bytes]) -> Iterator[tuple[bytes, ...]]:
        """``verb`` for all of ``topics``, in as few commands as are good for Redis."""
        if not self.by_slot:
            yield from ((verb, *chunk) for chunk in _chunks(topics))
            return
        slots: dict[int, list[bytes]] = {}
        for topic in topics:
            slots.setdefault(key_slot(topic), []).append(topic)
        for group in slots.values():
            yield from ((verb, *chunk) for chunk in _chunks(group))


PLAIN = Dialect(b"PUBLISH", b"SUBSCRIBE", b"UNSUBSCRIBE", b"message", b"subscribe", b"unsubscribe", False)
SHARDED = Dialect(
    b"SPUBLISH", b"SSUBSCRIBE", b"SUNSUBSCRIBE", b"smessage", b"ssubscribe", b"sunsubscribe", True
)


def _chunks(topics: Iterable[bytes]) -> Iterator[list[bytes]]:
    rest = iter(topics)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk
