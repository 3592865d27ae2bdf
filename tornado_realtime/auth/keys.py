"""The keys that tokens are verified with, and which algorithms go with them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate

from tornado_realtime.auth.claims import examined
from tornado_realtime.keyfiles import check_mode

# Python's JSON reads numbers and nesting that its own functions then choke on; all of it is a bad token.
BAD_TOKEN = (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError)
"""What reading a bad token may raise."""

_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
_RSA_BITS = 2048
_KEY_FILE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Key:
    """One key.

    Attributes:
        value: As the JWT library takes it.
        algorithms: What it may verify, at least one; the first is the usual one.
    """

    value: Any
    algorithms: tuple[str, ...]

    def only(self, algorithms: Sequence[str]) -> Key:
        """The same key for those of ``algorithms`` that it fits; for its usual one if there are none given.

        Raises:
            ValueError: It fits none of them.
        """
        fitting = tuple(name for name in algorithms if name in self.algorithms) or self.algorithms[:1]
        if algorithms and fitting[0] not in algorithms:
            raise ValueError(
                f"is for {' '.join(self.algorithms)}, and algorithms has only {' '.join(algorithms)}"
            )
        return Key(self.value, fitting)


class Keys(Protocol):
    """Where keys are found."""

    def find(self, token: str) -> Key | None:
        """The key for a token; None if it has to be looked for.

        Raises:
            AuthRefusedError: There is none.
        """
        ...

    async def look_for(self, token: str) -> Key:
        """The same, after looking.

        Raises:
            AuthRefusedError: There is none.
            AuthUnavailableError: It cannot be told now.
        """
        ...

    def used(self) -> None:
        """A token was shown, whether its key had to be found or not."""
        ...

    def on_change(self, callback: Callable[[], None]) -> None:
        """Have ``callback`` called when keys are no longer what they were."""
        ...

    def close(self) -> None:
        """Look for nothing any more."""
        ...


class OneKey:
    """A key that is known from the start."""

    def __init__(self, key: Key) -> None:
        self._key = key

    def find(self, token: str) -> Key:
        """See Keys; which key a token names does not matter."""
        return self._key

    async def look_for(self, token: str) -> Key:
        """See Keys."""
        return self._key

    def used(self) -> None:
        """It does not age."""

    def on_change(self, callback: Callable[[], None]) -> None:
        """It never changes."""

    def close(self) -> None:
        """Nothing is under way."""


def secret_key(secret: bytes, algorithms: Sequence[str]) -> Key:
    """The key of algorithms that sign with a secret; HS256 if none are given.

    Raises:
        ValueError: It is no secret, but something public.
    """
    try:
        secret = examined(secret)
    except jwt.InvalidKeyError as error:
        raise ValueError("is a public key or certificate, and no secret; write public_key FILE") from error
    return Key(secret, ("HS256", "HS384", "HS512")).only(algorithms)


def public_key(value: Any) -> Key:
    """A key of the cryptography library, and what it may verify.

    Raises:
        ValueError: It is of a kind, or of a size, that is not accepted.
    """
    if isinstance(value, rsa.RSAPublicKey):
        if value.key_size < _RSA_BITS:
            raise ValueError(f"the RSA key has {value.key_size} bits, at least {_RSA_BITS} are needed")
        return Key(value, _RSA)
    if isinstance(value, ec.EllipticCurvePublicKey) and value.curve.name in _CURVES:
        return Key(value, (_CURVES[value.curve.name],))
    if isinstance(value, ed25519.Ed25519PublicKey):
        return Key(value, ("EdDSA",))
    raise ValueError("the key is not RSA, P-256, P-384, P-521 or Ed25519")


def read_public_key(pem: bytes) -> Key:
    """A public key, or that of a certificate, out of a PEM file.

    Raises:
        ValueError: There is none, or it is not accepted; a private key is refused, too.
    """
    if b"PRIVATE KEY" in pem:
        raise ValueError(
            "holds a private key, which has no business on this server; "
            "take the public one out of it with: openssl pkey -in FILE -pubout"
        )
    try:
        if b"BEGIN CERTIFICATE" in pem:
            return public_key(load_pem_x509_certificate(pem).public_key())
        return public_key(load_pem_public_key(pem))
    except UnsupportedAlgorithm as error:
        raise ValueError("the key is of an unknown kind") from error
    except ValueError as error:
        raise ValueError(f"holds no usable public key: {error}") from error


def read_key_file(path: str, *, is_secret: bool) -> bytes:
    """The content of a key file.

    Raises:
        ValueError: It cannot be read, is empty or too long, anybody may write it, or it is secret and anybody
            may read it; with what to do.
    """
    try:
        with Path(path).open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(_KEY_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    check_mode(path, mode, is_secret=is_secret)
    if len(content) > _KEY_FILE_BYTES:
        raise ValueError(f"{path} is longer than {_KEY_FILE_BYTES} bytes")
    return content.strip() if is_secret else content
