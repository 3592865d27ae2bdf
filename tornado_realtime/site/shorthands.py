"""The short names of placeholders, ``{path}`` and the like, made long when a site is read."""

from __future__ import annotations

import re
from dataclasses import replace

from tornado_realtime.caddyfile.directive import Directive, Token

_FIXED = {
    "host": "http.request.host",
    "hostport": "http.request.hostport",
    "port": "http.request.port",
    "orig_method": "http.request.orig_method",
    "orig_uri": "http.request.orig_uri",
    "orig_path": "http.request.orig_uri.path",
    "orig_dir": "http.request.orig_uri.path.dir",
    "orig_file": "http.request.orig_uri.path.file",
    "orig_query": "http.request.orig_uri.query",
    "orig_?query": "http.request.orig_uri.prefixed_query",
    "method": "http.request.method",
    "uri": "http.request.uri",
    "%uri": "http.request.uri_escaped",
    "path": "http.request.uri.path",
    "%path": "http.request.uri.path_escaped",
    "dir": "http.request.uri.path.dir",
    "file": "http.request.uri.path.file",
    "query": "http.request.uri.query",
    "%query": "http.request.uri.query_escaped",
    "?query": "http.request.uri.prefixed_query",
    "remote": "http.request.remote",
    "remote_host": "http.request.remote.host",
    "remote_port": "http.request.remote.port",
    "scheme": "http.request.scheme",
    "uuid": "http.request.uuid",
    "tls_cipher": "http.request.tls.cipher_suite",
    "tls_version": "http.request.tls.version",
    "tls_client_fingerprint": "http.request.tls.client.fingerprint",
    "tls_client_issuer": "http.request.tls.client.issuer",
    "tls_client_serial": "http.request.tls.client.serial",
    "tls_client_subject": "http.request.tls.client.subject",
    "tls_client_certificate_pem": "http.request.tls.client.certificate_pem",
    "tls_client_certificate_der_base64": "http.request.tls.client.certificate_der_base64",
    "upstream_hostport": "http.reverse_proxy.upstream.hostport",
    "client_ip": "http.vars.client_ip",
}
_PREFIXES = {  # each followed by one name
    "header": "http.request.header",
    "cookie": "http.request.cookie",
    "labels": "http.request.host.labels",
    "path": "http.request.uri.path",
    "file": "http.request.uri.path.file",
    "query": "http.request.uri.query",
    "vars": "http.vars",
    "file_match": "http.matchers.file",
}
_DOTTED_PREFIXES = {  # each followed by a name that may have dots
    "re": "http.regexp",
    "rp": "http.reverse_proxy",
    "resp": "http.intercept",
    "err": "http.error",
}
_SHORTHAND = re.compile(
    "".join(
        (
            r"\{(?:(?P<fixed>",
            "|".join(re.escape(name) for name in _FIXED),
            r")|(?P<prefix>",
            "|".join(_PREFIXES),
            r")\.(?P<rest>[\w-]*)|(?P<dotted_prefix>",
            "|".join(_DOTTED_PREFIXES),
            r")\.(?P<dotted_rest>[\w.-]*))\}",
        )
    ),
    re.ASCII,
)


def expand_shorthands(text: str) -> str:
    """The text with every short placeholder name made long; anything else stays."""
    return _SHORTHAND.sub(_long_name, text) if "{" in text else text


def _long_name(found: re.Match[str]) -> str:
    if found["fixed"]:
        return f"{{{_FIXED[found['fixed']]}}}"
    if found["prefix"]:
        return f"{{{_PREFIXES[found['prefix']]}.{found['rest']}}}"
    return f"{{{_DOTTED_PREFIXES[found['dotted_prefix']]}.{found['dotted_rest']}}}"


def expand_directive(segment: Directive) -> Directive:
    """The segment with the shorthands replaced in all of its words, nested ones too."""
    block = None if segment.block is None else tuple(expand_directive(inner) for inner in segment.block)
    return Directive(_expand_token(segment.name), tuple(_expand_token(arg) for arg in segment.args), block)


def _expand_token(token: Token) -> Token:
    return replace(token, text=expand_shorthands(token.text)) if "{" in token.text else token
