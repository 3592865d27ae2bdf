"""Who serves which slots of a Redis Cluster, as one of its nodes says it; without any I/O."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

from redis.crc import REDIS_CLUSTER_HASH_SLOTS as SLOTS
from redis.crc import key_slot
from redis.exceptions import ResponseError

from tornado_realtime.brokers.redis.address import Place

__all__ = ["QUESTIONS", "SLOTS", "Share", "Topology", "key_slot", "parse_topology"]

QUESTIONS = ((b"CLUSTER", b"INFO"), (b"CLUSTER", b"SLOTS"), (b"COMMAND", b"INFO", b"SSUBSCRIBE"))


@dataclass(frozen=True, slots=True)
class Share:
    """Slots in a row that one primary serves.

    Attributes:
        first, last: Both included, 0..16383.
        owner: The primary.
    """

    first: int
    last: int
    owner: Place

    @property
    def tag(self) -> int:
        """A number whose digits, in braces within a name, put that name into one of these slots."""
        return next(tag for tag in count() if self.first <= key_slot(b"%d" % tag) <= self.last)


@dataclass(frozen=True, slots=True)
class Topology:
    """What one node knows of its cluster.

    Attributes:
        epoch: Grows with every change of the cluster; of two that differ the higher one is newer.
        well: Whether that node is in touch with the majority of the others, and all slots are served.
        sharded: Whether a channel belongs to a slot, as from Redis 7 on. If not, whatever is published
            on one node reaches those who listen on any.
        shares: Sorted; slots that nobody serves are in none.
        nodes: All of them, primaries first.
    """

    epoch: int = 0
    well: bool = False
    sharded: bool = True
    shares: tuple[Share, ...] = ()
    nodes: tuple[Place, ...] = ()

    @property
    def primaries(self) -> tuple[Place, ...]:
        """Those that serve slots, by their first one."""
        return tuple(dict.fromkeys(share.owner for share in self.shares))

    @property
    def routes(self) -> tuple[Share, ...]:
        """Which primary carries the channels of which slots.

        Where channels belong to no slot, one primary carries them all, so that there is one order on
        each of them: the first, which is the same for everybody who looks.
        """
        if self.sharded or not self.shares:
            return self.shares
        return (Share(0, SLOTS - 1, self.shares[0].owner),)


def parse_topology(replies: list[object], asked: Place) -> Topology:
    """Read the replies to ``QUESTIONS``.

    Args:
        replies: One for each question; errors as ResponseError.
        asked: Who answered; a node that does not know its own name leaves it out.

    Raises:
        ValueError: They make no sense. The message may be logged.
    """
    info, slots, command = replies
    for reply in (info, slots):
        if isinstance(reply, ResponseError):
            raise ValueError(str(reply)) from reply
    facts = _facts(info)
    shares, nodes = _shares(slots, asked.host)
    return Topology(
        epoch=int(facts.get(b"cluster_current_epoch", b"0")),
        well=facts.get(b"cluster_state") == b"ok",
        # An error says that this login may not ask; who sets up such rights has a Redis of today.
        sharded=not (isinstance(command, list) and command[:1] == [None]),
        shares=shares,
        nodes=nodes,
    )


def _facts(info: object) -> dict[bytes, bytes]:
    if not isinstance(info, bytes):
        raise ValueError("CLUSTER INFO was answered with something else")
    pairs = (line.partition(b":") for line in info.splitlines())
    return {name: value for name, _, value in pairs}


def _shares(slots: object, host: str) -> tuple[tuple[Share, ...], tuple[Place, ...]]:
    shares: list[Share] = []
    primaries: dict[Place, None] = {}
    replicas: dict[Place, None] = {}
    for entry in slots if isinstance(slots, list) else ():
        match entry:
            case [int(first), int(last), primary, *others] if 0 <= first <= last < SLOTS:
                owner = _place(primary, host)
                shares.append(Share(first, last, owner))
                primaries[owner] = None
                replicas.update((_place(other, host), None) for other in others)
            case _:
                raise ValueError("CLUSTER SLOTS was answered with something else")
    shares.sort(key=lambda share: share.first)
    return tuple(shares), tuple(primaries | replicas)


def _place(node: object, host: str) -> Place:
    match node:
        case [(bytes() | None) as name, int(port), *_]:
            known = name is not None and name not in (b"", b"?")
            return Place(name.decode() if known and name else host, port)
        case _:
            raise ValueError("CLUSTER SLOTS was answered with something else")
