"""Decisions about channels: in order on each channel of a connection, bounded, and forgotten with it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Coroutine
from functools import partial
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.connections import ClockLoop, NotingOwner, ScriptedConnection
from tornado_realtime.connection import Connection
from tornado_realtime.hub import Heart
from tornado_realtime.hub.gate import Gate, Reply
from tornado_realtime.hub.refusals import QUIET_SECONDS, RefusalLog
from tornado_realtime.wire.commands import (
    AskPresence,
    ChannelCommand,
    Publish,
    ReadHistory,
    RefreshChannel,
    Subscribe,
    Unsubscribe,
)
from tornado_realtime.wire.denial import Answer, Denial, Grant, Refusal
from tornado_realtime.wire.v1 import V1

NO = Refusal(Denial.FORBIDDEN, "because")


class Yard:
    """A gate, what it did, and decisions that a test makes one by one."""

    def __init__(self, channels_size: int = 128) -> None:
        self.loop = ClockLoop(1000.0)
        self.heart = Heart(self.loop.real)
        self.heart.start(lambda connection: None)
        self.gate = Gate(self, self, channels_size, self.heart, self.loop.time)
        self.connection = ScriptedConnection(NotingOwner())
        self.done: list[str] = []
        self.ttls: list[int | None] = []
        self.asked: list[asyncio.Future[Answer]] = []
        self.at_once: dict[str, Answer] = {}
        self.broker_waits = self.takes_time = False
        self.actions: list[str] = []
        self.publishing: list[asyncio.Future[Reply]] = []
        self.preparing: list[asyncio.Future[None]] = []
        self.needs_time = False

    def refusal(
        self, user: Any, channel: str, action: Literal["subscribe", "publish"], shown: str = ""
    ) -> Answer | Awaitable[Answer]:
        assert user == "u1"
        self.actions.append(action)
        if channel in self.at_once:
            return self.at_once[channel]
        self.asked.append(asyncio.get_running_loop().create_future())
        return self.asked[-1]

    def prepare(self, command: Subscribe) -> asyncio.Future[None] | None:
        if not self.needs_time:
            return None
        self.preparing.append(asyncio.get_running_loop().create_future())
        return self.preparing[-1]

    def subscribe(self, connection: Connection, command: Subscribe) -> bool:
        connection.channels.add(command.channel)
        self.done.append(f"+{command.channel}")
        self.ttls.append(command.ttl)
        return not self.takes_time

    def read(self, connection: Connection, command: ReadHistory) -> bool:
        self.done.append(f"<{command.channel}")
        return not self.takes_time

    def unsubscribe(self, connection: Connection, command: Unsubscribe) -> None:
        connection.channels.discard(command.channel)
        self.gate.left(connection, command.channel)
        self.done.append(f"-{command.channel}")

    def publish_for(self, connection: Connection, command: Publish) -> asyncio.Future[Reply] | None:
        self.done.append(f"*{command.channel}")
        if not self.broker_waits:
            return None
        self.publishing.append(asyncio.get_running_loop().create_future())
        return self.publishing[-1]

    def ask_presence(self, connection: Connection, command: AskPresence) -> asyncio.Future[Reply] | None:
        self.done.append(f"?{command.channel}")
        if not self.broker_waits:
            return None
        self.publishing.append(asyncio.get_running_loop().create_future())
        return self.publishing[-1]

    def prolong(self, connection: Connection, command: RefreshChannel, ttl: int | None) -> None:
        self.done.append(f"&{command.channel} {ttl}")

    def lapse(self, connection: Connection, channel: str) -> None:
        connection.channels.discard(channel)
        self.gate.left(connection, channel)
        self.done.append(f"~{channel}")

    def revoke(self, connection: Connection, channel: str, refusal: Refusal) -> None:
        connection.channels.discard(channel)
        self.done.append(f"x{channel}")

    def refuse(self, connection: Connection, command: ChannelCommand, refusal: Refusal) -> None:
        self.done.append(f"!{command.channel} {refusal.denial.name}")

    def overrun(self, connection: Connection) -> None:
        self.done.append("overrun")
        self.gate.forget(connection)

    def say(self, *words: str) -> None:
        """Commands: ``+channel`` subscribes, ``-`` unsubscribes, ``*`` publishes, ``?`` asks who is there.

        ``<`` reads what is kept, ``&channel token`` prolongs.
        """
        for word in words:
            channel, _, token = word[1:].partition(" ")
            commands: dict[str, ChannelCommand] = {
                "+": Subscribe(channel, token),
                "&": RefreshChannel(channel, token),
                "-": Unsubscribe(channel),
                "*": Publish(channel, b"1"),
                "?": AskPresence(channel),
                "<": ReadHistory(channel),
            }
            self.gate.take(self.connection, commands[word[0]])

    async def decide(self, answer: Answer | Exception = None, index: int = 0) -> None:
        future = self.asked.pop(index)
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)
        await asyncio.sleep(0)


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


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


def test_what_is_said_about_refusals_is_no_flood(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    times = [0.0, 1.0, 2.0, QUIET_SECONDS, QUIET_SECONDS + 1, 3 * QUIET_SECONDS]
    log = RefusalLog(iter(times).__next__, "subscription refused by %s%s%s")
    for rule in ("one", "one", "two", "one", "two", "two"):
        log.refused(rule)
    assert caplog.messages == [
        "subscription refused by one",
        "subscription refused by two",
        "subscription refused by one (1 more since the last line)",
        "subscription refused by two (1 more since the last line)",
    ]


# -- publications ------------------------------------------------------------------------------------------


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


# -- a user with another login -----------------------------------------------------------------------------


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


# -- who is present ----------------------------------------------------------------------------------


def test_who_may_subscribe_may_ask_who_is_there_and_needs_no_room() -> None:
    yard = Yard(1)
    yard.at_once = {"a": None, "b": NO, "c": None}
    yard.say("+a", "?a", "?b", "?c")
    assert yard.done == ["+a", "?a", "!b FORBIDDEN", "?c"]
    assert yard.actions == ["subscribe"] * 3  # who is subscribed was judged


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


# -- what takes time once it is decided --------------------------------------------------------------------


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


def test_who_may_subscribe_may_read_however_many_channels_it_has() -> None:
    yard = Yard(channels_size=1)
    yard.at_once = {"a": None, "b": None, "c": NO}
    yard.say("+a", "<a", "<b", "<c", "<a\nb")
    assert yard.done == ["+a", "<a", "<b", "!c FORBIDDEN", "!a\nb BAD_NAME"]
    assert yard.actions == ["subscribe"] * 3


# -- what runs out --------------------------------------------------------------------------------------


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
