"""tls: the certificate of a site."""

from __future__ import annotations

from tornado_realtime.caddyfile.directive import Directive
from tornado_realtime.site.arguments import choice, expect, unknown
from tornado_realtime.site.plan import TlsSpec
from tornado_realtime.site.scope import Scope

_USAGE = "tls CERTIFICATE_FILE KEY_FILE"
_VERSIONS = ("tls1.2", "tls1.3")
_WITHOUT_EFFECT = ("ciphers", "curves", "alpn", "key_type")
_LACKING = (
    "ca",
    "ca_root",
    "client_auth",
    "dns",
    "dns_challenge_override_domain",
    "dns_ttl",
    "eab",
    "force_automate",
    "get_certificate",
    "insecure_secrets_log",
    "issuer",
    "load",
    "on_demand",
    "propagation_delay",
    "propagation_timeout",
    "renewal_window_ratio",
    "resolvers",
    "reuse_private_keys",
)


def parse_tls(segment: Directive, scope: Scope) -> TlsSpec:
    """Read ``tls CERTIFICATE KEY { protocols MIN [MAX] }``; it takes no matcher."""
    words = expect(segment, 0, 2, _USAGE)
    if len(words) == 1:
        _refuse_one_word(segment)
    minimum = _VERSIONS[0]
    for option in segment.block or ():
        if option.word == "protocols":
            minimum = _minimum(option)
        elif option.word in _WITHOUT_EFFECT:
            scope.warn(option.name, f"option {option.word} of tls has no effect here")
        elif option.word in _LACKING:
            raise option.error(f"option {option.word} of tls is known but not supported")
        else:
            raise unknown(option.name, "option of tls", ("protocols", *_WITHOUT_EFFECT, *_LACKING))
    if not words:
        raise segment.error(
            f"tls without files is known but not supported, none are obtained here; write: {_USAGE}"
        )
    return TlsSpec(segment, words[0], words[1], minimum)


def _refuse_one_word(segment: Directive) -> None:
    word = segment.words[0]
    if word in ("internal", "force_automate") or "@" in word:
        raise segment.args[0].error(
            f"tls {word} is known but not supported: certificates are not obtained here; write: {_USAGE}"
        )
    raise segment.args[0].error(f"tls {word}: the key file is missing; write: {_USAGE}")


def _minimum(option: Directive) -> str:
    expect(option, 1, 2, "protocols tls1.2 [tls1.3]")
    versions = [choice(token, "TLS version", _VERSIONS) for token in option.args]
    return versions[0]
