"""What a node knows of who is present, by itself: no I/O, no clock."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tornado_realtime.brokers.presence import MemoryPresence
from tornado_realtime.hub.roster import Counted, Joined, Left, News, Relisted, Roster
from tornado_realtime.members import NOBODY, Change, Listing, Member, Roll


def change(version: int, count: int, user: str, conns: int = 1, info: bytes = b"null") -> Change:
    return Change("room", version, count, Member(user, info, conns))


def roll(version: int, *users: str, count: int = 0) -> Roll:
    members = tuple(map(Member, users))
    return Roll(version, count or len(users), members, count > len(users))


def followed(*users: str, version: int = 10, limit: int = 3) -> Roster:
    """A roster that is sure of ``users``."""
    roster = Roster(limit)
    roster.load(roll(version, *users))
    return roster


def members(roster: Roster) -> dict[str, Any] | None:
    listing = roster.listing
    assert listing is not None
    return None if listing.members is None else json.loads(listing.members)


def test_nothing_is_known_before_it_was_read() -> None:
    roster = Roster(3)
    assert (roster.listing, roster.is_sure) == (None, False)
    assert roster.load(NOBODY) == [Relisted()]
    assert roster.listing == Listing(0, b"{}")


def test_who_comes_and_goes() -> None:
    roster = followed("ada")
    assert roster.apply(change(11, 2, "bob", info=b'{"n":1}')) == [Joined(Member("bob", b'{"n":1}'), 2)]
    assert roster.apply(change(12, 2, "bob", conns=2)) == []
    assert members(roster) == {"ada": {"info": None, "conns": 1}, "bob": {"info": None, "conns": 2}}
    assert roster.apply(change(13, 1, "ada", conns=0)) == [Left("ada", 1)]
    assert roster.knows("bob") and not roster.knows("ada")


def test_a_list_that_begins_anew_is_known_from_its_first_change() -> None:
    """Its version is any higher one; that this node's own users are known already changes nothing."""
    roster = followed(version=0)
    assert roster.expect(Member("ada")) == [Joined(Member("ada"), 1)]
    roster.expect(Member("bob"))
    assert (roster.apply(change(900, 1, "ada")), roster.is_sure) == ([], True)
    assert members(roster) == {"ada": {"info": None, "conns": 1}, "bob": {"info": None, "conns": 1}}
    assert (roster.apply(change(902, 1, "cid")), roster.is_sure) == ([], False)


def test_a_listing_is_made_once_as_long_as_nothing_changes() -> None:
    roster = followed("ada", "bob")
    assert roster.listing is roster.listing
    before = roster.listing
    roster.apply(change(11, 1, "ada", conns=0))
    assert roster.listing is not before


def test_changes_that_came_while_it_was_read_are_made_after_it() -> None:
    roster = Roster(3)
    for each in (change(9, 1, "old"), change(10, 1, "ada"), change(11, 2, "bob")):
        assert roster.apply(each) == []
    assert roster.load(roll(10, "ada")) == [Relisted(), Joined(Member("bob"), 2)]
    assert roster.apply(change(11, 2, "bob")) == []


def test_a_change_that_is_missing_is_noticed_and_the_next_ones_are_kept() -> None:
    roster = followed("ada")
    assert roster.apply(change(12, 3, "cid")) == []
    assert not roster.is_sure
    roster.apply(change(13, 2, "ada", conns=0))
    # What was missed turns out: bob came.
    assert roster.load(roll(12, "ada", "bob", "cid")) == [
        Joined(Member("bob"), 2),
        Joined(Member("cid"), 3),
        Left("ada", 2),
    ]
    assert roster.is_sure


def test_a_list_that_begins_anew_with_one_member_needs_no_reading() -> None:
    roster = Roster(3)
    roster.load(NOBODY)
    assert roster.apply(change(1_000, 1, "ada")) == [Joined(Member("ada"), 1)]
    roster.apply(change(1_001, 0, "ada", conns=0))
    assert roster.apply(change(2_000, 1, "bob")) == [Joined(Member("bob"), 1)]
    assert roster.is_sure


def test_above_its_limit_it_knows_only_how_many() -> None:
    roster = followed("ada", "bob", "cid")
    assert roster.apply(change(11, 4, "dan")) == [Counted()]
    assert roster.listing == Listing(4, None, more=True)
    assert roster.apply(change(12, 5, "eve")) == [Counted()]
    assert not roster.shrunk()
    roster.apply(change(13, 4, "eve", conns=0))
    roster.apply(change(14, 3, "dan", conns=0))
    assert roster.shrunk()
    roster.lose()
    assert roster.load(roll(14, "ada", "bob", "cid")) == [Relisted()]
    assert not roster.shrunk()
    assert roster.apply(change(15, 2, "ada", conns=0)) == [Left("ada", 2)]


