"""The keys that an issuer publishes (RFC 7517): kept, fetched anew now and then, never twice at once."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import jwt
from tornado.httputil import HTTPHeaders

from tornado_realtime.auth.keys import BAD_TOKEN, Key, public_key
from tornado_realtime.auth.question import Asker
from tornado_realtime.errors import AuthError, AuthInvalidError, AuthRefusedError, AuthUnavailableError

logger = logging.getLogger(__name__)

DEFAULT_ALGORITHMS = ("RS256", "ES256", "EdDSA")
# Seconds after which the keys in use are fetched anew, in the background.
FRESH_SECONDS = 300.0
# Seconds between two fetches, whatever tokens ask for.
PAUSE_SECONDS = 10.0
ANSWER_BYTES = 256 * 1024
KEYS_SIZE = 100
_ACCEPT = "application/jwk-set+json, application/json"


class PublishedKeys:
    """The keys at ``url``.

    A token whose key is not known has them fetched, at most once in ten seconds; those known are fetched
    anew when they are used and older than five minutes. When the issuer cannot be reached, those known stay.

    Args:
        url: http or https.
        algorithms: Those that are accepted; empty for the usual ones.
        timeout: Seconds a fetch may take.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        url: str,
        algorithms: Sequence[str],
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = urlsplit(url)
        self._algorithms = tuple(algorithms) or DEFAULT_ALGORITHMS
        self._timeout = timeout
        self._clock = clock
        self._asker = Asker(ANSWER_BYTES)
        self._keys: tuple[tuple[str | None, Key], ...] = ()
        self._document: object = None
        self._tried = self._fetched = float("-inf")
        self._failure = ""
        self._fetching: asyncio.Task[None] | None = None
        self._tell: Callable[[], None] = _nobody

    def on_change(self, callback: Callable[[], None]) -> None:
        """See Keys."""
        self._tell = callback

    def close(self) -> None:
        """See Keys. Idempotent."""
        if self._fetching is not None:
            self._fetching.cancel()
        self._asker.close()

    def begin(self) -> None:
        """Fetch the keys on the running loop before the first token comes."""
        self._fetch()

    def used(self) -> None:
        """See Keys: old ones are fetched anew meanwhile."""
        if self._clock() - self._fetched >= FRESH_SECONDS:
            self._fetch()

    def find(self, token: str) -> Key | None:
        """See Keys."""
        return self._known(_header(token))

    async def look_for(self, token: str) -> Key:
        """See Keys."""
        header, fetching = _header(token), self._fetch()
        if fetching is not None:
            # Whoever gives up must not end it for the others.
            await asyncio.shield(fetching)
        key = self._known(header)
        if key is not None:
            return key
        if self._failure:
            raise AuthUnavailableError(f"the issuer's keys cannot be fetched: {self._failure}")
        raise AuthRefusedError("the token names a key that the issuer does not publish", "token")

    def _known(self, header: Mapping[str, Any]) -> Key | None:
        """The key that a header names; without a name the one that fits, if there is only one."""
        kid, algorithm = header.get("kid"), header.get("alg")
        if algorithm not in self._algorithms:
            raise AuthRefusedError("the token's algorithm is not accepted", "token")
        fitting = [key for name, key in self._keys if algorithm in key.algorithms and kid in (None, name)]
        return fitting[0] if len(fitting) == 1 or (fitting and kid is not None) else None

    def _fetch(self) -> asyncio.Task[None] | None:
        """The fetch that is under way, or a new one; None if there was one a moment ago."""
        if self._fetching is None and self._clock() - self._tried >= PAUSE_SECONDS:
            self._tried = self._clock()
            self._fetching = asyncio.get_running_loop().create_task(self._refresh())
        return self._fetching

    async def _refresh(self) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._asker.ask(self._url, HTTPHeaders({"Accept": _ACCEPT}))
            if answer.status != 200:
                raise AuthUnavailableError(f"it answered {answer.status}")
            self._take(answer.body)
            if self._failure:
                logger.warning("keys at %s can be fetched again", self._name)
            self._failure = ""
        except (AuthError, TimeoutError) as error:
            self._failure = str(error) or f"it took longer than {self._timeout:g} s"
            kept = "those known stay" if self._keys else "there are none yet, tokens cannot be read"
            logger.error("keys at %s cannot be fetched: %s; %s", self._name, self._failure, kept)
        finally:
            self._fetching = None

    def _take(self, body: bytes) -> None:
        document, keys = read_key_set(body, self._algorithms)
        self._fetched = self._clock()
        if document != self._document:
            self._document, self._keys = document, keys
            self._tell()

    @property
    def _name(self) -> str:
        """For the log: what may be secret is left out."""
        return f"{self._url.scheme}://{self._url.netloc.rpartition('@')[2]}{self._url.path}"


def _header(token: str) -> Mapping[str, Any]:
    try:
        return jwt.get_unverified_header(token)
    except BAD_TOKEN as error:
        raise AuthRefusedError(f"the token is not valid: {type(error).__name__}", "token") from error


def _nobody() -> None:
    """Nobody has to be told of new keys."""


def read_key_set(body: bytes, algorithms: Sequence[str]) -> tuple[object, tuple[tuple[str | None, Key], ...]]:
    """A key set: the document, and the keys of it that verify one of ``algorithms``, with their names.

    Secrets, keys for encryption, and keys of unknown kinds are passed over, as RFC 7517 section 5 says.

    Raises:
        AuthInvalidError: It is no key set, or no key in it can be used.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise AuthInvalidError("the answer is no JSON") from error
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list) or len(entries) > KEYS_SIZE:
        raise AuthInvalidError(f"the answer is no key set of at most {KEYS_SIZE} keys")
    found = tuple(filter(None, (_read_key(entry, algorithms) for entry in entries)))
    if not found:
        raise AuthInvalidError(f"no key in the answer is for {' '.join(algorithms)}")
    return document, found


def _read_key(entry: object, algorithms: Sequence[str]) -> tuple[str | None, Key] | None:
    if not isinstance(entry, dict) or entry.get("kty") == "oct" or entry.get("use", "sig") != "sig":
        return None
    operations = entry.get("key_ops")
    if operations is not None and not (isinstance(operations, list) and "verify" in operations):
        return None
    name, own = entry.get("kid"), entry.get("alg")
    try:
        key = public_key(jwt.PyJWK(entry).key)
        fitting = tuple(each for each in key.algorithms if each in algorithms and own in (None, each))
    except (jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
        logger.debug("a key of the issuer is passed over: %s", type(error).__name__)
        return None
    return (name if isinstance(name, str) else None, Key(key.value, fitting)) if fitting else None
