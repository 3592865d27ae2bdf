"""Who may use which channel: a table of decisions, by blocks and by a function."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from tornado_realtime.auth import FunctionAuthorizer, RuleAuthorizer, User
from tornado_realtime.auth.authorize import ACTIONS, Action, Authorize
from tornado_realtime.realtime import Realtime
from tornado_realtime.wire.denial import Denial, Refusal

ADA = User("ada")
BLOCKS: dict[str, dict[str, str]] = {
    "closed": {"subscribe": "nobody"},
    "open": {"subscribe": "anyone", "publish": "anyone"},
    "chat.*": {"publish": "authenticated"},
    "user.{user}.*": {"subscribe": "user", "publish": "user"},
    "user.{user}.public": {"subscribe": "authenticated"},
    "private-*": {"subscribe": "nobody", "publish": "authenticated"},
}


def blocks() -> RuleAuthorizer:
    settings = Realtime(channel=BLOCKS).settings
    return RuleAuthorizer((rule, f"Caddyfile:{n}") for n, rule in enumerate(settings.channels, 3))


DECISIONS: list[tuple[str, bool, bool]] = [
    # Channel, whether ada may subscribe, whether she may publish.
    ("closed", False, False),
    ("open", True, True),
    ("chat.a", True, True),
    ("user.ada.mail", True, True),
    ("user.bob.mail", False, False),
    ("user.ada2.mail", False, False),
    ("user.Ada.mail", False, False),
    ("user.bob.public", True, False),
    ("private-x", False, True),
    ("Private-x", True, False),
    ("anything else", True, False),
]


@pytest.mark.parametrize(("channel", "subscribe", "publish"), DECISIONS, ids=[row[0] for row in DECISIONS])
def test_blocks_decide(channel: str, subscribe: bool, publish: bool) -> None:
    found = [blocks().refusal(ADA, channel, action) is None for action in ACTIONS]
    assert found == [subscribe, publish]


def test_nobody_in_particular_gets_what_anyone_may_have() -> None:
    found = {
        channel: [blocks().refusal(User(""), channel, action) is None for action in ACTIONS]
        for channel in ("open", "chat.a", "user..mail", "anything else")
    }
    assert found == {
        "open": [True, True],
        "chat.a": [False, False],
        "user..mail": [False, False],
        "anything else": [False, False],
    }


def test_without_blocks_the_seed_s_rule_holds() -> None:
    for channel in ("news", "user.bob.mail"):
        assert RuleAuthorizer().refusal(ADA, channel, "subscribe") is None
        assert RuleAuthorizer().refusal(ADA, channel, "publish") == Refusal(
            Denial.FORBIDDEN, "no channel block matches: publish nobody"
        )


def test_a_refusal_names_the_rule_and_its_place_and_nothing_else() -> None:
    refusal = blocks().refusal(ADA, "user.bob.mail", "publish")
    assert refusal == Refusal(Denial.FORBIDDEN, "publish user of channel user.{user}.* (Caddyfile:6)")


# -- a function ------------------------------------------------------------------------------------------


def decide(function: Authorize, action: Action = "subscribe") -> Any:
    async def main() -> Refusal | None:
        answer = FunctionAuthorizer(function, 0.01).refusal(ADA, "news", action)
        return answer if answer is None or isinstance(answer, Refusal) else await answer

    return asyncio.run(main())


def test_a_plain_function_is_not_waited_for() -> None:
    asked = []

    def function(user: User, channel: str, action: Action) -> bool:
        asked.append((user, channel, action))
        return action == "subscribe"

    authorizer = FunctionAuthorizer(function, 1)
    assert authorizer.refusal(ADA, "news", "subscribe") is None
    assert authorizer.refusal(ADA, "news", "publish") == Refusal(
        Denial.FORBIDDEN, "the authorize function said no"
    )
    assert asked == [(ADA, "news", "subscribe"), (ADA, "news", "publish")]


@pytest.mark.parametrize("answer", [True, False])
def test_an_async_function(answer: bool) -> None:
    async def function(user: User, channel: str, action: Action) -> bool:
        await asyncio.sleep(0)
        return answer

    assert (decide(function) is None) is answer


@pytest.mark.parametrize("answer", [None, 1, 0, "yes", object()])
@pytest.mark.parametrize("is_async", [False, True])
def test_only_true_is_a_yes(answer: Any, is_async: bool, caplog: pytest.LogCaptureFixture) -> None:
    async def function(user: User, channel: str, action: Action) -> Any:
        return answer

    found = decide(function if is_async else lambda user, channel, action: answer)
    assert found.denial is Denial.UNDECIDED
    name = type(answer).__name__
    assert caplog.messages == [f"the authorize function returned {name}, not True or False"]


@pytest.mark.parametrize("is_async", [False, True])
def test_an_error_refuses(is_async: bool, caplog: pytest.LogCaptureFixture) -> None:
    def fail(user: User, channel: str, action: Action) -> bool:
        raise KeyError("what")

    async def fail_later(user: User, channel: str, action: Action) -> bool:
        raise KeyError("what")

    assert decide(fail_later if is_async else fail).denial is Denial.UNDECIDED
    assert [(record.levelno, record.message) for record in caplog.records] == [
        (logging.ERROR, "the authorize function failed")
    ]


def test_a_question_that_is_taken_back_at_once_is_not_asked() -> None:
    async def function(user: User, channel: str, action: Action) -> bool:
        raise AssertionError("it was asked")

    async def main() -> None:
        asking = FunctionAuthorizer(function, 1).refusal(ADA, "news", "subscribe")
        assert isinstance(asking, asyncio.Future)
        asking.cancel()
        await asyncio.wait([asking])

    asyncio.run(main())


def test_a_function_that_does_not_come_back_refuses(caplog: pytest.LogCaptureFixture) -> None:
    async def function(user: User, channel: str, action: Action) -> bool:
        await asyncio.Event().wait()
        return True

    assert decide(function).denial is Denial.UNDECIDED
    assert caplog.messages == ["the authorize function took longer than 0.01 s"]
