"""Subscriptions that end when what was shown for them runs out, unless something newer is shown."""

from __future__ import annotations

import time

import pytest

from tests.support.gate_yard import NO, Yard, run
from tornado_realtime.wire.denial import Denial, Grant, Refusal
from tornado_realtime.wire.v1 import V1


@pytest.fixture
def yard(monkeypatch: pytest.MonkeyPatch) -> Yard:
    """One whose client can show something else later; the wall clock goes with the loop's."""
    found = Yard()
    found.connection.wire = V1
    monkeypatch.setattr(time, "time", found.loop.time)
    return found


def wait(yard: Yard, seconds: float) -> None:
    yard.loop.advance_to(yard.loop.time() + seconds)


def test_a_subscription_ends_when_what_was_shown_for_it_has_run_out(yard: Yard) -> None:
    yard.at_once = {"a": Grant(1005.0), "b": None}
    yard.say("+a t", "+b t")
    assert yard.ttls == [5, None]
    wait(yard, 4.5)
    yard.say("+a t")
    assert yard.ttls[-1] == 1
    wait(yard, 1)
    assert yard.done == ["+a", "+b", "+a", "~a"]
    wait(yard, 60)
    assert yard.done[-1] == "~a"
    assert yard.connection.channels == {"b"}


def test_a_newer_token_prolongs_it(yard: Yard) -> None:
    yard.at_once["a"] = Grant(1005.0)
    yard.say("+a old")
    yard.at_once["a"] = Grant(1100.0)
    yard.say("&a new")
    wait(yard, 50)
    assert yard.done == ["+a", "&a 100"]
    yard.at_once["a"] = None
    yard.say("&a newest")
    wait(yard, 500)
    assert yard.done[-1] == "&a None"


@pytest.mark.parametrize("denial", [Denial.FORBIDDEN, Denial.EXPIRED, Denial.UNDECIDED])
def test_a_token_that_is_refused_changes_nothing(yard: Yard, denial: Denial) -> None:
    yard.at_once["a"] = Grant(1005.0)
    yard.say("+a old")
    yard.at_once["a"] = Refusal(denial, "because")
    yard.say("&a new")
    wait(yard, 4)
    assert yard.done == ["+a", f"!a {denial.name}"]
    wait(yard, 2)
    assert yard.done[-1] == "~a"


def test_only_a_subscription_can_be_prolonged(yard: Yard) -> None:
    yard.at_once["a"] = Grant(1005.0)
    yard.say("&a t")
    assert (yard.done, yard.actions) == (["!a ABSENT"], [])


def test_what_runs_out_while_a_newer_token_is_judged_waits_for_that() -> None:
    async def main() -> None:
        yard = Yard()
        yard.connection.wire = V1
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(time, "time", yard.loop.time)
            for answer, done in ((Grant(2000.0), "&a 990"), (NO, "~a")):
                yard.at_once["a"] = Grant(yard.loop.time() + 5)
                yard.say("+a old")
                yard.at_once.clear()
                yard.say("&a new")
                wait(yard, 10)
                assert "~a" not in yard.done
                await yard.decide(answer)
                assert yard.done[-1] == done
                yard.say("-a")

    run(main())


def test_who_has_left_the_channel_is_told_nothing(yard: Yard) -> None:
    yard.at_once = {"a": Grant(1005.0), "b": Grant(1005.0)}
    yard.say("+a t", "+b t", "-a")
    yard.gate.forget(yard.connection)
    wait(yard, 60)
    assert yard.done == ["+a", "+b", "-a"]
    assert not yard.gate._passes._passes


def test_what_has_run_out_is_not_revoked_as_well(yard: Yard) -> None:
    yard.at_once["a"] = Grant(1005.0)
    yard.say("+a t")
    yard.at_once["a"] = Refusal(Denial.EXPIRED, "because")
    yard.gate.judge_again(yard.connection)
    assert yard.done == ["+a"]
    wait(yard, 6)
    assert yard.done == ["+a", "~a"]


def test_who_can_show_nothing_later_stays() -> None:
    yard = Yard()
    yard.at_once["a"] = Grant(time.time() + 5)
    yard.say("+a t")
    wait(yard, 60)
    assert yard.done == ["+a"]
    assert yard.ttls == [None]
