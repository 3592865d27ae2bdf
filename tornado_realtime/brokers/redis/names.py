"""How things are called in Redis.

``realtime:CHANNEL`` is the topic of what has no position: plain channels, and what other programs publish.
All names of a channel with history have ``{=CHANNEL}`` in them, so that a Redis Cluster keeps it in one slot;
the ``=`` is there because braces with nothing between them would not count. What is free text (a channel, a
key) stands last or has its length before it, so that no two things share a name.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import count

from redis.crc import key_slot

PREFIX = b"realtime:"

# Where nodes talk to one another: outside realtime:*, which older servers subscribe to as a whole.
NODES_TOPIC = b"realtime2:nodes"
NODE_PREFIX = b"realtime2:node:"
PROBE_PREFIX = b"realtime2:probe:"


def topic_of(channel: str) -> bytes:
    """Where what has no position on ``channel`` is published."""
    return PREFIX + channel.encode()


def stream_topic(channel: str) -> bytes:
    """Where what was appended to the stream of ``channel`` is published."""
    return b"realtime2:{=%s}" % channel.encode()


def stream_keys(channel: str) -> tuple[bytes, bytes]:
    """The stream of ``channel``, and the hash that says where it stands."""
    tag = b"{=%s}" % channel.encode()
    return b"realtime2:s:" + tag, b"realtime2:m:" + tag


def stream_key_of(channel: str, key: str) -> bytes:
    """Where it is kept that ``key`` was published on ``channel``, which has history."""
    name = channel.encode()
    return b"realtime2:k:%d:{=%s}:%s" % (len(name), name, key.encode())


def presence_topic(channel: str) -> bytes:
    """Where it is published who comes and goes on ``channel``."""
    return b"realtime2:p:{=%s}" % channel.encode()


def presence_keys(channel: str) -> tuple[bytes, bytes, bytes]:
    """Who is present on ``channel``: the members, their order, and the version of the list."""
    tag = b"{=%s}" % channel.encode()
    return b"realtime2:pm:" + tag, b"realtime2:po:" + tag, b"realtime2:pv:" + tag


def presence_key_of(channel: str, node: str) -> bytes:
    """Which of them are on one node, whose name has no braces."""
    return b"realtime2:pn:%s:{=%s}" % (node.encode(), channel.encode())


def plain_key_of(channel: str, key: str) -> bytes:
    """The same for a plain channel: in the slot of its topic."""
    name = channel.encode()
    return b"realtime2:o:%d:{%s}:%s:%s" % (len(name), _tag_of(topic_of(channel)), name, key.encode())


@lru_cache(maxsize=1024)
def _tag_of(topic: bytes) -> bytes:
    """What, in braces, has the slot of ``topic``: its own tag, all of it, or a number that happens to."""
    _, opened, rest = topic.partition(b"{")
    tag, closed, _ = rest.partition(b"}")
    if opened and closed and tag:
        return tag
    if b"}" not in topic:
        return topic
    slot = key_slot(topic)
    return next(b"%d" % number for number in count() if key_slot(b"%d" % number) == slot)
