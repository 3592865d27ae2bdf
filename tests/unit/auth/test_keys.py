"""Key files, and which algorithms go with which key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa

from tornado_realtime.auth import Login, TokenReader
from tornado_realtime.auth.keys import OneKey, read_key_file, read_public_key, secret_key
from tornado_realtime.errors import AuthRefusedError

RSA = rsa.generate_private_key(65537, 2048)
P256, P384, P521 = (ec.generate_private_key(curve()) for curve in (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1))
ED = ed25519.Ed25519PrivateKey.generate()


def pem(key: Any) -> bytes:
    return key.public_key().public_bytes(  # type: ignore[no-any-return]
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def private_pem(key: Any) -> bytes:
    return key.private_bytes(  # type: ignore[no-any-return]
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@pytest.mark.parametrize(
    ("key", "algorithms"),
    [
        (RSA, ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")),
        (P256, ("ES256",)),
        (P384, ("ES384",)),
        (P521, ("ES512",)),
        (ED, ("EdDSA",)),
    ],
    ids=["rsa", "p256", "p384", "p521", "ed25519"],
)
def test_a_public_key_is_for_its_algorithms(key: Any, algorithms: tuple[str, ...]) -> None:
    found = read_public_key(pem(key))
    assert found.algorithms == algorithms
    assert found.only(()).algorithms == algorithms[:1]
    for name in algorithms:
        reader = TokenReader(OneKey(found.only((name,))))
        assert reader.read_now(jwt.encode({"sub": "u1"}, key, name)).id == "u1"  # type: ignore[union-attr]


def test_what_the_key_is_not_for_is_refused() -> None:
    found = read_public_key(pem(RSA)).only(("PS256",))
    reader = TokenReader(OneKey(found))
    for token in (
        jwt.encode({"sub": "u1"}, RSA, "RS256"),
        jwt.encode({"sub": "u1"}, P256, "ES256"),
        jwt.encode({"sub": "u1"}, rsa.generate_private_key(65537, 2048), "PS256"),
        jwt.encode({"sub": "u1"}, "", "none"),
    ):
        with pytest.raises(AuthRefusedError):
            reader.read_now(token)


def test_a_public_key_is_never_a_secret() -> None:
    """The classic attack: HS256 with the bytes of the public key, which everybody knows."""
    forged = jwt.api_jws.PyJWS()
    text = pem(RSA)
    forged.get_algorithm_by_name("HS256").prepare_key = lambda key: key  # type: ignore[method-assign]
    token = forged.encode(b'{"sub":"u1"}', text, "HS256")
    with pytest.raises(AuthRefusedError):
        TokenReader(OneKey(read_public_key(text).only(()))).read_now(token)


def test_a_certificate_has_a_key_in_it() -> None:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "issuer")])
    now = datetime.now(UTC)
    built = x509.CertificateBuilder(name, name, P256.public_key(), 1, now, now + timedelta(1))
    certificate = built.sign(P256, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    assert read_public_key(certificate).algorithms == ("ES256",)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "holds no usable public key"),
        (b"rubbish", "holds no usable public key"),
        (private_pem(RSA), "holds a private key"),
        (pem(RSA)[:-60], "holds no usable public key"),
        (pem(rsa.generate_private_key(65537, 1024)), "1024 bits, at least 2048"),
        (pem(ec.generate_private_key(ec.SECP256K1())), "not RSA, P-256"),
        (pem(ed448.Ed448PrivateKey.generate()), "not RSA, P-256"),
        (pem(dsa.generate_private_key(1024)), "not RSA, P-256"),
        (b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----", "holds no usable public key"),
    ],
)
def test_a_file_without_a_usable_key(content: bytes, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        read_public_key(content)


def test_algorithms_must_fit() -> None:
    with pytest.raises(ValueError, match="is for ES256, and algorithms has only RS256"):
        read_public_key(pem(P256)).only(("RS256",))
    assert read_public_key(pem(P256)).only(("RS256", "ES256")).algorithms == ("ES256",)
    assert secret_key(b"x" * 64, ("HS512", "HS256")).algorithms == ("HS512", "HS256")


def test_who_may_read_and_write_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(b"  secret\n")
    for mode, is_secret, told in (
        (0o602, False, "may be written by everybody; change that with: chmod o-w"),
        (0o604, True, "may be read by everybody; change that with: chmod o-r"),
    ):
        file.chmod(mode)
        with pytest.raises(ValueError, match=told):
            read_key_file(str(file), is_secret=is_secret)
    file.chmod(0o640)
    assert read_key_file(str(file), is_secret=True) == b"secret"
    file.chmod(0o644)
    assert read_key_file(str(file), is_secret=False) == b"  secret\n"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="none cannot be read: No such file"):
        read_key_file(str(tmp_path / "none"), is_secret=False)
    with pytest.raises(ValueError, match="cannot be read: Is a directory"):
        read_key_file(str(tmp_path), is_secret=False)
    with pytest.raises(ValueError, match="cannot be read: "):
        read_key_file("a\0b", is_secret=False)
    long = tmp_path / "long"
    long.write_bytes(b"x" * 70_000)
    long.chmod(0o600)
    with pytest.raises(ValueError, match="longer than 65536"):
        read_key_file(str(long), is_secret=True)


def test_a_login_closes_its_parts() -> None:
    reader = TokenReader(OneKey(secret_key(b"k" * 32, ())))
    reader.read_now(jwt.encode({"sub": "u1"}, "k" * 32, "HS256"))
    Login(reader, None).close()
    assert reader._verified.cache_info().currsize == 0
