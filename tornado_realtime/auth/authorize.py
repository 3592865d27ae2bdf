"""May they? Asked for each subscription, before it is made, and for what clients publish."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Literal, NamedTuple, Protocol

from tornado_realtime.auth.channel_endpoint import ChannelEndpoint
from tornado_realtime.auth.channel_tokens import ChannelTokens
from tornado_realtime.auth.user import User
from tornado_realtime.channels import Match, Pattern, PatternTable, parse_pattern
from tornado_realtime.errors import AuthError
from tornado_realtime.settings.channels import Access, ChannelRule
from tornado_realtime.wire.denial import Answer, Denial, Grant, Refusal

Action = Literal["subscribe", "publish"]
ACTIONS: tuple[Action, ...] = ("subscribe", "publish")


class Authorizer(Protocol):
    """Decides about channels."""

    def refusal(
        self, user: User, channel: str, action: Action, shown: str = ""
    ) -> Answer | Awaitable[Answer]:
        """Why ``user`` may not do ``action`` on ``channel``, or whether they may for a while only.

        ``shown`` is the token that they show for it, or empty.

        What can be said at once comes as it is, and only what has to be waited for as an awaitable. Neither
        this nor the awaitable raises.
        """
        ...

    def close(self) -> None:
        """Release what is kept between questions. Idempotent."""
        ...


class _Question(NamedTuple):
    """What a judge looks at."""

    user: User
    channel: str
    action: Action
    token: str
    match: Match


Finding = bool | Grant | Denial
# Who may; what has to be waited for may raise AuthError.
Judge = Callable[[_Question], Finding | Awaitable[Finding]]


class RuleAuthorizer:
    """Decides by the channel blocks; where none matches, by the rule that holds without any.

    Args:
        rules: The blocks in the order of the file, each with its place there (``FILE:LINE``, or empty).
        tokens: Judges channel tokens; without it they are worth nothing.
        endpoints: The endpoints that the blocks name, by address.
    """

    def __init__(
        self,
        rules: Iterable[tuple[ChannelRule, str]] = (),
        tokens: ChannelTokens | None = None,
        endpoints: Mapping[str, ChannelEndpoint] | None = None,
    ) -> None:
        self._tokens = tokens
        self._endpoints = dict(endpoints or {})
        self._table = PatternTable((rule.pattern, self._parts(rule, _where(rule, at))) for rule, at in rules)
        self._unmatched = self._parts(ChannelRule(Pattern("*")), ", as no channel block matches")

    def refusal(
        self, user: User, channel: str, action: Action, shown: str = ""
    ) -> Answer | Awaitable[Answer]:
        """See Authorizer."""
        parts, match = self._table.find(channel) or (self._unmatched, Match())
        judge, refusal = parts[action]
        found = judge(_Question(user, channel, action, shown, match))
        if isinstance(found, bool | Grant | Denial):
            return _answer(found, refusal)
        return _later(found, refusal)

    def close(self) -> None:
        """See Authorizer."""
        if self._tokens is not None:
            self._tokens.close()
        for endpoint in self._endpoints.values():
            endpoint.close()

    def _parts(self, rule: ChannelRule, where: str) -> dict[Action, tuple[Judge, Refusal]]:
        """What decides about each action, and what it is called when it refuses."""
        return {
            action: (
                self._judge(access),
                Refusal(Denial.FORBIDDEN, f"{action} {access}{where}"),
            )
            for action, access in zip(ACTIONS, (rule.subscribe, rule.publish), strict=True)
        }

    def _judge(self, access: Access) -> Judge:
        if access.who == "claim":
            return _Claim(access.argument)
        if access.who == "token":
            return self._shows_token
        if access.who == "endpoint":
            return _Asked(self._endpoints[access.argument])
        return _JUDGES[access.who]

    def _shows_token(self, question: _Question) -> Finding | Awaitable[Finding]:
        if self._tokens is None:
            return False
        return self._tokens.judge(question.token, question.user, question.channel, question.action)


def _where(rule: ChannelRule, place: str) -> str:
    return f" of channel {rule.pattern.text}" + (f" ({place})" if place else "")


def _answer(found: Finding, refusal: Refusal) -> Answer:
    if isinstance(found, Denial):
        return replace(refusal, denial=found)
    if isinstance(found, Grant):
        return found
    return None if found else refusal


async def _later(found: Awaitable[Finding], refusal: Refusal) -> Answer:
    try:
        return _answer(await found, refusal)
    except AuthError:
        # Whoever was asked has said why in the log.
        return Refusal(Denial.UNDECIDED, f"{refusal.rule}, which nobody could decide")


_JUDGES: Mapping[str, Judge] = {
    "nobody": lambda question: False,
    "anyone": lambda question: True,
    "authenticated": lambda question: not question.user.is_anonymous,
    "user": lambda question: question.match.user == question.user.id,
}


class _Claim:
    """Lets whose claim has a pattern that matches."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, question: _Question) -> bool:
        found = (question.user.claims or {}).get(self._name)
        patterns = found if isinstance(found, list | tuple) else (found,)
        return any(_matches(text, question.channel) for text in patterns if isinstance(text, str))


def _matches(text: str, channel: str) -> bool:
    pattern = _claimed(text)
    return pattern is not None and pattern.match(channel) is not None


@lru_cache(maxsize=4096)
def _claimed(text: str) -> Pattern | None:
    """The pattern of a claim; None for what is none: it matches nothing."""
    try:
        pattern = parse_pattern(text)
    except ValueError:
        return None
    return None if pattern.has_user else pattern


class _Asked:
    """Lets whom an endpoint lets."""

    def __init__(self, endpoint: ChannelEndpoint) -> None:
        self._endpoint = endpoint

    def __call__(self, question: _Question) -> bool | Awaitable[bool]:
        what = (question.user, question.channel, question.action)
        return True if self._endpoint.remembers(*what) else self._endpoint.allows(*what)
