"""Decisions about channels: in order on each channel of a connection, bounded, and forgotten with it."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.gate_yard import NO, Yard, run
from tornado_realtime.connection import Connection
from tornado_realtime.hub.gate import Gate
from tornado_realtime.wire.commands import Subscribe
from tornado_realtime.wire.denial import Denial, Refusal


def test_what_is_decided_at_once_is_done_at_once_without_a_task() -> None:
    yard = Yard()
    yard.at_once = {"a": None, "b": NO}
    yard.say("+a", "+b", "-b", "-a", "+a", "+a")  # no event loop runs: a task could not be made
    assert yard.done == ["+a", "!b FORBIDDEN", "-b", "-a", "+a", "+a"]


def test_without_an_authorizer_everybody_may() -> None:
    yard = Yard()
    yard.gate = Gate(None, yard, 2, yard.heart, yard.loop.time)
    yard.say("+a", "+b", "+c")
    assert yard.done == ["+a", "+b", "!c LIMIT"]


def test_who_is_subscribed_is_not_asked_about_again() -> None:
    yard = Yard(channels_size=1)
    yard.at_once = {"a": None}
    yard.say("+a")
    yard.at_once = {"a": NO}
    yard.say("+a")
    assert yard.done == ["+a", "+a"]


@pytest.mark.parametrize("name", ["x" * 256, "a\nb", "\x85"])
def test_bad_names_are_refused_before_anybody_is_asked(name: str) -> None:
    yard = Yard()
    yard.say("+" + name, "-" + name)
    assert yard.done == [f"!{name} BAD_NAME", f"-{name}"]


def test_commands_of_a_channel_keep_their_order_and_other_channels_do_not_wait() -> None:
    async def main() -> None:
        yard = Yard()
        yard.at_once = {"now": None}
        yard.say("+a", "-a", "+now", "+a", "+b")
        assert yard.done == ["+now"]
        await yard.decide(index=1)
        assert yard.done == ["+now", "+b"]
        await yard.decide()
        assert yard.done == ["+now", "+b", "+a", "-a"]  # the second subscription is asked about again
        await yard.decide(NO)
        assert yard.done == ["+now", "+b", "+a", "-a", "!a FORBIDDEN"]
        assert yard.gate.waiting == 0
        yard.say("-a")
        assert yard.done[-1] == "-a"

    run(main())


def test_behind_a_yes_whoever_is_subscribed_is_not_asked_about() -> None:
    async def main() -> None:
        yard = Yard()
        yard.say("+a", "+a", "+a")
        await yard.decide()
        assert (yard.done, yard.asked) == (["+a", "+a", "+a"], [])

    run(main())


@given(
    st.lists(
        st.sampled_from(["+a", "-a", "+b", "-b", "+c"]) | st.tuples(st.integers(0, 3), st.booleans()),
        max_size=40,
    )
)
def test_whatever_comes_and_whenever_it_is_decided_each_channel_keeps_its_order(
    steps: list[str | tuple[int, bool]],
) -> None:
    async def main() -> None:
        yard = Yard()
        for step in steps:
            if isinstance(step, str):
                yard.say(step)
            elif yard.asked:
                index, answer = step
                await yard.decide(None if answer else NO, index % len(yard.asked))
        while yard.asked:
            await yard.decide()
        assert yard.gate.waiting == 0
        for channel in "abc":
            said = [step for step in steps if isinstance(step, str) and step[1] == channel]
            done = [event.split()[0] for event in yard.done if event[1] == channel]
            assert [event.replace("!", "+") for event in done] == said

    run(main())


def test_what_waits_counts_as_had() -> None:
    async def main() -> None:
        yard = Yard(channels_size=2)
        yard.say("+a", "+b", "+c")
        assert yard.done == ["!c LIMIT"]
        await yard.decide(NO)
        yard.say("+c")
        assert len(yard.asked) == 2

    run(main())


def test_as_many_commands_may_wait_as_there_may_be_channels() -> None:
    async def main() -> None:
        yard = Yard(channels_size=3)
        yard.say("+a", "-a", "+a", "-a")
        assert yard.done == []
        yard.say("+a")
        assert yard.done == ["overrun"]
        assert yard.asked[0].cancelled()

    run(main())


def test_waiting_room_that_was_used_is_free_again() -> None:
    async def main() -> None:
        yard = Yard(channels_size=2)
        for _ in range(3):
            yard.done.clear()
            yard.say("+a", "-a", "-a")
            await yard.decide()
            assert yard.done == ["+a", "-a", "-a"]

    run(main())


def test_who_left_meanwhile_is_forgotten() -> None:
    async def main() -> None:
        yard = Yard()
        yard.say("+a", "-a", "+b")
        yard.gate.forget(yard.connection)
        assert yard.gate.waiting == 0
        assert all(future.cancelled() for future in yard.asked)
        await asyncio.sleep(0)
        assert yard.done == []
        yard.gate.forget(yard.connection)

    run(main())


def test_who_leaves_in_the_turn_of_the_decision_gets_nothing() -> None:
    async def main() -> None:
        yard = Yard()
        yard.say("+a", "-a")
        yard.asked[0].set_result(None)
        yard.gate.forget(yard.connection)
        await asyncio.sleep(0)
        assert yard.done == []

    run(main())


def test_a_step_may_end_the_connection() -> None:
    async def main() -> None:
        yard = Yard()
        yard.say("+a", "-a")

        def end(connection: Connection, command: Subscribe) -> bool:
            yard.gate.forget(connection)
            return True

        yard.subscribe = end  # type: ignore[method-assign]
        await yard.decide()
        assert yard.done == []

    run(main())


@pytest.mark.parametrize("failure", [ValueError("x"), None])
def test_a_decision_that_fails_refuses(failure: Exception | None, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        yard = Yard()
        yard.say("+a", "-a")
        if failure is None:
            yard.asked[0].cancel()
            await asyncio.sleep(0)
        else:
            await yard.decide(failure)
        assert yard.done == ["!a UNDECIDED", "-a"]

    run(main())
    assert caplog.messages == ["a decision about a channel failed unexpectedly"]


def test_subscriptions_are_judged_again_and_those_not_allowed_end() -> None:
    async def main() -> None:
        yard = Yard()
        yard.at_once = dict.fromkeys("abc")
        yard.say("+a", "+b", "+c")
        yard.at_once = {"a": NO, "b": Refusal(Denial.UNDECIDED, "because")}
        yard.gate.judge_again(yard.connection)
        assert yard.done[3:] == ["xa"]
        yard.say("-c")  # behind the decision
        await yard.decide(NO)
        assert yard.done[4:] == ["xc", "-c"]
        assert yard.connection.channels == {"b"}

    run(main())


@pytest.mark.parametrize("ask", ["?", "<"], ids=["presence", "history"])
def test_who_may_subscribe_may_ask_about_a_channel_and_needs_no_room(ask: str) -> None:
    yard = Yard(channels_size=1)
    yard.at_once = {"a": None, "b": NO, "c": None}
    yard.say("+a", *(ask + channel for channel in ("a", "b", "c", "a\nb")))
    assert yard.done == ["+a", f"{ask}a", "!b FORBIDDEN", f"{ask}c", "!a\nb BAD_NAME"]
    assert yard.actions == ["subscribe"] * 3  # who is subscribed was judged
