"""When a client tries again (docs/realtime-v1.md V8)."""

from __future__ import annotations

from tornado_realtime.client.backoff import Backoff


def waits(backoff: Backoff, tries: int) -> list[float]:
    found = []
    for _ in range(tries):
        found.append(backoff.seconds())
        backoff.failed()
    return found


def test_it_doubles_up_to_a_bound() -> None:
    backoff = Backoff(lambda: 0.0)
    backoff.lost(None, 60.0)
    assert waits(backoff, 9) == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


def test_the_server_says_where_to_begin() -> None:
    backoff = Backoff(lambda: 0.0)
    backoff.lost(1.5, 0.0)
    assert waits(backoff, 3) == [1.5, 3.0, 6.0]
    backoff.lost(0.0, 0.0)
    assert waits(backoff, 3) == [0.0, 1.0, 2.0]


def test_not_everybody_comes_at_once() -> None:
    backoff = Backoff(lambda: 0.75)
    backoff.lost(2.0, 60.0)
    assert backoff.seconds() == 3.5
    assert backoff.seconds(at_least=10.0) == 17.5


def test_it_may_fail_for_days() -> None:
    backoff = Backoff(lambda: 0.0)
    assert waits(backoff, 5000)[-1] == 30.0


def test_a_connection_that_is_lost_at_once_is_as_none() -> None:
    backoff = Backoff(lambda: 0.0)
    found = []
    for lived in (60.0, 0.1, 4.9, 0.0, 5.0, 0.0):
        backoff.lost(None, lived)
        found.append(backoff.seconds())
    assert found == [0.5, 1.0, 2.0, 4.0, 0.5, 1.0]
