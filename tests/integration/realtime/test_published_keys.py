"""The keys that an issuer publishes, from a real HTTP server."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from tests.support.auth_endpoint import Endpoint, answer, endpoint
from tornado_realtime.auth import TokenReader
from tornado_realtime.auth.jwks import FRESH_SECONDS, PAUSE_SECONDS, PublishedKeys, read_key_set
from tornado_realtime.errors import AuthInvalidError, AuthRefusedError, AuthUnavailableError

OLD, NEW = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)
ED = ed25519.Ed25519PrivateKey.generate()
ALL = ("RS256", "PS256", "ES256", "EdDSA", "HS256")


def jwk(key: Any, **more: Any) -> dict[str, Any]:
    algorithm = {ec.EllipticCurvePrivateKey: ECAlgorithm, rsa.RSAPrivateKey: RSAAlgorithm}
    kind: Any = next((found for kind, found in algorithm.items() if isinstance(key, kind)), OKPAlgorithm)
    return json.loads(kind.to_jwk(key.public_key())) | more  # type: ignore[no-any-return]


def key_set(*keys: Any) -> bytes:
    return answer(200, json.dumps({"keys": keys}).encode())


def token(key: Any, algorithm: str = "ES256", kid: str | None = None) -> str:
    return jwt.encode({"sub": "u1"}, key, algorithm, {"kid": kid} if kid else None)


class World:
    """An issuer, and a reader of its tokens whose clock stands still."""

    def __init__(self, issuer: Endpoint, algorithms: tuple[str, ...] = ()) -> None:
        self.issuer = issuer
        self.now = 1000.0
        self.keys = PublishedKeys(issuer.url, algorithms, 5.0, lambda: self.now)
        self.reader = TokenReader(self.keys)

    async def reads(self, text: str) -> bool:
        try:
            return (await self.reader.read(text)).id == "u1"
        except AuthRefusedError:
            return False

    async def fetched(self) -> None:
        """The fetch in the background is over."""
        if self.keys._fetching is not None:
            await self.keys._fetching


@asynccontextmanager
async def world(*answers: bytes, algorithms: tuple[str, ...] = ()) -> AsyncIterator[World]:
    async with endpoint(*answers) as issuer:
        found = World(issuer, algorithms)
        try:
            yield found
        finally:
            found.reader.close()


def test_many_tokens_at_once_are_one_question() -> None:
    async def main() -> None:
        async with world(key_set(jwk(OLD, kid="1"))) as here:
            tokens = [token(OLD, kid="1")] * 50 + [token(OLD, kid="2")] * 50
            assert await asyncio.gather(*map(here.reads, tokens)) == [True] * 50 + [False] * 50
            assert [asked.line for asked in here.issuer.asked] == ["GET /auth.php HTTP/1.1"]
            assert "Cookie" not in here.issuer.asked[0].headers

    asyncio.run(main())


def test_an_unknown_key_is_looked_for_but_not_all_the_time() -> None:
    async def main() -> None:
        both = key_set(jwk(OLD, kid="1"), jwk(NEW, kid="2"))
        async with world(key_set(jwk(OLD, kid="1")), both) as here:
            assert await here.reads(token(OLD, kid="1"))
            assert not await here.reads(token(NEW, kid="2"))
            assert len(here.issuer.asked) == 1
            here.now += PAUSE_SECONDS
            assert await here.reads(token(NEW, kid="2"))
            assert here.reader.read_now(token(NEW, kid="2")) is not None
            for kid in "3456":
                assert not await here.reads(token(NEW, kid=kid))
            assert len(here.issuer.asked) == 2

    asyncio.run(main())


def test_a_key_that_is_withdrawn_is_refused_though_its_tokens_are_remembered() -> None:
    async def main() -> None:
        async with world(key_set(jwk(OLD, kid="1")), key_set(jwk(NEW, kid="2"))) as here:
            old = token(OLD, kid="1")
            assert await here.reads(old)
            here.now += FRESH_SECONDS - 1
            assert here.reader.read_now(old) is not None
            assert len(here.issuer.asked) == 1
            here.now += 1
            assert here.reader.read_now(old) is not None  # nobody waits
            await here.fetched()
            assert not await here.reads(old)
            assert await here.reads(token(NEW, kid="2"))
            assert len(here.issuer.asked) == 2

    asyncio.run(main())


@pytest.mark.parametrize("broken", [answer(500), answer(200, b"<html>"), answer(200, b'{"keys":[]}'), b""])
def test_the_keys_survive_an_outage_of_the_issuer(broken: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        good = key_set(jwk(OLD, kid="1"))
        async with world(good, broken, good) as here:
            assert await here.reads(token(OLD, kid="1"))
            here.now += FRESH_SECONDS
            assert await here.reads(token(OLD, kid="1"))
            await here.fetched()
            assert "those known stay" in caplog.text
            assert await here.reads(token(OLD, kid="1"))
            with pytest.raises(AuthUnavailableError):  # whether there is such a key cannot be told
                await here.reads(token(NEW, kid="2"))
            here.now += PAUSE_SECONDS
            assert not await here.reads(token(NEW, kid="2"))
            assert "can be fetched again" in caplog.text

    asyncio.run(main())


def test_an_issuer_that_is_away_at_the_start(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with world(b"", key_set(jwk(OLD, kid="1"))) as here:
            here.keys.begin()
            with pytest.raises(AuthUnavailableError):
                await here.reads(token(OLD, kid="1"))
            with pytest.raises(AuthUnavailableError):
                await here.reads(token(OLD, kid="1"))
            assert len(here.issuer.asked) == 1
            here.now += PAUSE_SECONDS
            assert await here.reads(token(OLD, kid="1"))

    asyncio.run(main())
    assert "there are none yet" in caplog.text


def test_who_gives_up_does_not_end_it_for_the_others() -> None:
    async def main() -> None:
        async with world(key_set(jwk(OLD, kid="1"))) as here:
            first = asyncio.create_task(here.reads(token(OLD, kid="1")))
            second = asyncio.create_task(here.reads(token(OLD, kid="1")))
            await asyncio.sleep(0)
            first.cancel()
            assert await second

    asyncio.run(main())


def test_which_key_a_token_means() -> None:
    async def main() -> None:
        keys = (jwk(OLD, kid="1"), jwk(RSA, kid="2"), jwk(ED, kid="3", alg="EdDSA"))
        async with world(key_set(*keys), algorithms=ALL) as here:
            for key, algorithm, kid in (
                (OLD, "ES256", "1"),
                (RSA, "RS256", "2"),
                (RSA, "PS256", "2"),
                (ED, "EdDSA", "3"),
            ):
                assert await here.reads(token(key, algorithm, kid))
                assert not await here.reads(token(key, algorithm, "9"))
            assert await here.reads(token(OLD))  # the only one that fits
            assert not await here.reads(token(OLD, kid="2"))
            assert not await here.reads(token(NEW, kid="1"))
            assert not await here.reads(jwt.encode({"sub": "u1"}, "k" * 32, "HS256", {"kid": "1"}))
            assert not await here.reads(jwt.encode({"sub": "u1"}, "", "none", {"kid": "1"}))

    asyncio.run(main())


def test_without_a_name_several_fitting_keys_are_none() -> None:
    async def main() -> None:
        async with world(key_set(jwk(OLD, kid="1"), jwk(NEW, kid="2"))) as here:
            assert not await here.reads(token(OLD))

    asyncio.run(main())


def test_what_is_passed_over_in_a_key_set() -> None:
    secret = {"kty": "oct", "k": base64.urlsafe_b64encode(b"k" * 32).decode(), "kid": "0"}
    odd = [
        secret,
        jwk(OLD, use="enc"),
        jwk(OLD, key_ops=["sign"]),
        jwk(OLD, key_ops="verify"),
        jwk(OLD, alg="ES384"),
        jwk(rsa.generate_private_key(65537, 1024)),
        {"kty": "EC", "crv": "P-256", "x": "x", "y": 5},
        {"kty": "new"},
        {},
        None,
        "key",
    ]
    _, found = read_key_set(json.dumps({"keys": [*odd, jwk(OLD, kid="1", use="sig")]}).encode(), ALL)
    assert [(name, key.algorithms) for name, key in found] == [("1", ("ES256",))]
    for body in (
        json.dumps({"keys": odd}).encode(),
        b"[]",
        b'{"keys":{}}',
        b'{"keys":[%b1]}' % (b"1," * 100),
        b"[" * 9000,
    ):
        with pytest.raises(AuthInvalidError):
            read_key_set(body, ALL)
