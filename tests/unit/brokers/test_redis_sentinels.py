"""What a Sentinel says, and whom that makes the primary."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import pytest
from redis.exceptions import ResponseError

from tests.unit.brokers.fake_line import FakeLine, turns
from tornado_realtime.brokers.redis.address import Place, parse_address
from tornado_realtime.brokers.redis.cluster.cluster import Cluster
from tornado_realtime.brokers.redis.cluster.guide import SentinelGuide, make_guide
from tornado_realtime.brokers.redis.cluster.scout import Scout
from tornado_realtime.brokers.redis.cluster.sentinels import parse_sentinel, sentinel_questions
from tornado_realtime.brokers.redis.cluster.topology import SLOTS, Share, Topology
from tornado_realtime.brokers.redis.link import Timing
from tornado_realtime.brokers.redis.shard import Ends, Shard
from tornado_realtime.errors import BrokerClosedError
from tornado_realtime.metrics import BrokerCounters
from tornado_realtime.publication import Gap

ADDRESS = parse_address("sentinel://:pw@a,b:7/mymaster?sentinel_password=word")


QUORUM = b"OK 3 usable Sentinels"


def facts(port: int, epoch: int = 3, flags: bytes = b"master") -> list[object]:
    place: list[object] = [b"name", b"mymaster", b"ip", b"10.0.0.1", b"port", b"%d" % port]
    return [*place, b"flags", flags, b"config-epoch", b"%d" % epoch]


def answers(
    port: int = 6379, epoch: int = 3, flags: bytes = b"master", *, quorum: object = QUORUM
) -> list[object]:
    return [facts(port, epoch, flags), [facts(26379), facts(26380)], quorum]


def test_the_questions_name_the_primary() -> None:
    assert sentinel_questions("mymaster") == (
        (b"SENTINEL", b"MASTER", b"mymaster"),
        (b"SENTINEL", b"SENTINELS", b"mymaster"),
        (b"SENTINEL", b"CKQUORUM", b"mymaster"),
    )


def test_one_primary_carries_everything_and_sharding_is_off() -> None:
    primary = Place("10.0.0.1", 6379)
    topology = Topology(
        epoch=3,
        well=True,
        sharded=False,
        shares=(Share(0, SLOTS - 1, primary),),
        nodes=(Place("10.0.0.1", 26379), Place("10.0.0.1", 26380)),
    )
    assert parse_sentinel(answers()) == (topology, "up")


def test_who_reaches_too_few_others_is_not_well() -> None:
    topology, _ = parse_sentinel(answers(quorum=ResponseError("NOQUORUM 1 usable Sentinels")))
    assert not topology.well


@pytest.mark.parametrize(
    ("flags", "state"),
    [
        (b"master", "up"),
        (b"s_down,master", "doubted"),  # one Sentinel alone thinks so
        (b"s_down,o_down,master", "down"),
        (b"master,failover_in_progress", "down"),
    ],
)
def test_down_is_what_most_sentinels_say(flags: bytes, state: str) -> None:
    assert parse_sentinel(answers(flags=flags))[1] == state


def test_what_one_sentinel_doubts_and_this_node_lost_is_down() -> None:
    lost, now = False, 100.0
    guide = SentinelGuide(ADDRESS, lambda: lost, lambda: now)
    asked, doubted = Place("a", 26379), answers(flags=b"s_down,master")
    assert guide.read(answers(), asked).shares
    assert guide.read(doubted, asked).shares  # that Sentinel's own trouble
    lost = True
    assert not guide.read(doubted, asked).shares
    lost = False
    assert not guide.read(doubted, asked).shares  # back so soon, perhaps while it is being replaced
    now = 103.0
    assert guide.read(doubted, asked).shares


def test_a_primary_that_comes_back_is_believed_later_and_its_successor_at_once() -> None:
    now = [100.0]
    guide = SentinelGuide(ADDRESS, lambda: False, lambda: now[0])
    asked = Place("a", 26379)

    def primary(*, at: float, port: int = 1, epoch: int = 3, flags: bytes = b"master") -> int:
        now[0] = at
        found = guide.read(answers(port, epoch, flags), asked).primaries
        return found[0].port if found else 0

    down = b"s_down,o_down,master"
    assert primary(at=100.0) == 1
    assert primary(at=101.0, flags=down) == 0
    assert primary(at=102.0, flags=down) == 0
    assert primary(at=103.0) == 0  # it is back, and may be replaced already
    assert primary(at=103.5, port=2, epoch=4) == 2
    assert primary(at=104.0, port=2, epoch=4, flags=down) == 0
    assert primary(at=106.9, port=2, epoch=4) == 0
    assert primary(at=107.0, port=2, epoch=4) == 2  # it was not replaced


@pytest.mark.parametrize("first", ["the old one is down", "there is a new one"])
def test_the_end_of_a_failover_is_told_in_any_order(first: str) -> None:
    guide = SentinelGuide(ADDRESS, lambda: False, lambda: 100.0)
    asked, new = Place("a", 26379), answers(2, epoch=4)
    assert guide.read(answers(1, epoch=3), asked).primaries[0].port == 1
    if first == "there is a new one":
        assert guide.read(new, asked).primaries[0].port == 2
        assert guide.read(answers(1, 4, b"master,failover_in_progress"), asked).primaries[0].port == 2
    else:
        assert not guide.read(answers(1, 4, b"master,failover_in_progress"), asked).shares
    assert guide.read(new, asked).primaries[0].port == 2


def test_who_starts_while_the_primary_is_down_waits_too() -> None:
    now = [100.0]
    guide = SentinelGuide(ADDRESS, lambda: False, lambda: now[0])
    asked = Place("a", 26379)
    assert not guide.read(answers(flags=b"o_down,master"), asked).shares
    assert not guide.read(answers(), asked).shares
    assert guide.read(answers(epoch=4), asked).shares


@pytest.mark.parametrize(
    ("replies", "says"),
    [
        ([ResponseError("No such master with that name"), [], b"OK"], "No such master with that name"),
        ([b"OK", [], b"OK"], "something else"),
        ([[b"ip", b"h"], [], b"OK"], "something else"),
        ([[b"ip"], [], b"OK"], "something else"),
        (
            [[b"ip", b"h", b"port", b"x", b"config-epoch", b"1", b"flags", b"master"], [], b"OK"],
            "invalid literal",
        ),
        (
            [[b"ip", b"\xff", b"port", b"1", b"config-epoch", b"1", b"flags", b"master"], [], b"OK"],
            "something else",
        ),
        ([facts(1), [[b"ip", 7]], b"OK"], "something else"),
    ],
)
def test_answers_that_make_no_sense(replies: list[object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_sentinel(replies)


def test_sentinels_are_asked_with_their_own_login_and_a_late_one_is_not_believed() -> None:
    found: list[Topology] = []

    async def scenario() -> None:
        guide = make_guide(ADDRESS, Timing(), lambda: False)
        scout = Scout(ADDRESS, guide, 1.0, found.append)
        assert scout.dial()._address.options == {"host": "a", "port": 26379, "password": "word"}
        line = FakeLine()
        scout.begin(line)
        writing, reading = asyncio.create_task(scout.write(line)), asyncio.create_task(scout.read(line))
        await turns()
        assert tuple(line.commands) == guide.questions
        line.answer(*answers(6379, epoch=3), *answers(6380, epoch=2))
        await asyncio.wait([reading])
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        assert "out of date" in str(reading.exception())

    asyncio.run(scenario())
    assert [topology.primaries for topology in found] == [(Place("10.0.0.1", 6379),)]


def test_a_failover_is_a_warning_that_names_both(caplog: pytest.LogCaptureFixture) -> None:
    guide = make_guide(ADDRESS, Timing(), lambda: False)
    (first, _), (second, _) = parse_sentinel(answers(1)), parse_sentinel(answers(2, epoch=4))
    nobody = replace(first, shares=())
    with caplog.at_level(logging.INFO):
        guide.report(Topology(), first, 0)
        guide.report(first, nobody, 7)
        guide.report(nobody, first, 7)
        guide.report(first, second, 7)
    shown = "the Sentinels of mymaster (a:26379,b:7) say that the primary"
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", f"{shown} is 10.0.0.1:1"),
        ("WARNING", f"{shown} 10.0.0.1:1 is down"),
        ("INFO", f"{shown} is 10.0.0.1:1"),
        ("WARNING", f"{shown} is 10.0.0.1:2, and was 10.0.0.1:1; 7 channels move"),
    ]


def test_what_others_published_while_all_went_to_a_new_primary_is_marked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Shard, "start", lambda _shard: None)
    monkeypatch.setattr(SentinelGuide, "settle", 0.01)
    gaps: list[Gap] = []
    one, two = (parse_sentinel(answers(port, epoch=port))[0] for port in (1, 2))
    nobody = replace(one, shares=())

    async def marked(*found: Topology) -> int:
        gaps.clear()
        ends = Ends(lambda _channel, _data: None, gaps.append, b"probe", BrokerCounters())
        cluster = Cluster(ADDRESS, {}, ends, Timing())
        cluster.add("news")
        for topology in found:
            cluster._found(topology)
        while cluster._settling is not None:
            await asyncio.sleep(0.001)
        await cluster.close(BrokerClosedError("over"))
        return len(gaps)

    async def scenario() -> None:
        assert await marked(one, nobody, one) == 0  # it was not replaced
        assert await marked(one, nobody, two) == 1
        assert gaps[0].channels == ("news",)
        assert gaps[0].seconds >= 0.02
        assert await marked(one, two, one) == 1  # there and back, within the time

    asyncio.run(scenario())
