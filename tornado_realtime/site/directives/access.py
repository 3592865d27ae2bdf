"""basic_auth: ask for a name and a password."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tornado_realtime.caddyfile.directive import Directive
from tornado_realtime.site.arguments import expect, no_block, unknown, wrong_count
from tornado_realtime.site.basicauth import BasicAuth, bcrypt_verify, read_hash
from tornado_realtime.site.plan import Kit, Step
from tornado_realtime.site.scope import Scope

if TYPE_CHECKING:
    from tornado_realtime.site.exchange import Handler


@dataclass(frozen=True, slots=True)
class BasicAuthStep(Step):
    """``basic_auth``: 401 with WWW-Authenticate unless a known name comes with its password.

    Attributes:
        accounts: Names and password hashes as written: bcrypt, or bcrypt in base64.
        realm: Shown by browsers. Default ``restricted``.
    """

    accounts: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    realm: str = "restricted"

    def modules(self) -> list[str]:
        """``authentication``."""
        return ["authentication"]

    def build(self, kit: Kit) -> Handler:
        """Asks for name and password.

        Raises:
            ConfigError: When a hash is none, or the module bcrypt is missing.
        """
        try:
            verify = bcrypt_verify()
        except ImportError:
            raise self.directive.error(
                "basic_auth needs the module bcrypt: pip install 'tornado-realtime[bcrypt]'"
            ) from None
        accounts = {line.word: _hash(line) for line in self.directive.block or ()}
        return BasicAuth(accounts, verify, self.realm)


def _hash(line: Directive) -> bytes:
    try:
        return read_hash(line.words[0])
    except ValueError:
        raise line.error(
            f"the password of {line.word} is no bcrypt hash; make one: htpasswd -nBC 12 {line.word}"
        ) from None


def parse_basic_auth(segment: Directive, scope: Scope) -> Step:
    """Read ``basic_auth [matcher] [bcrypt [REALM]] { NAME HASH }``."""
    words = expect(segment, 0, 2, "basic_auth [MATCHER] [bcrypt [REALM]]")
    if segment.word == "basicauth":
        scope.warn(segment.name, "basicauth is the old name of basic_auth")
    if words and words[0] in ("argon2id", "scrypt"):
        raise segment.args[0].error(f"hash {words[0]} is known but not supported; use bcrypt")
    if words and words[0] != "bcrypt":
        raise unknown(segment.args[0], "hash", ("bcrypt",), listed=True)
    accounts = tuple(_account(line) for line in segment.block or ())
    return BasicAuthStep(segment, accounts, words[1] if len(words) == 2 else "restricted")


def _account(line: Directive) -> tuple[str, str]:
    no_block(line)
    if len(line.args) != 1 or not line.word or not line.words[0]:
        raise wrong_count(line, "NAME HASH, where HASH is the bcrypt hash of the password")
    return line.word, line.words[0]
