"""``basic_auth``: who is let through, and at what cost."""

from __future__ import annotations

import asyncio
import threading
from base64 import b64encode

import bcrypt
import pytest

from tests.support.chains import fetch
from tornado_realtime.errors import HandlerError
from tornado_realtime.site import basicauth
from tornado_realtime.site.basicauth import (
    BasicAuth,
    PasswordChecker,
    bcrypt_verify,
    read_credentials,
    read_hash,
    stand_in,
)
from tornado_realtime.site.respond import Respond

HASH = bcrypt.hashpw(b"s3cr:t", bcrypt.gensalt(4))
WHO = Respond("you are {http.auth.user.id}")


def gate() -> BasicAuth:
    return BasicAuth({"zoë": HASH}, bcrypt_verify(), 'a "realm"')


def basic(text: str) -> tuple[str]:
    return (f"Authorization: Basic {b64encode(text.encode()).decode()}",)


def test_the_right_password_opens() -> None:
    answer = fetch(gate(), WHO, fields=basic("zoë:s3cr:t"))
    assert (answer.status, answer.body.decode()) == (200, "you are zoë")


@pytest.mark.parametrize(
    "fields",
    [
        (),
        basic("zoë:wrong"),
        basic("nobody:s3cr:t"),
        basic("zoë"),
        basic("zoë:" + "x" * 100),
        basic("zoë:a\x00b"),
        ("Authorization: Basic !!!",),
        ("Authorization: Basic //79",),
        ("Authorization: Bearer x",),
        ("Authorization: Basic",),
        (basic("zoë:s3cr:t")[0], basic("zoë:s3cr:t")[0]),
    ],
)
def test_everything_else_is_asked(fields: tuple[str, ...]) -> None:
    answer = fetch(gate(), WHO, fields=fields)
    assert (answer.status, answer.body) == (401, b"")
    assert answer.header("WWW-Authenticate") == 'Basic realm="a realm"'


def test_hashes_as_written() -> None:
    assert read_hash(HASH.decode()) == HASH
    assert read_hash(b64encode(HASH).decode()) == HASH
    for wrong in ("", "plain", "$2b$10$short", b64encode(b"plain").decode(), "$1$" + "a" * 60, "é"):
        with pytest.raises(ValueError):
            read_hash(wrong)


def test_credentials() -> None:
    assert read_credentials(["bAsIc  YTpiOmM="]) == ("a", b"b:c")
    assert read_credentials(["Basic Og=="]) == ("", b"")
    assert read_credentials([]) is None


def test_the_stand_in_costs_as_much_and_fits_nothing() -> None:
    hashed = stand_in([b"$2b$04$" + b"x" * 53, b"$2b$05$" + b"x" * 53])
    assert hashed.startswith(b"$2b$05$")
    assert not bcrypt.checkpw(b"", hashed)
    assert stand_in([]).startswith(b"$2b$10$")


def test_a_password_that_was_right_is_not_compared_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(basicauth, "_REMEMBERED", 1)
    compared: list[bytes] = []

    def verify(password: bytes, hashed: bytes) -> bool:
        compared.append(password)
        return password != b"wrong"

    async def main() -> None:
        checker = PasswordChecker(verify)
        for _ in range(2):
            assert await checker.check(b"right", b"hash")
            assert not await checker.check(b"wrong", b"hash")
        assert compared == [b"right", b"wrong", b"wrong"]
        assert await checker.check(b"right", b"other hash")
        assert await checker.check(b"right", b"hash")
        assert compared[3:] == [b"right", b"right"]

    asyncio.run(main())


def test_few_are_compared_at_once_and_the_queue_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(basicauth, "_WAITING", 3)
    release = threading.Event()
    running: list[int] = []

    def verify(password: bytes, hashed: bytes) -> bool:
        running.append(1)
        release.wait(5)
        return False

    async def main() -> None:
        checker = PasswordChecker(verify)
        tasks = [asyncio.create_task(checker.check(bytes([number]), b"hash")) for number in range(3)]
        while len(running) < 2:
            await asyncio.sleep(0.001)
        with pytest.raises(HandlerError) as refused:
            await checker.check(b"one more", b"hash")
        assert refused.value.status == 503
        tasks.pop(0).cancel()
        await asyncio.sleep(0)
        assert len(running) == 2
        release.set()
        assert await asyncio.gather(*tasks) == [False, False]

    asyncio.run(main())
