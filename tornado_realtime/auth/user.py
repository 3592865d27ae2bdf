"""The answer to "who is this?"."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tornado_realtime.errors import AuthInvalidError, AuthRefusedError

if TYPE_CHECKING:
    from tornado_realtime.auth.visitor import Visitor

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who is logged in.

    Attributes:
        id: Not empty, except that of ``ANONYMOUS``.
        info: Whatever the application said about them, as JSON values.
        expires: Unix time at which the login runs out; None if never, or not known.
        issued: Unix time at which it was proved who it is; None for now.
        claims: What a token, or the application's answer, says of the user that channel rules ask for.
        visitor: Who the application is told that it is, where channel rules ask it again.
    """

    id: str
    info: Any = None
    expires: float | None = None
    issued: float | None = field(default=None, compare=False)
    claims: Mapping[str, Any] | None = None
    visitor: Visitor | None = field(default=None, repr=False, compare=False)

    @property
    def is_anonymous(self) -> bool:
        """Whether this is nobody in particular, let in by ``anonymous on``."""
        return not self.id


ANONYMOUS = User("")
"""Whoever shows no login, where ``anonymous on`` lets them in."""


def kept_claims(claims: Mapping[str, Any], names: Collection[str]) -> Mapping[str, Any] | None:
    """Those of ``claims`` that have one of these names; None if there are none, so that nothing is kept."""
    return {name: claims[name] for name in names if name in claims} or None


def user_from_answer(
    answer: Mapping[str, Any], now: float | None = None, claims: Collection[str] = ()
) -> User:
    """Read ``{"id", "info"?, "exp"?, "ttl"?}``; ``id`` in any case, as the seed reads it.

    ``{"anonymous": true}`` is nobody in particular.

    Args:
        answer: The decoded object.
        now: Unix time; the clock's when left out.
        claims: Names of what the user keeps of it.

    Raises:
        AuthInvalidError: There is no usable ``id``, or ``exp`` or ``ttl`` is no number.
        AuthRefusedError: The login has run out already.
    """
    if answer.get("anonymous") is True:
        return ANONYMOUS
    now = time.time() if now is None else now
    found = [value for key, value in answer.items() if str(key).lower() == "id" and value is not None]
    identity = found[-1] if found else ""
    expires = min(_seconds(answer, "exp", 0.0), _seconds(answer, "ttl", now))
    kept = kept_claims(answer, claims)
    return checked_user(User(identity, answer.get("info"), expires, claims=kept), now)


def checked_user(user: User, now: float | None = None) -> User:
    """``user`` if it can be let in.

    Raises:
        AuthInvalidError: Its ``id`` is no non-empty string of Unicode text, or ``expires`` is no number.
        AuthRefusedError: The login has run out already.
    """
    now = time.time() if now is None else now
    if not isinstance(user.id, str) or not user.id or not _is_text(user.id):
        raise AuthInvalidError("the answer has no id that is a non-empty string")
    if user.expires is None:
        return user
    expires = _number("expires", user.expires)
    if expires <= now:
        raise AuthRefusedError("the login has run out", "expired")
    if type(user.expires) is float and expires < math.inf:
        return user
    return replace(user, expires=None if expires == math.inf else expires)


def _is_text(identity: str) -> bool:
    """Whether it can be written down as UTF-8: JSON can spell half a surrogate pair, which cannot."""
    return identity.isascii() or not _SURROGATE.search(identity)


def _seconds(answer: Mapping[str, Any], key: str, base: float) -> float:
    value = answer.get(key)
    return math.inf if value is None else base + _number(key, value)


def _number(key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise AuthInvalidError(f"{key} in the answer is not a number of seconds")
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
