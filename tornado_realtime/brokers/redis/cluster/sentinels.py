"""Where the primary is, as a Sentinel says it; without any I/O."""

from __future__ import annotations

from typing import Literal

from redis.exceptions import ResponseError

from tornado_realtime.brokers.redis.address import Place
from tornado_realtime.brokers.redis.cluster.topology import SLOTS, Share, Topology

DOWN = frozenset({b"o_down", b"failover_in_progress"})

State = Literal["up", "doubted", "down"]


def sentinel_questions(master: str) -> tuple[tuple[bytes, ...], ...]:
    """What to ask a Sentinel about the primary that is called ``master``."""
    name = master.encode()
    return tuple((b"SENTINEL", word, name) for word in (b"MASTER", b"SENTINELS", b"CKQUORUM"))


def parse_sentinel(replies: list[object]) -> tuple[Topology, State]:
    """Read the replies to ``sentinel_questions``: one primary that carries everything.

    The epoch is that of the last failover. A Sentinel is well while it reaches so many others that they
    could decide on one.

    Returns:
        Also, whether the primary is down: that many Sentinels say so, or it is being replaced. It is doubted
        while this Sentinel alone says so, as far as it knows: the others may have decided already.

    Raises:
        ValueError: They make no sense. The message may be logged.
    """
    master, others, quorum = replies
    if isinstance(master, ResponseError):
        raise ValueError(str(master)) from master
    facts = _facts(master)
    try:
        epoch = int(facts[b"config-epoch"])
        flags = facts[b"flags"].split(b",")
        primary = _place(facts)
        sentinels = tuple(_place(_facts(other)) for other in others) if isinstance(others, list) else ()
    except (KeyError, UnicodeDecodeError) as error:
        raise ValueError("SENTINEL MASTER was answered with something else") from error
    topology = Topology(
        epoch=epoch,
        well=not isinstance(quorum, ResponseError),
        sharded=False,
        shares=(Share(0, SLOTS - 1, primary),),
        nodes=sentinels,
    )
    if not DOWN.isdisjoint(flags):
        return topology, "down"
    return topology, "doubted" if b"s_down" in flags else "up"


def _facts(reply: object) -> dict[object, bytes]:
    if not isinstance(reply, list) or len(reply) % 2 or not all(isinstance(word, bytes) for word in reply):
        raise ValueError("SENTINEL MASTER was answered with something else")
    return dict(zip(reply[::2], reply[1::2], strict=True))


def _place(facts: dict[object, bytes]) -> Place:
    return Place(facts[b"ip"].decode(), int(facts[b"port"]))
