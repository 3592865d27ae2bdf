"""One question for many who ask the same at the same time, and a short memory of its answer."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable, Sequence
from hashlib import blake2b
from typing import Any, Generic, TypeVar

from tornado_realtime.auth.user import User

KEPT_SIZE = 10_000

T = TypeVar("T")


class Shared(Generic[T]):
    """Questions under way, by what makes them equal."""

    def __init__(self) -> None:
        self._asking: dict[Hashable, tuple[asyncio.Task[T], list[int]]] = {}

    def is_asking(self, key: Hashable) -> bool:
        """Whether this question is under way."""
        return key in self._asking

    async def ask(self, key: Hashable, question: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The answer, or the error, of the question under way with this key; of a new one if there is none.

        Who is cancelled leaves; the question ends with the last of those who ask.
        """
        found = self._asking.get(key)
        if found is None:
            new = asyncio.get_running_loop().create_task(question())
            found = self._asking[key] = (new, [0])
            new.add_done_callback(lambda _: self._forget(key, new))
        task, askers = found
        askers[0] += 1
        try:
            return await asyncio.shield(task)
        finally:
            askers[0] -= 1
            if not askers[0] and not task.done():
                # From now on it is nobody's question: whoever comes asks anew.
                self._forget(key, task)
                task.cancel()

    def _forget(self, key: Hashable, task: asyncio.Task[T]) -> None:
        """This question is over; another one with the same key may be under way by now."""
        found = self._asking.get(key)
        if found is not None and found[0] is task:
            del self._asking[key]


class Memory:
    """Users that were found a moment ago, by a digest of what was asked.

    Args:
        seconds: How long they are remembered; 0 for not at all.
        now: Unix time.
    """

    def __init__(self, seconds: float, now: Callable[[], float] = time.time) -> None:
        self._seconds = seconds
        self._now = now
        self._key = secrets.token_bytes(32)
        self._users: OrderedDict[bytes, tuple[User, float]] = OrderedDict()

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._users)

    def digest(self, question: Sequence[tuple[str, str]]) -> bytes:
        """What stands for a question; from it nobody learns what was asked."""
        hashed = blake2b(key=self._key, digest_size=16)
        for name, value in question:
            text = f"{name}:{value}".encode("utf-8", "surrogatepass")
            hashed.update(len(text).to_bytes(4) + text)
        return hashed.digest()

    def find(self, digest: bytes) -> User | None:
        """The user of a question, if it was answered a moment ago and the login has not run out."""
        found = self._users.get(digest)
        if found is None:
            return None
        user, until = found
        if until <= self._now():
            del self._users[digest]
            return None
        return user

    def keep(self, digest: bytes, user: User) -> None:
        """Remember an answer; at the bound the oldest is forgotten."""
        if not self._seconds:
            return
        until = self._now() + self._seconds
        self._users[digest] = (user, until if user.expires is None else min(until, user.expires))
        self._users.move_to_end(digest)
        if len(self._users) > KEPT_SIZE:
            self._users.popitem(last=False)

    def forget(self, user: str) -> None:
        """Remember no answer that is this user."""
        for digest in [digest for digest, (found, _) in self._users.items() if found.id == user]:
            del self._users[digest]

    def clear(self) -> None:
        """Forget everybody."""
        self._users.clear()
