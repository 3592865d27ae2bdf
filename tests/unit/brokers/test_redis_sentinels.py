"""What a Sentinel says, and whom that makes the primary."""

from __future__ import annotations

import asyncio
import logging

import pytest
from redis.exceptions import ResponseError

from tests.unit.brokers.fake_line import FakeLine, turns
from tornado_realtime.brokers.redis.address import Place, parse_address
from tornado_realtime.brokers.redis.cluster.guide import make_guide
from tornado_realtime.brokers.redis.cluster.scout import Scout
from tornado_realtime.brokers.redis.cluster.sentinels import parse_sentinel, sentinel_questions
from tornado_realtime.brokers.redis.cluster.topology import SLOTS, Share, Topology
from tornado_realtime.brokers.redis.link import Timing

ADDRESS = parse_address("sentinel://:pw@a,b:7/mymaster?sentinel_password=word")


def facts(port: int, epoch: int = 3) -> list[object]:
    return [b"name", b"mymaster", b"ip", b"10.0.0.1", b"port", b"%d" % port, b"config-epoch", b"%d" % epoch]


def answers(port: int = 6379, epoch: int = 3, *, quorum: object = b"OK 3 usable Sentinels") -> list[object]:
    return [facts(port, epoch), [facts(26379), facts(26380)], quorum]


def test_the_questions_name_the_primary() -> None:
    assert sentinel_questions("mymaster") == (
        (b"SENTINEL", b"MASTER", b"mymaster"),
        (b"SENTINEL", b"SENTINELS", b"mymaster"),
        (b"SENTINEL", b"CKQUORUM", b"mymaster"),
    )


def test_one_primary_carries_everything_and_sharding_is_off() -> None:
    primary = Place("10.0.0.1", 6379)
    assert parse_sentinel(answers()) == Topology(
        epoch=3,
        well=True,
        sharded=False,
        shares=(Share(0, SLOTS - 1, primary),),
        nodes=(Place("10.0.0.1", 26379), Place("10.0.0.1", 26380)),
    )


def test_who_reaches_too_few_others_is_not_well() -> None:
    assert not parse_sentinel(answers(quorum=ResponseError("NOQUORUM 1 usable Sentinels"))).well


@pytest.mark.parametrize(
    ("replies", "says"),
    [
        ([ResponseError("No such master with that name"), [], b"OK"], "No such master with that name"),
        ([b"OK", [], b"OK"], "something else"),
        ([[b"ip", b"h"], [], b"OK"], "something else"),
        ([[b"ip"], [], b"OK"], "something else"),
        ([[b"ip", b"h", b"port", b"x", b"config-epoch", b"1"], [], b"OK"], "invalid literal"),
        ([[b"ip", b"\xff", b"port", b"1", b"config-epoch", b"1"], [], b"OK"], "something else"),
        ([facts(1), [[b"ip", 7]], b"OK"], "something else"),
    ],
)
def test_answers_that_make_no_sense(replies: list[object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_sentinel(replies)


def test_sentinels_are_asked_with_their_own_login_and_a_late_one_is_not_believed() -> None:
    found: list[Topology] = []

    async def scenario() -> None:
        guide = make_guide(ADDRESS, Timing())
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
    guide = make_guide(ADDRESS, Timing())
    first, second = parse_sentinel(answers(1)), parse_sentinel(answers(2, epoch=4))
    with caplog.at_level(logging.INFO):
        guide.report(Topology(), first, 0)
        guide.report(first, second, 7)
    shown = "the Sentinels of mymaster (a:26379,b:7) say that the primary is"
    assert caplog.record_tuples == [
        ("tornado_realtime.brokers.redis.cluster.guide", logging.INFO, f"{shown} 10.0.0.1:1"),
        (
            "tornado_realtime.brokers.redis.cluster.guide",
            logging.WARNING,
            f"{shown} 10.0.0.1:2, and was 10.0.0.1:1; 7 channels move",
        ),
    ]
