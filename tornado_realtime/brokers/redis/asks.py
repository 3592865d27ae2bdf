"""What the broker asks of Redis beyond PUBLISH, as parcels carry it, and what the replies mean."""

from __future__ import annotations

import secrets

from tornado_realtime.brokers.base import KEY_SECONDS
from tornado_realtime.brokers.redis.heads import COPIED, MESSAGE, parse_position
from tornado_realtime.brokers.redis.line import Command
from tornado_realtime.brokers.redis.names import plain_key_of, stream_key_of, stream_keys, topic_of
from tornado_realtime.brokers.redis.publisher import Ask, Parcel, Server
from tornado_realtime.brokers.redis.scripts import APPEND, ONCE, READ
from tornado_realtime.publication import Last, Position, Publication, Taken
from tornado_realtime.traits import Retention

PAGE_BYTES = 256 * 1024  # of messages in one answer; one message always fits
_KEY_MILLISECONDS = b"%d" % (KEY_SECONDS * 1000)


def append(publication: Publication, retention: Retention, key: str, *, copied: bool) -> Ask:
    """Append a parcel's message to its channel's stream, and publish it.

    Args:
        publication: What it was made of.
        retention: What the stream keeps.
        key: Its idempotency key; empty for none.
        copied: Whether the message goes to ``realtime:CHANNEL``, too.
    """
    channel = publication.channel

    def ask(parcel: Parcel, server: Server) -> Command:
        # Who subscribes to topics of slots does not hear what is published to all nodes: nothing to ignore.
        is_heard = copied and not server.dialect.by_slot
        return APPEND.run(
            (*stream_keys(channel), stream_key_of(channel, key)) if key else stream_keys(channel),
            *(server.life, _fresh_epoch(), parcel.data),
            *(b"%d" % retention.entries, _milliseconds(retention), b"%d" % retention.size_bytes),
            *(server.dialect.publish, parcel.topic, COPIED if is_heard else MESSAGE, _KEY_MILLISECONDS),
            *((topic_of(channel), publication.data) if copied else ()),
        )

    return ask


def once(channel: str, key: str) -> Ask:
    """Publish a parcel on a plain channel, unless that was done under the same key."""

    def ask(parcel: Parcel, server: Server) -> Command:
        keys = (plain_key_of(channel, key),)
        return ONCE.run(keys, server.dialect.publish, parcel.topic, parcel.data, _KEY_MILLISECONDS)

    return ask


def read(
    channel: str,
    retention: Retention,
    since: Position | Last | None,
    limit: int,
    *,
    reverse: bool = False,
    lasting: bool = False,
) -> Ask:
    """Read the stream of ``channel``; see ``Broker.history``.

    Args:
        channel: Its name.
        retention: What the stream keeps.
        since: Where to begin.
        limit: Most publications.
        reverse: The newest first.
        lasting: Whether Redis keeps what it acknowledged when it is started anew, or replaced.
    """
    match since:
        case Position(epoch, offset):
            place = (epoch.encode("utf-8", "replace") or b"?", b"%d" % offset)
        case Last(count):
            place = (b"", b"%d" % count)
        case None:
            place = (b"", b"")

    def ask(parcel: Parcel, server: Server) -> Command:
        return READ.run(
            stream_keys(channel),
            *(server.life, _fresh_epoch(), _milliseconds(retention), *place),
            *(b"%d" % limit, b"%d" % reverse, b"%d" % PAGE_BYTES, b"%d" % lasting),
        )

    return ask


def parse_taken(reply: object) -> Taken:
    """Read what the scripts ``append`` and ``once`` return."""
    match reply:
        case [int(repeated), *rest]:
            return Taken(parse_position(rest[0]) if rest else None, bool(repeated))
    return Taken()


def _milliseconds(retention: Retention) -> bytes:
    return b"%d" % max(1, round(retention.seconds * 1000))


def _fresh_epoch() -> bytes:
    return secrets.token_hex(6).encode()
