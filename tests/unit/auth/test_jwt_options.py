"""The jwt block, as it is written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.unit.auth.test_keys import pem, private_pem
from tornado_realtime import Realtime
from tornado_realtime.errors import ConfigError
from tornado_realtime.settings import JwtRule, Settings, settings_from_options

SECRET = "k" * 32
URL = "https://issuer.example/keys"


def read(*lines: str, beside: str = "") -> Settings:
    return Realtime.from_caddyfile(
        "\n".join(["go_handler {", "jwt {", *lines, "}", beside, "}"]), env={}
    ).settings


def test_everything_that_may_be_in_it() -> None:
    assert read(
        "jwks_url " + URL,
        "algorithms RS256 ES384",
        "issuer a b",
        "audience c",
        "leeway 30s",
        "user_claim uid",
        "auth_endpoint http://a/b",
    ) == settings_from_options(
        jwt={
            "jwks_url": URL,
            "algorithms": ["RS256", "ES384"],
            "issuer": ["a", "b"],
            "audience": "c",
            "leeway": "30s",
            "user_claim": "uid",
            "auth_endpoint": "http://a/b",
        }
    )
    assert read("jwks_url " + URL, "leeway 0").jwt == JwtRule(jwks_url=URL)


def test_the_endpoint_is_asked_only_if_it_is_named() -> None:
    assert Settings().asks_endpoint
    assert not read("secret " + SECRET).asks_endpoint
    inside = read("secret " + SECRET, "auth_endpoint http://a/b")
    beside = read("secret " + SECRET, beside="auth_endpoint http://a/b")
    assert inside == beside
    assert (inside.asks_endpoint, inside.auth_endpoint) == (True, "http://a/b")
    assert inside != replace(read("secret " + SECRET), auth_endpoint="http://a/b")


def test_a_secret_is_not_shown() -> None:
    assert SECRET not in repr(read("secret " + SECRET))


WRONG: dict[str, tuple[tuple[str, ...], str]] = {
    "no key": (
        ("leeway 1s",),
        "2: jwt needs a key: write secret SECRET, secret_file FILE, public_key FILE or",
    ),
    "two keys": (
        ("secret " + SECRET, "jwks_url " + URL),
        "2: jwt takes one key only, not secret and jwks_url",
    ),
    "two files": (
        ("secret_file a", "public_key b"),
        "2: jwt takes one key only, not secret_file and public_key",
    ),
    "short": (("secret x",), "2: jwt needs a secret of at least 32 bytes"),
    "short for it": (
        ("secret " + SECRET, "algorithms HS256 HS512"),
        "2: jwt needs a secret of at least 64 bytes",
    ),
    "empty": (('secret ""',), "3: secret is empty"),
    "pem": (
        ('secret "-----BEGIN PUBLIC KEY-----"',),
        "2: jwt has a key in PEM as its secret; write public_key FILE",
    ),
    "unknown": (("secrte x",), "3: unknown option secrte of jwt (did you mean secret?)"),
    "no url": (("jwks_url ftp://x",), "3: jwks_url must be an http:// or https:// address"),
    "none": (("secret " + SECRET, "algorithms HS256 none"), "4: algorithms never has none: anybody can make"),
    "misspelt": (
        ("secret " + SECRET, "algorithms HS265"),
        "4: algorithms has 'HS265', not one of HS256, HS384,",
    ),
    "public": (
        ("jwks_url " + URL, "algorithms RS256 HS256"),
        "2: jwt has algorithm HS256, which needs a secret: a",
    ),
    "private": (
        ("secret " + SECRET, "algorithms RS256"),
        "2: jwt has algorithm RS256, which is verified with public",
    ),
    "audience": (("secret " + SECRET, 'audience a ""'), "4: audience is empty"),
    "claim": (("secret " + SECRET, 'user_claim ""'), "4: user_claim is empty"),
    "leeway": (("secret " + SECRET, "leeway -1s"), "4: leeway must be longer than nothing"),
    "no file": (("public_key /none",), "3: public_key /none cannot be read: No such file or directory"),
    "no secret": (("secret_file /none",), "3: secret_file /none cannot be read: No such file or directory"),
}


@pytest.mark.parametrize(("lines", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_in_it(lines: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(*lines)
    assert str(caught.value).startswith(f"go_handler:{message}")


def test_the_endpoint_is_named_once() -> None:
    with pytest.raises(ConfigError, match=r"4: auth_endpoint is given twice: in the jwt block and beside it"):
        read("secret " + SECRET, "auth_endpoint http://a", beside="auth_endpoint http://a")


def test_no_block() -> None:
    with pytest.raises(ConfigError, match=r"jwt needs a block: write jwt { KEY; OPTIONS }"):
        settings_from_options(jwt="x")
    with pytest.raises(ConfigError, match=r"^public_key /none cannot be read"):
        Realtime(jwt={"public_key": "/none"})


def test_key_files(tmp_path: Path) -> None:
    key, file = ec.generate_private_key(ec.SECP256R1()), tmp_path / "key"
    for content, mode, line, told in (
        (pem(key), 0o644, "public_key", ""),
        (
            pem(key),
            0o646,
            "public_key",
            "3: public_key .* may be written by everybody; change that with: chmod o-w",
        ),
        (private_pem(key), 0o644, "public_key", "3: public_key holds a private key"),
        (SECRET.encode(), 0o640, "secret_file", ""),
        (
            SECRET.encode(),
            0o644,
            "secret_file",
            "3: secret_file .* may be read by everybody; change that with: ",
        ),
        (b"short", 0o600, "secret_file", "3: secret_file needs a secret of at least 32 bytes"),
    ):
        file.write_bytes(content)
        file.chmod(mode)
        if told:
            with pytest.raises(ConfigError, match=told):
                read(f"{line} {file}")
        else:
            read(f"{line} {file}")
    file.write_bytes(pem(key))
    with pytest.raises(ConfigError, match=r"3: public_key is for ES256, and algorithms has only RS256"):
        read(f"public_key {file}", "algorithms RS256")


def test_a_changed_key_file_makes_another_instance(tmp_path: Path) -> None:
    file = tmp_path / "key"
    options: dict[str, Any] = {"jwt": {"public_key": str(file)}}
    file.write_bytes(pem(ec.generate_private_key(ec.SECP256R1())))
    realtime = Realtime(**options)
    assert realtime.suits(settings_from_options(**options))
    assert not realtime.suits(settings_from_options(**options, wire="envelope"))
    file.write_bytes(pem(ec.generate_private_key(ec.SECP256R1())))
    assert not realtime.suits(settings_from_options(**options))
