"""What is kept of which channel."""

from __future__ import annotations

from tornado_realtime.channels import parse_pattern
from tornado_realtime.traits import NO_TRAITS, ORDINARY, Retention, Slow, Traits, TraitsTable

SHORT = Traits(Retention(10, 60.0, 1024))
LONG = Traits(Retention(1000, 3600.0, 4096))


def table(**rules: Traits) -> TraitsTable:
    return TraitsTable((parse_pattern(text.replace("_", "*")), traits) for text, traits in rules.items())


def test_the_most_specific_pattern_counts() -> None:
    found = table(chat_=SHORT, chatroom=LONG, chatter_=ORDINARY)
    assert found.of("chat.1") is SHORT
    assert found.of("chatroom") is LONG
    assert found.of("chatter.2") == ORDINARY
    assert found.of("news") is ORDINARY
    assert found.keeps_history


def test_what_holds_where_no_pattern_matches() -> None:
    usual = Traits(slow=Slow.LATEST)
    found = TraitsTable([(parse_pattern("chat"), SHORT)], usual)
    assert (found.of("chat"), found.of("news")) == (SHORT, usual)
    assert TraitsTable(others=usual).of("news") is usual


def test_where_nothing_is_special_nothing_is_looked_up() -> None:
    for empty in (NO_TRAITS, table(chat_=ORDINARY)):
        assert empty.of("chat.1") is ORDINARY
        assert not empty.keeps_history
        assert empty._remembered.cache_info().currsize == 0
