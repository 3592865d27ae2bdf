"""Certificates: which one a TLS client gets, by the name it asks for."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path

from tornado_realtime.keyfiles import check_mode
from tornado_realtime.site.plan import ServerPlan, TlsSpec

_VERSIONS = {"tls1.2": ssl.TLSVersion.TLSv1_2, "tls1.3": ssl.TLSVersion.TLSv1_3}


def make_context(server: ServerPlan) -> ssl.SSLContext | None:
    """The TLS side of one server; None when it speaks plain HTTP.

    TLS 1.2 and above, or what ``protocols`` says; ciphers by the standard library's defaults. A client that
    names a site gets that site's certificate, every other the first one.

    Raises:
        ConfigError: A certificate or key cannot be used, with the place of its directive.
    """
    if not server.tls:
        return None
    contexts = {spec: _load(spec) for spec in server.certificates}
    default = next(iter(contexts.values()))
    by_name = {
        name.lower(): contexts[host.site.tls[0]]
        for host in server.hosts
        if host.site.tls
        for name in host.names
    }

    def choose(connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = _find(by_name, name) or default

    default.sni_callback = choose
    return default


def _find(by_name: Mapping[str, ssl.SSLContext], name: str | None) -> ssl.SSLContext | None:
    if name is None:
        return None
    lowered = name.lower()
    return by_name.get(lowered) or by_name.get("*." + lowered.partition(".")[2])


def _load(spec: TlsSpec) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[spec.minimum]
    try:
        check_mode(spec.key, Path(spec.key).stat().st_mode, is_secret=True)
    except OSError as error:
        raise spec.directive.error(f"key {spec.key} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise spec.directive.error(f"key {error}") from error
    try:
        context.load_cert_chain(spec.certificate, spec.key)
    except (OSError, ssl.SSLError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise spec.directive.error(
            f"certificate {spec.certificate} with key {spec.key} cannot be used: {reason}"
        ) from error
    return context
