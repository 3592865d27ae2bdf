"""Which sockets the sites share, which of them speak TLS, and in which order sites are tried."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tornado_realtime.site.addresses import Address, BindSpec, Listener, parse_bind_host, specificity
from tornado_realtime.site.logspec import Warn
from tornado_realtime.site.matchers import HostMatcher, Matcher, MatcherSet, PathMatcher
from tornado_realtime.site.options import GlobalOptions
from tornado_realtime.site.plan import ServerPlan, SitePlan, VirtualHost
from tornado_realtime.site.schemes import claims_of, speaks_tls
from tornado_realtime.site.server_options import ServerOptions


@dataclass(frozen=True, slots=True)
class SiteDraft:
    """A site and the hosts that its ``bind`` lines name."""

    site: SitePlan
    binds: tuple[BindSpec, ...] = ()


@dataclass(frozen=True, slots=True)
class _Share:
    """The part of a site that one listener serves: those of its addresses that have the listener's port."""

    site: SitePlan
    addresses: tuple[Address, ...]


def plan_servers(drafts: Sequence[SiteDraft], options: GlobalOptions, warn: Warn) -> tuple[ServerPlan, ...]:
    """Group the sites by the sockets they listen on.

    Raises:
        ConfigError: When a port contradicts a scheme or is both HTTP and HTTPS, or an address is there twice.
    """
    shares = _shares_by_listener(drafts, options)
    for draft in drafts:
        _warn_about_addresses(draft.site, warn)
    servers = [
        _server(number, listeners, parts, options, warn)
        for number, (listeners, parts) in enumerate(_joined(shares))
    ]
    return tuple(servers)


def _shares_by_listener(drafts: Iterable[SiteDraft], options: GlobalOptions) -> dict[Listener, list[_Share]]:
    found: dict[Listener, list[_Share]] = {}
    for draft in drafts:
        own: dict[Listener, list[Address]] = {}
        for address in draft.site.addresses:
            for listener in _listeners(address, draft, options):
                own.setdefault(listener, []).append(address)
        for listener, addresses in own.items():
            found.setdefault(listener, []).append(_Share(draft.site, tuple(addresses)))
    return found


def _listeners(address: Address, draft: SiteDraft, options: GlobalOptions) -> list[Listener]:
    port = address.listen_port(options.http_port, options.https_port)
    hosts = [host for bind in draft.binds or options.default_bind for host in bind.hosts]
    if not hosts:
        return [Listener("", port)]
    return list(dict.fromkeys(parse_bind_host(host, port) for host in hosts))


def _joined(shares: dict[Listener, list[_Share]]) -> list[tuple[list[Listener], list[_Share]]]:
    """Listeners that serve exactly the same become one server."""
    joined: dict[tuple[tuple[int, tuple[Address, ...]], ...], tuple[list[Listener], list[_Share]]] = {}
    for listener in sorted(shares, key=str):
        parts = shares[listener]
        key = tuple((id(part.site), part.addresses) for part in parts)
        joined.setdefault(key, ([], parts))[0].append(listener)
    return list(joined.values())


def _server(
    number: int, listeners: list[Listener], parts: list[_Share], options: GlobalOptions, warn: Warn
) -> ServerPlan:
    _refuse_same_address(parts)
    _warn_about_hidden(parts, warn)
    own = _own_options(listeners, options)
    return ServerPlan(
        name=own.name or f"srv{number}",
        listeners=tuple(listeners),
        hosts=tuple(_virtual_host(part) for part in sorted(parts, key=_match_order)),
        tls=speaks_tls(claims_of((part.site, part.addresses) for part in parts), options),
        certificates=tuple(dict.fromkeys(spec for part in parts for spec in part.site.tls)),
        options=own,
    )


def _own_options(listeners: Iterable[Listener], options: GlobalOptions) -> ServerOptions:
    names = {str(listener) for listener in listeners}
    fitting = (own for own in options.servers if own.address in ("", *names))
    return next(fitting, ServerOptions())


def _refuse_same_address(parts: Iterable[_Share]) -> None:
    seen: dict[str, SitePlan] = {}
    for part in parts:
        for address in part.addresses:
            first = seen.setdefault(address.token.text, part.site)
            if first is not part.site:
                raise address.token.error(
                    f"ambiguous site address {address.token.text}: another site has the same one "
                    f"({_place(first, address)})"
                )


def _place(site: SitePlan, address: Address) -> str:
    same = next(other for other in site.addresses if other.token.text == address.token.text)
    return f"{same.token.file}:{same.token.line}"


def _warn_about_hidden(parts: Iterable[_Share], warn: Warn) -> None:
    seen: dict[tuple[str, str], Address] = {}
    for part in parts:
        for address in part.addresses:
            first = seen.setdefault((address.host, address.path), address)
            if first.token.text != address.token.text:
                warn(
                    address.token,
                    f"address {address.token.text} asks for the same requests as {first.token.text} "
                    f"in {first.token.file}:{first.token.line}; only the first site gets them",
                )


def _warn_about_addresses(site: SitePlan, warn: Warn) -> None:
    for address in site.addresses:
        if address.path:
            warn(address.token, f"a path in a site address ({address.token.text}) is deprecated; use handle")
        if address.host in ("0.0.0.0", "::"):  # noqa: S104 - only compared
            warn(
                address.token,
                f"{address.token.text} serves only requests whose Host is {address.host}; to choose where "
                "to listen, use bind",
            )


def _match_order(part: _Share) -> tuple[int, bool, int, int]:
    """Most specific host first, wildcards after those without, sites without a host last."""
    host = max(specificity(address.host) for address in part.addresses)
    if host == 0:
        return 1, False, 0, 0
    fuzzy = any("*" in address.host or not address.host for address in part.addresses)
    longest = max((address.path for address in part.addresses), key=specificity)
    return 0, fuzzy, -host, -len(longest)


def _virtual_host(part: _Share) -> VirtualHost:
    by_path: dict[str, list[str]] = {}
    for address in part.addresses:
        by_path.setdefault(address.path, []).append(address.host)
    sets = [_selector(path, hosts) for path, hosts in by_path.items()]
    names = () if any(not address.host for address in part.addresses) else _hosts(part)
    matchers = () if any(not one.matchers for one in sets) else tuple(sets)
    return VirtualHost(part.site, part.addresses, names, matchers)


def _hosts(part: _Share) -> tuple[str, ...]:
    return tuple(dict.fromkeys(address.host for address in part.addresses))


def _selector(path: str, hosts: list[str]) -> MatcherSet:
    matchers: list[Matcher] = []
    if all(hosts):
        matchers.append(HostMatcher(tuple(dict.fromkeys(hosts))))
    if path:
        matchers.append(PathMatcher((path,)))
    return MatcherSet(tuple(matchers))
