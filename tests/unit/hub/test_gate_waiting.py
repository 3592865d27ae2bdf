"""What takes its time once it is decided: who has to wait for it does, and nobody else."""

from __future__ import annotations

import asyncio
from functools import partial

from tests.support.gate_yard import NO, Yard, run
from tornado_realtime.hub.gate import Gate

# -- publications -------------------------------------------------------------------------------------------


def test_a_publication_is_decided_as_one_and_subscribing_has_no_part_in_it() -> None:
    yard = Yard()
    yard.at_once = {"a": NO, "b": None}
    yard.say("*a", "*b", "*" + "x" * 256)
    assert yard.done == ["!a FORBIDDEN", "*b", f"!{'x' * 256} BAD_NAME"]


def test_without_an_authorizer_nobody_publishes() -> None:
    yard = Yard()
    yard.gate = Gate(None, yard, 128, yard.heart, yard.loop.time)
    yard.say("+a", "*a")
    assert yard.done == ["+a", "!a FORBIDDEN"]


def test_publications_wait_for_decisions_in_their_order() -> None:
    async def main() -> None:
        yard = Yard()
        yard.say("*a", "*a", "+b")
        assert yard.actions == ["publish", "subscribe"]
        await yard.decide()
        assert yard.actions == ["publish", "subscribe", "publish"]
        assert yard.done == ["*a"]
        await yard.decide(NO, index=1)
        assert yard.done == ["*a", "!a FORBIDDEN"]
        await yard.decide()
        assert yard.done == ["*a", "!a FORBIDDEN", "+b"]
        assert yard.gate.waiting == 0

    run(main())


def test_publications_do_not_wait_for_the_broker_but_replies_and_others_do() -> None:
    async def main() -> None:
        yard = Yard()
        yard.broker_waits = True
        yard.at_once = {"a": None, "b": None}
        yard.say("*a", "*a", "+b", "+a", "*a", "-a")
        assert yard.done == ["*a", "*a", "+b"]
        yard.publishing[1].set_result(lambda: yard.done.append("second"))
        await asyncio.sleep(0)
        assert yard.done == ["*a", "*a", "+b"]
        yard.publishing[0].set_result(lambda: yard.done.append("first"))
        await asyncio.sleep(0)
        assert yard.done == ["*a", "*a", "+b", "first", "second", "+a", "*a"]
        yard.publishing[2].set_result(lambda: yard.done.append("third"))
        await asyncio.sleep(0)
        assert yard.done[-2:] == ["third", "-a"]
        yard.say("+a")
        assert yard.done[-1] == "+a"

    run(main())


def test_publications_on_their_way_are_bounded() -> None:
    async def main() -> None:
        yard = Yard(channels_size=2)
        yard.broker_waits = True
        yard.at_once = {"a": None}
        yard.say("*a", "*a", "*a")
        assert yard.done == ["*a", "*a", "*a", "overrun"]

    run(main())


def test_replies_to_who_left_are_forgotten_and_nothing_is_cancelled() -> None:
    async def main() -> None:
        yard = Yard()
        yard.broker_waits = True
        yard.at_once = {"a": None}
        yard.say("*a", "+a")
        yard.gate.forget(yard.connection)
        assert not yard.publishing[0].cancelled()
        yard.publishing[0].set_result(lambda: yard.done.append("reply"))
        await asyncio.sleep(0)
        assert yard.done == ["*a"]

    run(main())


def test_a_reply_may_end_the_connection() -> None:
    async def main() -> None:
        yard = Yard()
        yard.broker_waits = True
        yard.at_once = {"a": None}
        yard.say("*a", "*a", "+a")
        yard.publishing[1].set_result(lambda: yard.done.append("reply"))
        yard.publishing[0].set_result(lambda: yard.gate.forget(yard.connection))
        await asyncio.sleep(0)
        assert yard.done == ["*a", "*a"]

    run(main())


