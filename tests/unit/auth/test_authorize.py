"""Who may use which channel: a table of decisions, by blocks and by a function."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from typing import Any

import jwt
import pytest

from tornado_realtime.auth import FunctionAuthorizer, RuleAuthorizer, User
from tornado_realtime.auth.authorize import ACTIONS, Action
from tornado_realtime.auth.authorize_function import Authorize
from tornado_realtime.auth.channel_tokens import ChannelTokens
from tornado_realtime.auth.claims import TokenRule
from tornado_realtime.auth.jwt import TokenReader
from tornado_realtime.auth.keys import Key, OneKey, secret_key
from tornado_realtime.channels import parse_pattern
from tornado_realtime.errors import AuthError, AuthRefusedError, AuthUnavailableError
from tornado_realtime.realtime import Realtime
from tornado_realtime.settings import Access, ChannelRule
from tornado_realtime.wire.denial import Answer, Denial, Grant, Refusal

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
            Denial.FORBIDDEN, "publish nobody, as no channel block matches"
        )


def test_a_refusal_names_the_rule_and_its_place_and_nothing_else() -> None:
    refusal = blocks().refusal(ADA, "user.bob.mail", "publish")
    assert refusal == Refusal(Denial.FORBIDDEN, "publish user of channel user.{user}.* (Caddyfile:6)")


# -- a function ------------------------------------------------------------------------------------------


def decide(function: Authorize, action: Action = "subscribe") -> Any:
    async def main() -> Answer:
        answer = FunctionAuthorizer(function, 0.01).refusal(ADA, "news", action)
        return answer if answer is None or isinstance(answer, Refusal | Grant) else await answer

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


# -- claims ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claims", "channel", "allowed"),
    [
        ({"rooms": ["a", "team-*"]}, "a", True),
        ({"rooms": ["a", "team-*"]}, "team-7", True),
        ({"rooms": ["a", "team-*"]}, "b", False),
        ({"rooms": "team-*"}, "team-7", True),
        ({"rooms": ("a",)}, "a", True),
        ({"rooms": []}, "a", False),
        ({"rooms": ["*"]}, "a", True),
        ({"rooms": ["{user}"]}, "ada", False),
        ({"rooms": ["", "a\n", 7, None, ["a"]]}, "a", False),
        ({"rooms": {"a": 1}}, "a", False),
        ({"rooms": True}, "a", False),
        ({"other": ["a"]}, "a", False),
        (None, "a", False),
    ],
)
def test_a_claim_lists_patterns(claims: Any, channel: str, allowed: bool) -> None:
    settings = Realtime(channel={"*": {"subscribe": ["claim", "rooms"]}}).settings
    authorizer = RuleAuthorizer((rule, "") for rule in settings.channels)
    refusal = authorizer.refusal(User("ada", claims=claims), channel, "subscribe")
    expected = None if allowed else Refusal(Denial.FORBIDDEN, "subscribe claim rooms of channel *")
    assert refusal == expected


# -- channel tokens --------------------------------------------------------------------------------------

SECRET = b"k" * 32
GOOD = {"sub": "ada", "channel": "room", "exp": 4102444800}


def signed(claims: dict[str, Any], secret: bytes = SECRET) -> str:
    return jwt.encode(claims, secret, "HS256")


YES = Grant(4102444800.0)
NO, LATE = Denial.FORBIDDEN, Denial.EXPIRED


@pytest.mark.parametrize(
    ("token", "verdict"),
    [
        (signed(GOOD), YES),
        (signed(GOOD | {"action": "subscribe"}), YES),
        ("", NO),
        ("a.b.c", NO),
        ("nonsense", NO),
        (signed(GOOD, b"x" * 32), NO),
        (jwt.encode(GOOD, None, "none"), NO),  # type: ignore[arg-type]
        (signed(GOOD | {"channel": "rooms"}), NO),
        (signed(GOOD | {"channel": "*"}), NO),
        (signed(GOOD | {"channel": ["room"]}), NO),
        (signed(GOOD | {"sub": "bob"}), NO),
        (signed(GOOD | {"sub": None}), NO),
        (signed(GOOD | {"exp": 1}), LATE),
        (signed(GOOD | {"exp": 1}, b"x" * 32), NO),
        (signed(GOOD | {"nbf": 4102444000}), NO),
        (signed(GOOD | {"action": "publish"}), NO),
        (signed({key: value for key, value in GOOD.items() if key != "exp"}), NO),
        (signed({key: value for key, value in GOOD.items() if key != "sub"}), NO),
        (signed({key: value for key, value in GOOD.items() if key != "channel"}), NO),
        (signed(GOOD | {"iss": "elsewhere"}), YES),
    ],
)
def test_a_token_for_a_channel(token: str, verdict: Grant | Denial) -> None:
    tokens = ChannelTokens(OneKey(secret_key(SECRET, ())), TokenRule())
    assert tokens.judge(token, ADA, "room", "subscribe") == verdict


def test_a_token_for_a_channel_is_good_for_as_long_as_clocks_may_differ() -> None:
    tokens = ChannelTokens(OneKey(secret_key(SECRET, ())), TokenRule(leeway=30))
    exp = time.time() - 10
    assert tokens.judge(signed(GOOD | {"exp": exp}), ADA, "room", "subscribe") == Grant(exp + 30)


def test_a_token_says_what_it_is_for_and_for_whom() -> None:
    tokens = ChannelTokens(OneKey(secret_key(SECRET, ())), TokenRule(issuer=("us",), user_claim="uid"))
    mine = {"channel": "room", "exp": 4102444800, "iss": "us", "uid": 7, "action": "publish"}
    assert tokens.judge(signed(mine), User("7"), "room", "publish") == YES
    assert tokens.judge(signed(mine), User("7"), "room", "subscribe") is NO
    assert tokens.judge(signed(mine | {"iss": "them"}), User("7"), "room", "publish") is NO
    nobodys = {key: value for key, value in mine.items() if key != "uid"}
    assert tokens.judge(signed(nobodys), User(""), "room", "publish") == YES
    assert tokens.judge(signed(nobodys), User("7"), "room", "publish") is NO


class KeysElsewhere(OneKey):
    """A key that has to be fetched first."""

    def __init__(self, key: Key | AuthError) -> None:
        self._found = key

    def find(self, token: str) -> Any:
        return None

    async def look_for(self, token: str) -> Key:
        if isinstance(self._found, AuthError):
            raise self._found
        return self._found


@pytest.mark.parametrize(
    ("key", "denial"),
    [
        (secret_key(SECRET, ()), None),
        (secret_key(b"x" * 32, ()), Denial.FORBIDDEN),
        (AuthRefusedError("no such key"), Denial.FORBIDDEN),
        (AuthUnavailableError("the issuer is away"), Denial.UNDECIDED),
    ],
)
def test_a_key_that_has_to_be_looked_for(key: Any, denial: Denial | None) -> None:
    async def main() -> None:
        rule = ChannelRule(parse_pattern("room"), Access("token"))
        authorizer = RuleAuthorizer([(rule, "F:1")], ChannelTokens(KeysElsewhere(key), TokenRule()))
        answer = authorizer.refusal(ADA, "room", "subscribe", signed(GOOD))
        assert inspect.isawaitable(answer)
        found = await answer
        if denial is None:
            assert found == YES
        else:
            assert isinstance(found, Refusal)
            assert found.denial is denial
            assert found.rule.startswith("subscribe token of channel room (F:1)")

    asyncio.run(main())


def test_a_token_for_a_channel_is_no_login() -> None:
    keys = OneKey(secret_key(SECRET, ()))
    assert TokenReader(keys).read_now(signed(GOOD)) == TokenReader(keys).read_now(signed(GOOD))
    with pytest.raises(AuthRefusedError, match="for a channel"):
        TokenReader(keys, TokenRule(channel_tokens=True)).read_now(signed(GOOD))
