"""Tokens that let one user use one channel for a while."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Mapping
from typing import Any

import jwt

from tornado_realtime.auth.claims import CHANNEL_CLAIM, TokenRule, read_claims, signatures
from tornado_realtime.auth.keys import BAD_TOKEN, Key, Keys
from tornado_realtime.auth.user import User
from tornado_realtime.errors import AuthRefusedError
from tornado_realtime.wire.denial import Denial, Grant

Verdict = Grant | Denial


class ChannelTokens:
    """Judges tokens for channels, with the keys and by the rules of logins.

    Such a token names the channel in ``channel`` and the user as a login does, has an ``exp``, and says in
    ``action`` what it is for; without that it is for subscribing. One without a user is for whoever is
    anonymous, and for nobody else.

    Args:
        keys: What tokens are verified with.
        rule: What logins must say.
    """

    def __init__(self, keys: Keys, rule: TokenRule) -> None:
        self._keys = keys
        self._rule = rule
        self._signatures = signatures()

    def judge(self, token: str, user: User, channel: str, action: str) -> Verdict | Awaitable[Verdict]:
        """Until when ``token`` lets ``user`` do this; an awaitable only where its key has to be looked for.

        Raises:
            AuthUnavailableError: When awaited: its key cannot be fetched now.
        """
        if not token:
            return Denial.FORBIDDEN
        self._keys.used()
        try:
            key = self._keys.find(token)
        except AuthRefusedError:
            return Denial.FORBIDDEN
        if key is None:
            return self._judge_later(token, user, channel, action)
        return self._verdict(token, key, user, channel, action)

    def close(self) -> None:
        """Look for no keys any more."""
        self._keys.close()

    async def _judge_later(self, token: str, user: User, channel: str, action: str) -> Verdict:
        try:
            key = await self._keys.look_for(token)
        except AuthRefusedError:
            return Denial.FORBIDDEN
        return self._verdict(token, key, user, channel, action)

    def _verdict(self, token: str, key: Key, user: User, channel: str, action: str) -> Verdict:
        try:
            payload = self._signatures.decode(token, key.value, key.algorithms)
            claims = read_claims(payload, self._rule, time.time())
        except jwt.ExpiredSignatureError:
            return Denial.EXPIRED
        except (*BAD_TOKEN, jwt.PyJWTError):
            return Denial.FORBIDDEN
        is_good = (
            "exp" in claims
            and claims.get(CHANNEL_CLAIM) == channel
            and claims.get("action", "subscribe") == action
            and self._user(claims) == user.id
        )
        return Grant(float(claims["exp"]) + self._rule.leeway) if is_good else Denial.FORBIDDEN

    def _user(self, claims: Mapping[str, Any]) -> object:
        found = claims.get(self._rule.user_claim, "")
        return str(found) if isinstance(found, int) and not isinstance(found, bool) else found
