from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from tornado_realtime.brokers.redis.follower import HELD, Follower, Page
from tornado_realtime.publication import Position, Publication

E = "e"


def place(offset: int, epoch: str = E) -> Position:
    return Position(epoch, offset)


def one(offset: int, epoch: str = E, size: int = 1) -> Publication:
    return Publication("news", b"x" * size, place(offset, epoch))


def page(last: int, *offsets: int, epoch: str = E, complete: bool = True, more: bool = False) -> Page:
    return Page(place(last, epoch), tuple(one(offset, epoch) for offset in offsets), complete, more)


@dataclass
class Keeper:
    """Writes down what its follower does."""

    done: list[str] = field(default_factory=list)
    reads: list[Position | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.follower = Follower("news", self)

    def deliver(self, publication: Publication) -> None:
        assert publication.position == self.follower.position
        assert publication.position is not None
        self.done.append(f"{publication.position.epoch}{publication.position.offset}")

    def missed(self, follower: Follower) -> None:
        self.done.append("missed")

    def read(self, follower: Follower) -> None:
        self.reads.append(follower.position)

    def settled(self, follower: Follower) -> None:
        self.done.append("settled")

    def live(self, *offsets: int, epoch: str = E) -> None:
        for offset in offsets:
            self.follower.live(one(offset, epoch))


def following(offset: int = 5) -> Keeper:
    """One that is subscribed and knows where it is."""
    keeper = Keeper()
    keeper.follower.confirmed()
    keeper.follower.turned(page(offset))
    assert keeper.reads == [None]
    assert keeper.done == ["settled"]
    keeper.reads.clear()
    keeper.done.clear()
    return keeper


def test_it_begins_where_the_stream_stands_when_the_subscription_is_confirmed() -> None:
    keeper = Keeper()
    assert keeper.reads == []
    keeper.follower.confirmed()
    keeper.live(5, 6)
    assert (keeper.reads, keeper.done, keeper.follower.settled) == ([None], [], False)
    keeper.follower.turned(page(5, more=True))
    assert (keeper.done, keeper.follower.position) == (["settled", "e5", "e6"], place(6))
    assert keeper.reads == [None]


def test_what_came_before_it_knew_where_it_is_came_for_those_who_listen() -> None:
    keeper = Keeper()
    keeper.follower.confirmed()
    keeper.live(5)
    keeper.follower.turned(page(7))
    keeper.live(6, 7, 8)
    assert (keeper.done, keeper.reads) == (["settled", "e5", "e6", "e7", "e8"], [None])
    other = Keeper()
    other.follower.confirmed()
    other.live(3, epoch="of before")
    other.follower.turned(page(7))
    assert (other.done, other.follower.position, other.reads) == (["settled"], place(7), [None, place(7)])


def test_the_next_one_is_delivered_and_one_that_was_is_not() -> None:
    keeper = following(5)
    keeper.live(6, 6, 3, 7)
    assert (keeper.done, keeper.reads) == (["e6", "e7"], [])


def test_what_was_missed_is_read_and_comes_before_what_waits() -> None:
    keeper = following(5)
    keeper.live(8)
    keeper.live(9)
    assert (keeper.done, keeper.reads) == ([], [place(5)])
    keeper.follower.turned(page(8, 6, 7, 8))
    assert (keeper.done, keeper.reads) == (["e6", "e7", "e8", "e9"], [place(5)])


def test_after_an_interruption_it_is_read_what_came_meanwhile() -> None:
    keeper = following(5)
    keeper.follower.interrupted(1.0)
    assert (keeper.follower.hears, keeper.reads) == (False, [])
    keeper.follower.confirmed()
    assert keeper.reads == [place(5)]
    keeper.follower.turned(page(7, 6, 7))
    assert (keeper.done, keeper.follower.position) == (["e6", "e7"], place(7))
    assert keeper.follower.deaf_since is None


def test_pages_follow_one_another() -> None:
    keeper = following(5)
    keeper.follower.interrupted(1.0)
    keeper.follower.confirmed()
    keeper.follower.turned(page(9, 6, 7, more=True))
    assert keeper.reads == [place(5), place(7)]
    keeper.live(10)
    keeper.follower.turned(page(9, 8, 9))
    assert keeper.done == ["e6", "e7", "e8", "e9", "e10"]


def test_what_is_not_there_any_more_is_told_before_what_came_after_it() -> None:
    keeper = following(5)
    keeper.follower.interrupted(1.0)
    keeper.follower.confirmed()
    keeper.follower.turned(page(9, 8, 9, complete=False))
    assert keeper.done == ["missed", "e8", "e9"]


def test_a_subscription_that_breaks_while_the_stream_is_read_has_it_read_again() -> None:
    keeper = following(5)
    keeper.live(8)
    keeper.follower.interrupted(1.0)
    keeper.follower.confirmed()
    assert keeper.reads == [place(5)]
    keeper.follower.turned(page(7, 6, 7))  # it may be older than the new subscription
    assert (keeper.done, keeper.reads) == (["e6", "e7"], [place(5), place(7)])
    assert keeper.follower.deaf_since == 1.0
    keeper.follower.turned(page(8, 8))
    assert (keeper.done, keeper.reads) == (["e6", "e7", "e8"], [place(5), place(7)])


def test_it_goes_on_in_a_new_epoch_and_tells_what_it_may_have_missed() -> None:
    keeper = following(5)
    keeper.follower.interrupted(1.0)
    keeper.follower.confirmed()
    keeper.follower.turned(page(2, 1, 2, epoch="f", complete=False))
    keeper.live(3, epoch="f")
    assert keeper.done == ["missed", "f1", "f2", "f3"]


def test_who_heard_everything_missed_nothing_when_the_epoch_changes() -> None:
    keeper = following(5)
    keeper.live(1, epoch="f")
    assert keeper.reads == [place(5)]
    keeper.follower.turned(page(1, 1, epoch="f", complete=False))
    assert (keeper.done, keeper.reads) == (["f1"], [place(5)])


def test_late_messages_of_the_old_epoch_do_not_lead_back() -> None:
    keeper = following(5)
    keeper.follower.interrupted(1.0)
    keeper.follower.confirmed()
    keeper.live(6)
    keeper.follower.turned(page(3, 1, 2, 3, epoch="f", complete=False))
    keeper.live(4)  # e4, and f has had 3
    assert keeper.reads == [place(5), place(3, "f")]
    keeper.follower.turned(page(3, epoch="f"))
    keeper.follower.turned(page(3, epoch="f"))
    keeper.live(4, epoch="f")
    assert keeper.done == ["missed", "f1", "f2", "f3", "f4"]


def test_only_so_much_waits_and_the_rest_is_read() -> None:
    keeper = following(0)
    keeper.live(2)
    for offset in range(3, HELD + 10):
        keeper.live(offset)
    keeper.follower.turned(page(2, 1, 2))
    assert keeper.reads == [place(0), place(HELD + 1)]
    keeper.follower.turned(page(HELD + 9, *range(HELD + 2, HELD + 10)))
    assert keeper.done == [f"e{offset}" for offset in range(1, HELD + 10)]
    big = following(0)
    for offset in (2, 3, 4):
        big.follower.live(one(offset, size=500_000))
    big.follower.turned(page(2, 1, 2))
    assert big.reads == [place(0), place(3)]


STEPS = st.lists(
    st.sampled_from(["publish", "hear", "hear", "break", "subscribe", "ask", "answer", "answer"]), max_size=60
)


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_whatever_happens_everything_is_delivered_once_and_in_order(steps: list[str]) -> None:
    """A stream, a subscription that breaks, and answers that come when they like."""
    keeper = Keeper()
    follower, stream = keeper.follower, 0
    coming: list[int] = []  # on their way over the subscription
    subscribed = False
    promised: list[
        int
    ] = []  # what came before the place was known, since the subscription that it is known for
    answers: list[Page] = []  # on their way back; read already
    asked = 0

    def ask() -> None:
        nonlocal asked
        if len(keeper.reads) > asked:
            asked += 1
            since = keeper.reads[-1]
            items = range(since.offset + 1, stream + 1) if since is not None else ()
            answers.append(page(stream, *list(items)[:3], more=len(items) > 3))

    for step in [*steps, "subscribe", *["hear", "ask", "answer"] * (len(steps) + 2)]:
        match step:
            case "publish":
                stream += 1
                if subscribed:
                    coming.append(stream)
            case "hear" if coming:
                if not follower.settled:
                    promised.append(coming[0])
                follower.live(one(coming.pop(0)))
            case "break" if subscribed:
                subscribed = False
                coming.clear()
                if not follower.settled:
                    promised.clear()
                follower.interrupted(0.0)
            case "subscribe" if not subscribed:
                subscribed = True
                follower.confirmed()
            case "ask":
                ask()
            case "answer" if answers:
                follower.turned(answers.pop())
    assert follower.position is not None
    heard = [int(word[1:]) for word in keeper.done if word != "settled"]
    assert heard == list(range(heard[0], stream + 1)) if heard else follower.position.offset == stream
    assert set(promised) <= set(heard)
    assert keeper.done.count("settled") == 1
    assert follower.position == place(stream)
