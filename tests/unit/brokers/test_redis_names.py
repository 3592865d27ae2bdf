from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from tornado_realtime.brokers.redis.names import (
    plain_key_of,
    stream_key_of,
    stream_keys,
    stream_topic,
    topic_of,
)

NAMES = st.text(alphabet="ab{}:é", min_size=1, max_size=8)


@given(NAMES, NAMES)
def test_all_of_a_channel_is_in_the_slot_of_its_topic(channel: str, key: str) -> None:
    topic = stream_topic(channel)
    keys = (*stream_keys(channel), stream_key_of(channel, key))
    assert {key_slot(each) for each in keys} == {key_slot(topic)}
    assert len({topic, *keys}) == 4
    assert key_slot(plain_key_of(channel, key)) == key_slot(topic_of(channel))


@given(*[st.text(alphabet="ak:{}=s0123456789", min_size=1, max_size=16)] * 4)
def test_no_two_things_share_a_name(one: str, key: str, two: str, other: str) -> None:
    def names(channel: str, key: str) -> set[bytes]:
        return {*stream_keys(channel), stream_key_of(channel, key), plain_key_of(channel, key)}

    if one != two:
        assert not names(one, key) & names(two, other)
    elif key != other:
        assert names(one, key) & names(two, other) == set(stream_keys(one))
