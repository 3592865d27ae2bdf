"""Signed tokens that the application, or an issuer, gave the visitor (RFC 7519): nobody is asked."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jwt import ExpiredSignatureError

from tornado_realtime.auth.claims import CHANNEL_CLAIM, TokenRule, read_claims, signatures
from tornado_realtime.auth.keys import BAD_TOKEN, Key, Keys
from tornado_realtime.auth.user import User, checked_user, kept_claims
from tornado_realtime.errors import AuthInvalidError, AuthRefusedError

# Tokens that are remembered as good until they run out, so that a storm of reconnects costs little.
KEPT_TOKENS_SIZE = 4096
KEPT_TOKEN_BYTES = 2048


class TokenReader:
    """Reads who somebody is from a token.

    Args:
        keys: What tokens are verified with.
        rule: What they must say.
    """

    def __init__(self, keys: Keys, rule: TokenRule | None = None) -> None:
        self._keys = keys
        self._rule = rule if rule is not None else TokenRule()
        self._signatures = signatures()
        # Whoever reconnects brings the same token. Only good ones are kept: a refusal is an exception.
        self._verified = lru_cache(maxsize=KEPT_TOKENS_SIZE)(self._read_known)
        keys.on_change(self._verified.cache_clear)

    def read_now(self, token: str) -> User | None:
        """The user that a token names; None if its key has to be looked for.

        Raises:
            AuthRefusedError: It is not valid.
        """
        self._keys.used()
        try:
            user = self._verified(token) if len(token) <= KEPT_TOKEN_BYTES else self._read_known(token)
        except _UnknownKeyError:
            return None
        return _in_time(user)

    async def read(self, token: str) -> User:
        """The same, after looking.

        Raises:
            AuthRefusedError: It is not valid.
            AuthUnavailableError: Its key cannot be fetched now.
        """
        user = self.read_now(token)
        if user is None:
            user = _in_time(self._verify(token, await self._keys.look_for(token)))
        return user

    def close(self) -> None:
        """Forget the tokens that were seen, and look for no keys any more."""
        self._verified.cache_clear()
        self._keys.close()

    def _read_known(self, token: str) -> User:
        key = self._keys.find(token)
        if key is None:
            raise _UnknownKeyError
        return self._verify(token, key)

    def _verify(self, token: str, key: Key) -> User:
        try:
            return self._user(self._claims(token, key))
        except ExpiredSignatureError as error:
            raise AuthRefusedError("the token has run out", "expired") from error
        except (*BAD_TOKEN, AuthInvalidError) as error:
            raise AuthRefusedError(f"the token is not valid: {type(error).__name__}", "token") from error

    def _claims(self, token: str, key: Key) -> dict[str, Any]:
        payload = self._signatures.decode(token, key.value, key.algorithms)
        return read_claims(payload, self._rule, time.time())

    def _user(self, claims: Mapping[str, Any]) -> User:
        if self._rule.channel_tokens and CHANNEL_CLAIM in claims:
            raise AuthRefusedError("the token is for a channel, and no login", "token")
        found = claims.get(self._rule.user_claim)
        subject = str(found) if isinstance(found, int) and not isinstance(found, bool) else found
        expires = claims.get("exp")
        return checked_user(
            User(
                subject,  # type: ignore[arg-type]
                claims.get("info"),
                expires=None if expires is None else float(expires) + self._rule.leeway,
                # A token that does not say when it was made was made before anything.
                issued=float(claims.get("iat", 0)),
                claims=kept_claims(claims, self._rule.claims),
            )
        )


class _UnknownKeyError(Exception):
    """A token names a key that is not known yet; an exception, so that it is not remembered."""


def _in_time(user: User) -> User:
    if user.expires is not None and user.expires <= time.time():
        raise AuthRefusedError("the login has run out", "expired")
    return user
