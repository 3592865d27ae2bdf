from __future__ import annotations

import pytest
from redis.exceptions import ResponseError

from tornado_realtime.brokers.redis.address import Place
from tornado_realtime.brokers.redis.cluster.topology import Share, Topology, parse_topology

ASKED = Place("10.0.0.1", 7000)
INFO = b"cluster_state:ok\r\ncluster_slots_ok:16384\r\ncluster_current_epoch:9\r\n"
SLOTS: list[object] = [
    [8192, 16383, [b"10.0.0.2", 7001, b"id-2", []], [b"10.0.0.4", 7003, b"id-4", []]],
    [0, 8191, [b"10.0.0.1", 7000, b"id-1", []]],
]
KNOWN: list[object] = [[b"ssubscribe", -2]]


def test_a_cluster_that_is_well() -> None:
    topology = parse_topology([INFO, SLOTS, KNOWN], ASKED)
    assert topology == Topology(
        epoch=9,
        well=True,
        sharded=True,
        shares=(Share(0, 8191, Place("10.0.0.1", 7000)), Share(8192, 16383, Place("10.0.0.2", 7001))),
        nodes=(Place("10.0.0.2", 7001), Place("10.0.0.1", 7000), Place("10.0.0.4", 7003)),
    )
    assert topology.routes == topology.shares


@pytest.mark.parametrize("name", [None, b"", b"?"])
def test_a_node_that_does_not_know_its_name_is_where_it_was_asked(name: bytes | None) -> None:
    topology = parse_topology([INFO, [[0, 5, [name, 7001, b"id"]]], KNOWN], ASKED)
    assert topology.shares == (Share(0, 5, Place("10.0.0.1", 7001)),)


def test_without_sharded_channels_one_primary_carries_all() -> None:
    topology = parse_topology([INFO, SLOTS, [None]], ASKED)
    assert not topology.sharded
    assert topology.routes == (Share(0, 16383, Place("10.0.0.1", 7000)),)


def test_a_login_that_may_not_ask_for_commands_means_a_redis_of_today() -> None:
    assert parse_topology([INFO, SLOTS, ResponseError("no permissions")], ASKED).sharded


def test_a_cluster_that_is_down_still_says_who_serves_what() -> None:
    topology = parse_topology([INFO.replace(b":ok", b":fail"), SLOTS, KNOWN], ASKED)
    assert not topology.well
    assert len(topology.shares) == 2


def test_a_cluster_without_slots_serves_nothing() -> None:
    for command in (KNOWN, [None]):
        assert parse_topology([INFO, [], command], ASKED).routes == ()


@pytest.mark.parametrize(
    ("info", "slots"),
    [
        (ResponseError("This instance has cluster support disabled"), SLOTS),
        (INFO, ResponseError("This instance has cluster support disabled")),
        (7, SLOTS),
        (INFO, [[0, 16384, [b"h", 1]]]),
        (INFO, [[5, 4, [b"h", 1]]]),
        (INFO, [[0, 5]]),
        (INFO, [[0, 5, b"h"]]),
        (INFO, [[0, 5, [b"h", b"1"]]]),
        (b"cluster_current_epoch:many", SLOTS),
    ],
)
def test_answers_that_make_no_sense(info: object, slots: object) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_topology([info, slots, KNOWN], ASKED)
