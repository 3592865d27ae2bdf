"""May they? Asked for each subscription, before it is made, and for what clients publish."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Literal, Protocol

from tornado_realtime.auth.user import User
from tornado_realtime.channels import Match, PatternTable, parse_pattern
from tornado_realtime.settings.channels import Access, ChannelRule
from tornado_realtime.wire.denial import Denial, Refusal

logger = logging.getLogger(__name__)

Action = Literal["subscribe", "publish"]
ACTIONS: tuple[Action, ...] = ("subscribe", "publish")

Authorize = Callable[[User, str, Action], bool | Awaitable[bool]]


class Authorizer(Protocol):
    """Decides about channels."""

    def refusal(self, user: User, channel: str, action: Action) -> Refusal | Awaitable[Refusal | None] | None:
        """Why ``user`` may not do ``action`` on ``channel``; None if they may.

        What can be said at once comes as it is, and only what has to be waited for as an awaitable. Neither
        this nor the awaitable raises.
        """
        ...


class RuleAuthorizer:
    """Decides by the channel blocks; where none matches, by the rule that holds without any.

    Args:
        rules: The blocks in the order of the file, each with its place there (``FILE:LINE``, or empty).
    """

    def __init__(self, rules: Iterable[tuple[ChannelRule, str]] = ()) -> None:
        self._table = PatternTable((rule.pattern, _by_action(rule, place)) for rule, place in rules)

    def refusal(self, user: User, channel: str, action: Action) -> Refusal | None:
        """See Authorizer."""
        judges, match = self._table.find(channel) or _UNMATCHED
        return judges[action](user, match)


Judge = Callable[[User, Match], Refusal | None]


def _by_action(rule: ChannelRule, place: str) -> dict[Action, Judge]:
    where = f"channel {rule.pattern.text}" + (f" ({place})" if place else "")
    return {
        "subscribe": _judge(rule.subscribe, f"subscribe {rule.subscribe} of {where}"),
        "publish": _judge(rule.publish, f"publish {rule.publish} of {where}"),
    }


def _judge(access: Access, name: str) -> Judge:
    return partial(_JUDGES[access.who], Refusal(Denial.FORBIDDEN, name))


def _nobody(refusal: Refusal, user: User, match: Match) -> Refusal | None:
    return refusal


def _anyone(refusal: Refusal, user: User, match: Match) -> Refusal | None:
    return None


def _authenticated(refusal: Refusal, user: User, match: Match) -> Refusal | None:
    return refusal if user.is_anonymous else None


def _user(refusal: Refusal, user: User, match: Match) -> Refusal | None:
    return None if match.user == user.id else refusal


_JUDGES: dict[str, Callable[[Refusal, User, Match], Refusal | None]] = {
    "nobody": _nobody,
    "anyone": _anyone,
    "authenticated": _authenticated,
    "user": _user,
}

_DEFAULT = ChannelRule(parse_pattern("*"))
_UNMATCHED: tuple[dict[Action, Judge], Match] = (
    {
        "subscribe": _judge(_DEFAULT.subscribe, f"no channel block matches: subscribe {_DEFAULT.subscribe}"),
        "publish": _judge(_DEFAULT.publish, f"no channel block matches: publish {_DEFAULT.publish}"),
    },
    Match(),
)


class FunctionAuthorizer:
    """Asks ``function(user, channel, action)``, plain or async; only True lets them.

    A plain function runs on the loop: it must not wait for anything. What it raises is logged, and refuses.

    Args:
        function: The application's; ``action`` is ``"subscribe"`` or ``"publish"``.
        timeout: Seconds an async one may take.
    """

    def __init__(self, function: Authorize, timeout: float) -> None:
        self._function = function
        self._timeout = timeout

    def refusal(self, user: User, channel: str, action: Action) -> Refusal | Awaitable[Refusal | None] | None:
        """See Authorizer."""
        try:
            answer: object = self._function(user, channel, action)
        except Exception:
            return _failed()
        if not inspect.isawaitable(answer):
            return _verdict(answer)
        asking = asyncio.ensure_future(self._waited_for(answer))
        if inspect.iscoroutine(answer):
            # Who leaves at once cancels the question before it has begun.
            asking.add_done_callback(lambda _asking: answer.close())
        return asking

    async def _waited_for(self, answer: Awaitable[object]) -> Refusal | None:
        try:
            return _verdict(await asyncio.wait_for(answer, self._timeout))
        except TimeoutError:
            logger.warning("the authorize function took longer than %g s", self._timeout)
            return _UNDECIDED
        except Exception:
            return _failed()


_REFUSED = Refusal(Denial.FORBIDDEN, "the authorize function said no")
_UNDECIDED = Refusal(Denial.UNDECIDED, "the authorize function did not decide")


def _verdict(answer: object) -> Refusal | None:
    if isinstance(answer, bool):
        return None if answer else _REFUSED
    logger.error("the authorize function returned %s, not True or False", type(answer).__name__)
    return _UNDECIDED


def _failed() -> Refusal:
    logger.exception("the authorize function failed")
    return _UNDECIDED