def test_answers_about_who_is_there_keep_their_place_among_replies() -> None:
    async def main() -> None:
        yard = Yard()
        yard.at_once = {"a": None}
        yard.broker_waits = True
        yard.say("?a", "*a", "?a")
        for number in (1, 0):
            yard.publishing[number].set_result(partial(yard.done.append, f"reply {number}"))
            await asyncio.sleep(0)
        assert yard.done == ["?a", "*a", "reply 0", "reply 1", "?a"]

    run(main())


# -- subscriptions that are prepared ------------------------------------------------------------------------


def test_a_subscription_that_is_prepared_holds_back_what_comes_behind_it() -> None:
    async def main() -> None:
        yard = Yard()
        yard.at_once = {"a": None, "b": None}
        yard.needs_time = True
        yard.say("+a", "?a", "-a", "?b")
        assert yard.done == ["?b"]
        yard.preparing[0].set_result(None)
        await asyncio.sleep(0)
        assert yard.done == ["?b", "+a", "?a", "-a"]
        assert not yard.gate._lines

    run(main())


def test_a_subscription_is_decided_then_prepared() -> None:
    async def main() -> None:
        yard = Yard(1)
        yard.needs_time = True
        yard.say("+a", "-a", "+b")
        assert yard.done == ["!b LIMIT"]
        await yard.decide()
        assert (yard.done, yard.gate.waiting) == (["!b LIMIT"], 1)
        yard.preparing[0].set_result(None)
        await asyncio.sleep(0)
        assert yard.done == ["!b LIMIT", "+a", "-a"]

    run(main())


def test_who_goes_while_its_subscription_is_prepared_is_not_subscribed() -> None:
    async def main() -> None:
        yard = Yard()
        yard.at_once = {"a": None}
        yard.needs_time = True
        yard.say("+a")
        yard.gate.forget(yard.connection)
        assert yard.preparing[0].cancelled()
        await asyncio.sleep(0)
        assert yard.done == []

    run(main())


# -- subscriptions and reads that end later -----------------------------------------------------------------


def test_what_takes_time_is_waited_for_on_its_channel_alone() -> None:
    yard = Yard()
    yard.at_once = dict.fromkeys("ab")
    yard.takes_time = True
    yard.say("+a", "<b", "-a", "*a", "+a", "-b", "-c")
    assert yard.done == ["+a", "<b", "-c"]
    yard.takes_time = False
    yard.gate.settled(yard.connection, "b")
    assert yard.done == ["+a", "<b", "-c", "-b"]
    yard.gate.settled(yard.connection, "a")
    assert yard.done == ["+a", "<b", "-c", "-b", "-a", "*a", "+a"]
    assert not yard.gate._lines
    yard.gate.settled(yard.connection, "a")


def test_what_takes_time_again_stops_what_is_behind_it_again() -> None:
    yard = Yard()
    yard.at_once = dict.fromkeys("a")
    yard.takes_time = True
    yard.say("+a", "<a", "-a")
    yard.gate.settled(yard.connection, "a")
    assert yard.done == ["+a", "<a"]
    yard.gate.settled(yard.connection, "a")
    assert yard.done == ["+a", "<a", "-a"]
    assert not yard.gate._lines


def test_who_leaves_while_something_takes_time_leaves_nothing_behind() -> None:
    yard = Yard()
    yard.at_once = dict.fromkeys("a")
    yard.takes_time = True
    yard.say("+a", "-a")
    yard.gate.forget(yard.connection)
    yard.gate.settled(yard.connection, "a")
    assert yard.done == ["+a"]
    assert not yard.gate._lines


def test_what_takes_time_counts_to_what_may_wait() -> None:
    yard = Yard(channels_size=3)
    yard.at_once = dict.fromkeys("abcd")
    yard.takes_time = True
    yard.say("<a", "<b", "<c")
    assert yard.done == ["<a", "<b", "<c"]
    yard.say("<d")
    assert yard.done == ["<a", "<b", "<c", "<d", "overrun"]
    assert not yard.gate._lines
