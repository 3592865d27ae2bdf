from __future__ import annotations

from tornado_realtime.brokers.redis.deafness import Deafness


def test_deaf_from_what_was_heard_last() -> None:
    deafness = Deafness()
    deafness.promised(100.0)
    deafness.proved(130.0)
    deafness.proved(120.0)
    deafness.began([b"a", b"b"])
    assert deafness.ended(137.5) == ([b"a", b"b"], 7.5)
    assert deafness.ended(140.0) == ([], 0.0)


def test_an_interruption_of_an_interruption_is_one() -> None:
    deafness = Deafness()
    deafness.promised(100.0)
    deafness.began([b"a"])
    deafness.promised(110.0)
    deafness.proved(110.0)
    deafness.began([b"a", b"b"])
    assert deafness.ended(115.0) == ([b"a", b"b"], 15.0)


def test_who_comes_meanwhile_is_deaf_from_then_on_and_who_leaves_is_not() -> None:
    deafness = Deafness()
    deafness.promised(100.0)
    deafness.began([b"a", b"b"])
    deafness.joined(b"late", 108.0)
    assert deafness.left(b"a") == 100.0
    assert deafness.left(b"b") == 100.0
    assert deafness.ended(110.0) == ([b"late"], 2.0)


def test_who_leaves_takes_along_when_it_was_heard_last() -> None:
    deafness = Deafness()
    deafness.promised(100.0)
    deafness.proved(105.0)
    assert deafness.left(b"a") == 105.0


def test_before_the_first_promise_nothing_was_missed() -> None:
    deafness = Deafness()
    deafness.joined(b"early", 100.0)
    deafness.promised(103.0)
    deafness.began([b"early", b"other"])
    assert deafness.ended(104.0) == ([b"early", b"other"], 4.0)
