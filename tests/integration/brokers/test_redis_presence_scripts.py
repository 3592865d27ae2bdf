"""The scripts about who is present, against a model: whatever happens, and however often it is said."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.redis_server import RedisServer
from tornado_realtime.brokers.redis import rollcall
from tornado_realtime.brokers.redis.dialect import PLAIN
from tornado_realtime.brokers.redis.names import presence_key_of, presence_keys, presence_topic
from tornado_realtime.brokers.redis.publisher import Ask, Parcel, Server
from tornado_realtime.brokers.redis.rollcall import (
    NODES,
    channels_key,
    parse_change,
    parse_channels,
    parse_lease,
    parse_roll,
)
from tornado_realtime.members import NOBODY, Change, Member, Roll

CHANNEL = "room {x}"
FOREVER = 2**52
NAMES = count()


class Lists:
    """Asks one Redis, and hears what it publishes."""

    def __init__(self, server: RedisServer) -> None:
        self.redis: Any = redis.Redis(port=server.port)
        self.steps = count(1)

    def ask(self, ask: Ask, topic: bytes = NODES) -> Any:
        parcel = Parcel(topic, b"", None, ask=ask)  # type: ignore[arg-type]
        return self.redis.execute_command(*ask(parcel, Server(PLAIN)))

    def put(self, channel: str, node: str, *members: Member, until: int = FOREVER, step: int = 0) -> Any:
        step = step or next(self.steps)
        asked = rollcall.put(channel, node, members, until=until, step=step, kept=60_000)
        return self.ask(asked, presence_topic(channel))

    def clear(self, channel: str, node: str) -> Any:
        return self.ask(rollcall.clear(channel, node), presence_topic(channel))

    def read(self, channel: str, after: str = "", limit: int = 1000) -> Roll:
        return parse_roll(self.ask(rollcall.read(channel, after, limit), presence_topic(channel)))

    def keys(self, channel: str) -> list[bytes]:
        """Which there are of a channel's list."""
        return sorted(
            key for key in self.redis.keys("realtime2:p*") if key.endswith(b":{=%b}" % channel.encode())
        )


@pytest.fixture(scope="module")
def lists(shared_redis: RedisServer) -> Iterator[Lists]:
    found = Lists(shared_redis)
    yield found
    found.redis.close()


class Ear:
    """What is published about one channel."""

    def __init__(self, lists: Lists, channel: str) -> None:
        self.channel = channel
        self.pubsub = lists.redis.pubsub()
        self.pubsub.subscribe(presence_topic(channel))
        assert self.pubsub.get_message(timeout=5)["type"] == "subscribe"

    def heard(self, lists: Lists) -> list[Change]:
        """All until now."""
        lists.redis.publish(presence_topic(self.channel), "end")
        found = []
        while (message := self.pubsub.get_message(timeout=5))["data"] != b"end":
            change = parse_change(self.channel, message["data"])
            assert change is not None
            found.append(change)
        return found


