"""``basic_auth``: a name and a password before anything else (RFC 7617)."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import re
from base64 import b64decode
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping

from tornado_realtime.errors import HandlerError
from tornado_realtime.site.exchange import Exchange, Next
from tornado_realtime.site.placeholders import expand

_BCRYPT = re.compile(rb"\$2[abxy]\$[0-9]{2}\$[./A-Za-z0-9]{53}")
_BCRYPT_BYTES = 72
_COST = slice(4, 6)

_AT_ONCE = 2
_WAITING = 32
_REMEMBERED = 256

Verify = Callable[[bytes, bytes], bool]


def read_hash(text: str) -> bytes:
    """A bcrypt hash as written: itself, or in base64 as older configurations have it.

    Raises:
        ValueError: If it is neither.
    """
    raw = text.encode()
    if not raw.startswith(b"$"):
        raw = b64decode(raw, validate=True)
    if not _BCRYPT.fullmatch(raw):
        raise ValueError("not a bcrypt hash")
    return raw


def stand_in(hashes: Iterable[bytes]) -> bytes:
    """A hash that fits no password and costs as much as the dearest of these.

    It is compared with when a name is unknown, so that the time taken does not tell which names exist.
    """
    return b"$2b$" + max((hashed[_COST] for hashed in hashes), default=b"10") + b"$" + b"." * 53


def bcrypt_verify() -> Verify:
    """The function that compares a password with a bcrypt hash.

    Raises:
        ImportError: If the extra ``bcrypt`` of this package is not installed.
    """
    import bcrypt

    def verify(password: bytes, hashed: bytes) -> bool:
        try:
            return bcrypt.checkpw(password[:_BCRYPT_BYTES], hashed)
        except ValueError:
            return False

    return verify


class PasswordChecker:
    """Compares passwords without letting anybody keep the machine busy with it.

    Comparing takes long by design, so it is done in threads, a few at a time (a client that leaves meanwhile
    frees no place); who would have to wait behind too many others is refused. A password that was right is
    remembered, as a digest under a key of this process.

    Args:
        verify: Compares a password with a hash; slow.
    """

    def __init__(self, verify: Verify) -> None:
        self._verify = verify
        self._key = os.urandom(32)
        self._known: OrderedDict[bytes, None] = OrderedDict()
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._tasks: set[asyncio.Task[bool]] = set()

    async def check(self, password: bytes, hashed: bytes) -> bool:
        """Whether the password is the one of the hash.

        Raises:
            HandlerError: 503 when too many are being checked already.
        """
        digest = hmac.digest(self._key, hashed + hashlib.sha256(password).digest(), "sha256")
        if digest in self._known:
            self._known.move_to_end(digest)
            return True
        right = await self._compare(password, hashed)
        if right:
            self._known[digest] = None
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return right

    async def _compare(self, password: bytes, hashed: bytes) -> bool:
        if len(self._tasks) >= _WAITING:
            raise HandlerError(503, "too many passwords are being checked")
        task = asyncio.create_task(self._in_turn(password, hashed))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def _in_turn(self, password: bytes, hashed: bytes) -> bool:
        async with self._turns:
            return await asyncio.get_running_loop().run_in_executor(None, self._verify, password, hashed)


class BasicAuth:
    """The step that lets only known people through; their name becomes ``{http.auth.user.id}``.

    Args:
        accounts: Names and their bcrypt hashes.
        verify: Compares a password with a hash.
        realm: Shown by browsers; may hold placeholders.
    """

    def __init__(self, accounts: Mapping[str, bytes], verify: Verify, realm: str = "restricted") -> None:
        self._accounts = dict(accounts)
        self._check: Callable[[bytes, bytes], Awaitable[bool]] = PasswordChecker(verify).check
        self._nobody = stand_in(self._accounts.values())
        self._realm = realm

    async def __call__(self, exchange: Exchange, next_step: Next) -> None:
        """Go on, or ask for name and password.

        Raises:
            HandlerError: 401 without a known name and its password, 503 when too many try at once.
        """
        name = await self._visitor(exchange)
        if name is None:
            realm = re.sub(r'["\\]', "", expand(self._realm, exchange, "empty"))
            exchange.preset_headers["WWW-Authenticate"] = f'Basic realm="{realm}"'
            raise HandlerError(401, "no known name and password")
        exchange.vars["http.auth.user.id"] = name
        await next_step()

    async def _visitor(self, exchange: Exchange) -> str | None:
        credentials = read_credentials(exchange.request.headers.get_list("Authorization"))
        if credentials is None:
            return None
        name, password = credentials
        hashed = self._accounts.get(name)
        right = await self._check(password, hashed or self._nobody)
        return name if right and hashed is not None else None


def read_credentials(lines: list[str]) -> tuple[str, bytes] | None:
    """Name and password of an Authorization header; None when it has none of this kind."""
    scheme, _, token = (lines[0] if len(lines) == 1 else "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        raw = b64decode(token.strip(), validate=True)
        name, colon, password = raw.partition(b":")
        return (name.decode(), password) if colon else None
    except ValueError:
        return None
