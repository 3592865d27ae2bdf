from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_realtime.brokers.redis.follower import Page
from tornado_realtime.brokers.redis.heads import parse_live, parse_page, parse_position
from tornado_realtime.publication import Position, Publication


def test_a_message_is_read_with_its_place_and_time() -> None:
    expected = Publication("news", b"a\nb", Position("e1", 7), time=12.345)
    assert parse_live("news", b"m e1 7 12345\na\nb") == expected
    assert parse_live("news", b"c e1 7 12345\na\nb") == expected


@pytest.mark.parametrize(
    "data",
    [
        b"m e1 7 5\n\xff",
        b"m e1 7 5\n",
        b"",
        b"m",
        b"m e1 7\nx",
        b"m e1 x 5\nx",
        b"m e1 7 5 6\nx",
        b"m \xff 7 5\nx",
        b"\n",
    ],
)
def test_nonsense_is_none(data: bytes) -> None:
    assert parse_live("news", data) is None


@given(st.binary(max_size=60) | st.binary(max_size=30).map(lambda data: b"m e1 7 5\n" + data))
def test_whatever_comes_is_nothing_or_can_be_delivered(data: bytes) -> None:
    found = parse_live("news", data)
    if found is not None:
        assert found.data.decode()
        assert found.position is not None
        assert found.time is not None


def test_a_page_is_read() -> None:
    items = (
        Publication("news", b"a", Position("e1", 7), time=1.0),
        Publication("news", b"b", Position("e1", 8), time=2.0),
    )
    found = parse_page("news", [b"e1 9", 1, 1, [b"a", 7, 1000, b"b", 8, 2000]])
    assert found == Page(Position("e1", 9), items, complete=True, more=True)
    assert parse_page("news", [b"e1 9", 0, 0, []]) == Page(Position("e1", 9), (), complete=False)


@pytest.mark.parametrize(
    "reply", [None, b"", [], [b"e1", 1, 1, []], [b"e1 9", 1, 1, [b"a", b"b", 1]], [1, 1, 1, []]]
)
def test_another_answer_is_none(reply: object) -> None:
    assert parse_page("news", reply) is None


def test_positions() -> None:
    assert parse_position(b"e1 7") == Position("e1", 7)
    assert [parse_position(text) for text in (b"", b"e1", b"e1 -7", b"e1 \xb2", 7)] == [None] * 5
