"""What must be true of what clients are told and what they hear, beside the model of a stream."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.model.reference import Reference
from tests.support.stream_client import Ear, StreamClient
from tornado_realtime.publication import Position


def check_ack(reference: Reference, since: dict[str, Any] | None, ack: dict[str, Any], most: int) -> None:
    """The moment a client is told where it begins; ``most`` is what it can miss and get at once."""
    position = Position(ack["epoch"], ack["offset"])
    if since is None:
        assert "recovered" not in ack
    elif "last" in since:
        assert ack["recovered"] is True
        assert ack["replay"] <= min(since["last"], most)
    elif ack["recovered"]:
        assert ack["replay"] == ack["offset"] - since["offset"]
    else:
        place = Position(since["epoch"], since["offset"])
        assert reference.lost or reference.may_be_lost(place, position, most), (since, ack, reference)


def check_heard(reference: Reference, client: StreamClient, channel: str) -> None:
    """What a client heard was published."""
    ear = client.ear(channel)
    for epoch, offset, payload in ear.heard:
        if offset is not None:
            entry = reference.find(epoch, offset)
            is_spared = entry.exclude == client.name
            assert payload == (None if is_spared else entry.payload), (epoch, offset, payload)
    foreign = Counter(payload for _, offset, payload in ear.heard if offset is None)
    assert not foreign or max(foreign.values()) == 1, foreign


def check_complete(reference: Reference, ear: Ear) -> None:
    """Everything is quiet, and it has everything."""
    assert not ear.replay, "not all that was promised came"
    if reference.top is not None:
        assert Position(ear.epoch, ear.offset) == reference.top, (ear.acks[-1], ear.position)


def check_raw(heard: list[bytes], payloads: list[Any], is_gapless: bool) -> None:
    """A client of the older wire has got everything in order, but for what the log tells of."""
    expected = [b'"%b"' % payload.encode() for payload in payloads]
    heard = [text for text in heard if text in set(expected)]
    if is_gapless:
        assert heard == expected
    else:
        assert heard == [text for text in expected if text in set(heard)]
