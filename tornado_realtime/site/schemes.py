"""HTTP or HTTPS: what the addresses that share a port ask for, and whether they agree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tornado_realtime.errors import ConfigError
from tornado_realtime.site.addresses import Address
from tornado_realtime.site.options import GlobalOptions
from tornado_realtime.site.plan import Plan, ServerPlan, SitePlan


@dataclass(frozen=True, slots=True)
class Claim:
    """One address of a site that shares a port with others.

    Attributes:
        address: The address.
        site: Its site.
        tls_on_port: Whether any site of the port has a ``tls``.
    """

    address: Address
    site: SitePlan
    tls_on_port: bool

    def is_plain(self, options: GlobalOptions) -> bool:
        """Whether it says that it is plain HTTP."""
        return self.address.scheme == "http" or self.address.port == options.http_port

    def is_secure(self, options: GlobalOptions) -> bool:
        """Whether it is HTTPS beyond doubt."""
        return not self.is_plain(options) and (
            self.address.scheme == "https" or self.address.port == options.https_port or self.tls_on_port
        )

    def is_http(self, options: GlobalOptions) -> bool:
        """Whether it is HTTP beyond doubt: it says so, or has no host and nothing that speaks for HTTPS."""
        return self.is_plain(options) or (not self.address.host and not self.is_secure(options))

    def wants_https(self, options: GlobalOptions) -> bool:
        """Whether it is HTTPS when nothing speaks against it, as an address with a host is."""
        return not self.is_http(options)


def claims_of(shares: Iterable[tuple[SitePlan, Sequence[Address]]]) -> list[Claim]:
    """The claims of the sites that share a port."""
    pairs = [(address, site) for site, addresses in shares for address in addresses]
    tls_on_port = any(site.tls for _, site in pairs)
    return [Claim(address, site, tls_on_port) for address, site in pairs]


def speaks_tls(claims: Sequence[Claim], options: GlobalOptions) -> bool:
    """Whether the port is HTTPS.

    An address without a host (``:8080``) is plain HTTP, unless a site of its port has a ``tls``; one with a
    host (``localhost:8080``) is HTTPS, unless its port is the HTTP port.

    Raises:
        ConfigError: When some addresses are HTTP and others HTTPS beyond doubt.
    """
    for claim in claims:
        if claim.is_plain(options) and claim.tls_on_port:
            raise _tls_on_http(claim, claims)
    plain = next((claim for claim in claims if claim.is_http(options)), None)
    secure = next((claim for claim in claims if claim.is_secure(options)), None)
    if plain is not None and secure is not None:
        raise two_schemes(plain.address, secure.address)
    return any(claim.wants_https(options) for claim in claims)


def _tls_on_http(claim: Claim, claims: Sequence[Claim]) -> ConfigError:
    with_tls = next(one for one in claims if one.site.tls)
    return with_tls.site.tls[0].directive.error(
        f"tls on a port that is plain HTTP because of the address {claim.address.token.text}"
    )


def two_schemes(plain: Address, secure: Address) -> ConfigError:
    """The error for HTTP and HTTPS on one port, at the later of the two addresses."""
    later = max(plain.token, secure.token, key=lambda token: token.line)
    return later.error(
        f"one port cannot speak both HTTP ({plain.token.text}) and HTTPS ({secure.token.text}); "
        "write http:// or https:// in front of the addresses, or use two ports"
    )


def require_certificates(plan: Plan) -> None:
    """Refuse to serve TLS without certificates, which this server does not obtain by itself.

    Adapting passes without them, starting does not.

    Raises:
        ConfigError: For the first site of a TLS server that brings no certificate, or that is plain HTTP.
    """
    for server in plan.servers:
        if server.tls:
            _check_server(server, plan.options)


def _check_server(server: ServerPlan, options: GlobalOptions) -> None:
    claims = claims_of((host.site, host.addresses) for host in server.hosts)
    secure = next(claim for claim in claims if claim.wants_https(options))
    for claim in claims:
        if claim.is_http(options):
            raise two_schemes(claim.address, secure.address)
    for claim in claims:
        if not claim.site.tls:
            raise _no_certificate(claim.address)


def _no_certificate(address: Address) -> ConfigError:
    written = address.token.text
    return address.token.error(
        f"site {written} needs a certificate, and this server does not obtain any: write "
        f"http://{written.removeprefix('https://')} for plain HTTP, or tls CERTIFICATE KEY in the site"
    )