def test_a_crowd_is_counted_from_the_beginning() -> None:
    roster = Roster(2)
    assert roster.load(roll(5, "ada", "bob", count=9_000)) == [Counted()]
    assert roster.listing == Listing(9_000, None, more=True)


def test_members_whom_the_store_lost_and_who_come_again_are_not_told_of() -> None:
    """As after a flush of Redis: every node says again who is there."""
    roster = followed("ada", "bob", "cid")
    roster.lose()
    assert roster.load(roll(2_000, "cid")) == []
    assert roster.doubtful == {"ada", "bob"}
    assert members(roster) is not None and roster.count == 3
    assert roster.apply(change(2_001, 2, "ada")) == []
    assert roster.settle() == [Left("bob", 2)]
    assert (roster.doubtful, roster.count) == (set(), 2)


def test_who_is_doubtful_and_leaves_is_told_of_once() -> None:
    roster = followed("ada", "bob")
    roster.lose()
    roster.load(roll(20, "ada"))
    assert roster.apply(change(21, 1, "bob", conns=0)) == [Left("bob", 1)]
    assert roster.settle() == []


def test_the_doubtful_can_make_a_crowd_which_is_looked_at_again() -> None:
    roster = followed("ada", "bob", "cid")
    roster.lose()
    assert roster.load(roll(20, "dan", "eve", "fay"))[-1] == Counted()
    assert roster.shrunk()


def test_who_is_expected_is_told_of_once() -> None:
    roster = followed("ada")
    assert roster.expect(Member("bob")) == [Joined(Member("bob"), 2)]
    assert (roster.expect(Member("bob")), roster.expect(Member("ada"))) == ([], [])
    assert members(roster) == {name: {"info": None, "conns": 1} for name in ("ada", "bob")}
    assert (roster.knows("ada"), roster.knows("bob")) == (True, False)
    assert roster.apply(change(11, 2, "bob", conns=2)) == []
    assert roster.knows("bob")
    assert roster.apply(change(12, 1, "bob", conns=0)) == [Left("bob", 1)]


def test_who_is_expected_and_goes_before_it_was_said_is_gone_in_the_end() -> None:
    roster = followed("ada")
    roster.expect(Member("bob"))
    roster.retract("ada")
    roster.retract("bob")
    assert roster.doubtful == {"bob"}
    assert roster.settle() == [Left("bob", 1)]
    assert (roster.expected, roster.doubtful) == (set(), set())


def test_who_is_expected_stays_through_a_reading() -> None:
    roster = Roster(2)
    assert roster.expect(Member("bob")) == []  # nothing is known yet
    roster.load(roll(10, "ada"))
    roster.expect(Member("bob"))
    roster.lose()
    roster.load(roll(11, "ada"))
    assert roster.doubtful == {"bob"}
    assert roster.expect(Member("bob")) == []
    assert (roster.doubtful, roster.count) == (set(), 2)
    assert roster.expect(Member("cid")) == [Counted()]
    assert (roster.expected, roster.expect(Member("dan"))) == (set(), [])


STEPS = st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 3), st.integers(0, 9)), max_size=60)


@given(STEPS)
def test_whatever_is_lost_a_client_that_follows_knows_who_is_there(steps: list[tuple[str, int, int]]) -> None:
    """The client of realtime.v1.json: a listing replaces what it knew, a join adds, a leave takes away."""
    store = MemoryPresence()
    made: list[Change] = []

    class Sink:
        changed = staticmethod(made.append)

        def unsure(self, channels: object) -> None: ...

    store._sink = Sink()
    store.watch("room")
    roster, told = Roster(4), set[str]()
    named = False

    def tell(news: list[News]) -> None:
        nonlocal told, named
        for each in news:
            match each:
                case Joined(member, count):
                    assert member.user not in told
                    told.add(member.user)
                    assert not named or count == len(told)
                case Left(user, _):
                    told.remove(user)
                case Relisted() | Counted():
                    listing = roster.listing
                    assert listing is not None
                    named = listing.members is not None
                    told = set(json.loads(listing.members)) if listing.members is not None else set()

    def check() -> None:
        page = store.read_now("room", "", 6)
        assert roster.count == page.count
        assert not named or told == {member.user for member in page.members}

    tell(roster.load(store.read_now("room", "", 4)))
    for user, conns, fate in steps:
        made.clear()
        store.put("room", Member(user, conns=conns))
        for each in made if fate else ():  # else it gets lost
            tell(roster.apply(each))
        if fate == 1:
            roster.lose()
        if not roster.is_sure or roster.shrunk():
            tell(roster.load(store.read_now("room", "", 4)))
            tell(roster.settle())
        if made and fate:  # what it heard last showed it whether it had missed something
            check()
    roster.lose()
    tell(roster.load(store.read_now("room", "", 4)))
    tell(roster.settle())
    check()