NODES_IN_IT = st.sampled_from("xyz")
USERS = st.sampled_from(["ada", "b ob", "çid\n1"])
INFOS = st.sampled_from(["1", '"a b"'])
STEPS = st.lists(
    st.tuples(st.just("put"), NODES_IN_IT, USERS, st.integers(0, 3), INFOS)
    | st.tuples(st.just("clear"), NODES_IN_IT)
    | st.tuples(st.just("again")),
    max_size=40,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(STEPS)
def test_any_steps_keep_to_a_simple_model(lists: Lists, steps: list[tuple[Any, ...]]) -> None:
    channel = f"model {next(NAMES)}"
    nodes: dict[str, dict[str, int]] = {name: {} for name in "xyz"}
    infos: dict[str, bytes] = {}
    last: tuple[Any, ...] = ("clear", "x")
    ear = Ear(lists, channel)
    known: dict[str, Member] = {}
    version = 0
    for step in steps:
        last = step = last if step[0] == "again" else step
        match step:
            case ("put", node, user, conns, info):
                assert lists.put(channel, node, Member(user, info.encode(), conns)) == 1
                nodes[node][user] = conns
                infos[user] = info.encode() if conns else infos.get(user, b"")
            case ("clear", node):
                assert lists.clear(channel, node) == 0
                nodes[node] = {}
        totals = {user: sum(here.get(user, 0) for here in nodes.values()) for user in infos}
        expected = {user: Member(user, infos[user], total) for user, total in totals.items() if total}
        changes = ear.heard(lists)
        assert len(changes) <= (1 if step[0] == "put" else 3)
        for change in changes:
            # Who follows the changes knows what is there, and no version is missing.
            assert change.version == (version + 1 if version else change.version)
            version = change.version
            if change.member.conns:
                known[change.member.user] = change.member
            else:
                del known[change.member.user]
            assert change.count == len(known)
        assert known == expected
        roll = lists.read(channel)
        assert {member.user: member for member in roll.members} == expected
        assert (roll.count, roll.more) == (len(expected), False)
        assert roll.version == version
    ear.pubsub.close()
    for name in nodes:
        lists.clear(channel, name)
    assert lists.keys(channel) in ([], [presence_keys(channel)[2]])


def test_pages(lists: Lists) -> None:
    names = sorted((f"u{number}" for number in range(2500)), key=str.encode)
    for start in range(0, 2500, 100):
        lists.put("pages", "n", *map(Member, names[start : start + 100]))
    first = lists.read("pages", "", 2100)
    assert [member.user for member in first.members] == names[:2100]
    assert (first.count, first.more) == (2500, True)
    rest = lists.read("pages", names[2099], 400)
    assert [member.user for member in rest.members] == names[2100:]
    assert (rest.more, rest.version) == (False, first.version)
    while lists.clear("pages", "n"):
        pass
    assert lists.read("pages").members == NOBODY.members


def test_a_dead_node_is_cleared_in_parts_by_whoever_comes(lists: Lists) -> None:
    ear = Ear(lists, "parts")
    lists.put("parts", "alive", Member("u7"))
    lists.put("parts", "dead", *(Member(f"u{number}") for number in range(1000)))
    assert len(ear.heard(lists)) == 1001
    left = [lists.clear("parts", "dead") for _ in range(3)]
    assert left == sorted(left, reverse=True) and left[0] < 1000
    while lists.clear("parts", "dead"):
        pass
    assert lists.clear("parts", "dead") == 0
    changes = ear.heard(lists)
    gone = [change.member.user for change in changes if not change.member.conns]
    assert sorted(gone) == sorted({f"u{number}" for number in range(1000)} - {"u7"})
    assert [change.member for change in changes if change.member.conns] == [Member("u7")]


def test_what_comes_too_late_or_was_overtaken_changes_nothing(lists: Lists) -> None:
    ear = Ear(lists, CHANNEL)
    assert lists.put(CHANNEL, "n", Member("ada"), until=1) == -1
    assert lists.put(CHANNEL, "n", Member("ada"), step=10_000) == 1
    assert lists.put(CHANNEL, "n", Member("ada", conns=0), step=10_001) == 1
    assert lists.put(CHANNEL, "n", Member("ada"), step=10_000) == 0
    assert [change.member.conns for change in ear.heard(lists)] == [1, 0]
    assert lists.keys(CHANNEL) == [presence_key_of(CHANNEL, "n"), presence_keys(CHANNEL)[2]]
    assert all(lists.redis.pttl(key) > 0 for key in lists.keys(CHANNEL))


def test_versions_do_not_go_back_when_a_list_begins_anew(lists: Lists) -> None:
    lists.put("anew", "n", Member("ada"))
    before = lists.read("anew").version
    lists.put("anew", "n", Member("ada", conns=0))
    assert lists.read("anew").version == before + 1
    lists.put("anew", "n", Member("ada"))
    assert lists.redis.pttl(presence_keys("anew")[2]) == -1
    lists.redis.delete(*lists.keys("anew"))
    lists.put("anew", "n", Member("ada"))
    assert lists.read("anew").version > before + 2


def test_leases(lists: Lists) -> None:
    lists.redis.delete(NODES)
    assert parse_lease(lists.ask(rollcall.lease("a", 10.0))) == (0, [])
    ends, dead = parse_lease(lists.ask(rollcall.lease("a", 10.0, is_new=True)))
    assert ends > 0 and not dead
    parse_lease(lists.ask(rollcall.lease("b", 0.0, is_new=True)))
    lists.ask(rollcall.lease("a", 10.0, ["x", "y"]))
    assert parse_lease(lists.ask(rollcall.lease("b", 10.0, ["x"])))[0] == 0
    later, dead = parse_lease(lists.ask(rollcall.lease("a", 10.0)))
    assert later >= ends and dead == ["b"]
    assert sorted(parse_channels(lists.ask(rollcall.some_channels("a")))) == ["x", "y"]
    assert parse_channels(lists.ask(rollcall.some_channels("b"))) == []
    assert lists.ask(rollcall.forget("a", ["x"], is_dead=False)) == 1
    lists.ask(rollcall.forget("a", ["y"], is_dead=False))
    lists.ask(rollcall.forget("b", [], is_dead=True))
    assert lists.redis.zrange(NODES, 0, -1) == [b"a"]
    assert not lists.redis.exists(channels_key("a"))
    lists.redis.delete(NODES)


@pytest.mark.parametrize(
    "data", [b"", b"x", b"1 2 3\n", b"1 2 3 4 5\nx", b"1 1 1 1\n\xff", b"a b c d\n", b"1 1 1 0\n"]
)
def test_what_makes_no_sense_is_no_change(data: bytes) -> None:
    assert parse_change("room", data) is None
    assert parse_roll(data) == Roll()
