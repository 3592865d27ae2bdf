"""What nodes ask of Redis about who is present, as parcels carry it, and what the replies mean."""

from __future__ import annotations

from collections.abc import Sequence

from tornado_realtime.brokers.redis.line import Command
from tornado_realtime.brokers.redis.names import presence_key_of, presence_keys
from tornado_realtime.brokers.redis.publisher import Ask, Parcel, Server
from tornado_realtime.brokers.redis.scripts import Script
from tornado_realtime.members import Change, Member, Roll

PUT = Script.read("presence", "presence_put")
CLEAR = Script.read("presence", "presence_clear")
READ = Script.read("presence_read")
LEASE = Script.read("presence_lease")
FORGET = Script.read("presence_forget")
# In braces, so that a cluster keeps all of it in one slot.
NODES = b"realtime2:{presence}:nodes"
AT_ONCE = 100  # users, channels and dead nodes in one step, so that no step takes Redis long


def channels_key(node: str) -> bytes:
    """Where it is kept on which channels a node has members."""
    return b"realtime2:{presence}:of:" + node.encode()


def put(channel: str, node: str, members: Sequence[Member], *, until: int, step: int, kept: int) -> Ask:
    """Say how many connections ``node`` has of some users.

    Args:
        channel: Where.
        node: Who says so.
        members: At most ``AT_ONCE``.
        until: When the node's lease may end (Unix milliseconds, by Redis' clock): not done after that.
        step: Greater than those of all steps before; not done after a greater one.
        kept: Milliseconds for which the step is remembered.
    """
    words = [word for member in members for word in (member.user.encode(), b"%d" % member.conns, member.info)]

    def ask(parcel: Parcel, server: Server) -> Command:
        return PUT.run_whole(
            (*presence_keys(channel), presence_key_of(channel, node)),
            *(server.dialect.publish, parcel.topic, b"%d" % until, b"%d" % step, b"%d" % kept),
            *words,
        )

    return ask


def clear(channel: str, node: str) -> Ask:
    """Take some of the members of a dead node away; answered with how many are left."""

    def ask(parcel: Parcel, server: Server) -> Command:
        keys = (*presence_keys(channel), presence_key_of(channel, node))
        return CLEAR.run_whole(keys, server.dialect.publish, parcel.topic, b"%d" % AT_ONCE)

    return ask


def read(channel: str, after: str, limit: int) -> Ask:
    """One page; see ``parse_roll``."""
    return lambda parcel, server: READ.run_whole(presence_keys(channel), after.encode(), b"%d" % limit)


def lease(node: str, seconds: float, channels: Sequence[str] = (), *, is_new: bool = False) -> Ask:
    """Renew the lease of a node, or take a first one; see ``parse_lease``."""
    words = (node.encode(), b"%d" % round(seconds * 1000), b"%d" % is_new, b"%d" % AT_ONCE)
    names = [channel.encode() for channel in channels]
    return lambda parcel, server: LEASE.run_whole((NODES, channels_key(node)), *words, *names)


def forget(node: str, channels: Sequence[str], *, is_dead: bool) -> Ask:
    """A node has no members on some channels any longer."""
    names = [channel.encode() for channel in channels]
    return lambda parcel, server: FORGET.run_whole(
        (NODES, channels_key(node)), node.encode(), b"%d" % is_dead, *names
    )


def some_channels(node: str) -> Ask:
    """Some of the channels on which a node has members; in another order each time, as others ask, too."""
    return lambda parcel, server: (b"SRANDMEMBER", channels_key(node), b"%d" % AT_ONCE)


def parse_lease(reply: object) -> tuple[int, list[str]]:
    """When a lease ends (Unix milliseconds; 0 if it ended already), and which nodes are dead."""
    match reply:
        case [int(ends), *dead]:
            return ends, _texts(dead)
    return 0, []


def parse_channels(reply: object) -> list[str]:
    """Names of channels."""
    return _texts(reply) if isinstance(reply, list) else []


def parse_roll(reply: object) -> Roll:
    """A page of who is present."""
    match reply:
        case [bytes(version), int(count), int(more), *words]:
            members = (_member(*pair) for pair in zip(words[::2], words[1::2], strict=True))
            return Roll(int(version), count, tuple(filter(None, members)), bool(more))
    return Roll()


def parse_change(channel: str, data: bytes) -> Change | None:
    """What the scripts publish; None for what makes no sense, as another version of the server may say it."""
    head, _, rest = data.partition(b"\n")
    try:
        version, count, conns, size = map(int, head.split(b" "))
        member = Member(rest[:size].decode(), rest[size:], conns)
    except ValueError:
        return None
    return Change(channel, version, count, member) if member.user else None


def _member(user: object, entry: object) -> Member | None:
    match user, entry:
        case bytes(user), bytes(entry):
            conns, _, info = entry.partition(b" ")
            return Member(user.decode("utf-8", "replace"), info, int(conns))
    return None


def _texts(words: list[object]) -> list[str]:
    return [word.decode("utf-8", "replace") for word in words if isinstance(word, bytes)]
