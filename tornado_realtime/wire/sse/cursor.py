"""Ids of events: where a client stands in the streams of the channels that it asked for (S4).

An id is a list of places, such as ``fsS6dhjM:k3f:41,Ab-9dE0x:x7:3``: a short name of the channel, the epoch,
the offset. So what is encoded once for all subscribers of a channel has the id that is right for streams with
one channel. Only where a client asked for several, its own id takes the place of that one.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from urllib.parse import quote, unquote

from tornado_realtime.publication import Position
from tornado_realtime.wire.v1.request import ID_SIZE, MOST_ID

CURSOR_BYTES = 16 * 1024
"""Longer ones are not read; what ``MOST_CHANNELS`` need is far shorter."""
MOST_CHANNELS = 100
"""Most channels that one request may name: an id must fit into the header fields that proxies let through."""

_KEY_BYTES = 6
_MARK = b"id: "
_PLACE = re.compile(r"([A-Za-z0-9_\-]{8}):([A-Za-z0-9_.~%\-]{1,200}):([0-9]{1,19})")


@lru_cache(maxsize=4096)
def key_of(channel: str) -> str:
    """The short name of a channel: eight characters that can stand anywhere."""
    digest = blake2b(channel.encode("utf-8", "surrogatepass"), digest_size=_KEY_BYTES).digest()
    return urlsafe_b64encode(digest).decode()


def place_of(channel: str, position: Position) -> bytes:
    """One place of an id; the id of an event on a stream with one channel."""
    return _place(key_of(channel), position)


def _place(key: str, position: Position) -> bytes:
    return f"{key}:{quote(position.epoch, safe='')}:{position.offset}".encode()


def read_cursor(text: str) -> dict[str, Position] | None:
    """Where a client stood, by the short names of channels; None if ``text`` is not an id of ours."""
    if len(text) > CURSOR_BYTES:
        return None
    found = {}
    for item in text.split(","):
        place = _PLACE.fullmatch(item)
        if place is None:
            return None
        epoch, offset = unquote(place[2], errors="replace"), int(place[3])
        if len(epoch) > ID_SIZE or offset > MOST_ID:
            return None
        found[place[1]] = Position(epoch, offset)
    return found


class Ids:
    """Which ids the events of one stream carry; this one has none.

    Attributes:
        is_own: Whether they are the client's own, so that shared events have to be completed for it.
    """

    __slots__ = ()
    is_own = False

    def completed(self, event: bytes) -> bytes:
        """A shared event with this client's id."""
        return event

    def begin(self, channel: str, position: Position) -> bytes:
        """The id which says that what follows ``position`` on ``channel`` is to come; empty for none."""
        return b""

    def narrowed(self) -> Ids:
        """The same for a client that subscribes to other channels, too: those have no place in its ids."""
        return self


NO_IDS = Ids()
"""For a stream that was opened without channels."""


class OneId(Ids):
    """For a stream that was opened for one channel: what is shared is right as it is."""

    __slots__ = ("_key",)

    def __init__(self, channel: str) -> None:
        self._key = key_of(channel)

    def begin(self, channel: str, position: Position) -> bytes:
        """See Ids."""
        return place_of(channel, position) if key_of(channel) == self._key else b""

    def narrowed(self) -> Ids:
        """See Ids."""
        return ManyIds([self._key], {})


@lru_cache(maxsize=1024)
def one_id(channel: str) -> OneId:
    """Shared by all clients of a channel, as long as it is not forgotten."""
    return OneId(channel)


class ManyIds(Ids):
    """For a stream that was opened for several channels: each id has the places of all.

    Args:
        keys: Short names of the channels.
        since: Where the client stood, by short names: so it still stands until it is told otherwise.
    """

    __slots__ = ("_places",)
    is_own = True

    def __init__(self, keys: Iterable[str], since: Mapping[str, Position]) -> None:
        self._places: dict[bytes, bytes] = {
            key.encode(): _place(key, since[key]) if key in since else b"" for key in keys
        }

    def completed(self, event: bytes) -> bytes:
        """See Ids; the event of a channel without a place loses its id, and the client keeps its last one."""
        if not event.startswith(_MARK):
            return event
        line, _, rest = event.partition(b"\n")
        cursor = self._moved(line[len(_MARK) :])
        return b"%b%b\n%b" % (_MARK, cursor, rest) if cursor else rest

    def begin(self, channel: str, position: Position) -> bytes:
        """See Ids."""
        return self._moved(place_of(channel, position))

    def _moved(self, place: bytes) -> bytes:
        key = place.partition(b":")[0]
        if key not in self._places:
            return b""
        self._places[key] = place
        return b",".join(filter(None, self._places.values()))


def ids_of(channels: Sequence[str], since: Mapping[str, Position] | None = None) -> Ids:
    """Those of a stream.

    Args:
        channels: For which it is opened.
        since: Where its client stood, by short names; None if it stood nowhere, or that cannot be read.
    """
    if not channels:
        return NO_IDS
    return one_id(channels[0]) if len(channels) == 1 else ManyIds(map(key_of, channels), since or {})
