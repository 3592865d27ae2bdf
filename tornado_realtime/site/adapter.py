"""From a parsed Caddyfile to a plan: options, sites, and the servers that the sites' addresses ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from tornado_realtime.caddyfile.directive import Directive, Document, Site
from tornado_realtime.site.addresses import BindSpec, parse_address
from tornado_realtime.site.directives import DIRECTIVES
from tornado_realtime.site.logspec import LogSpec
from tornado_realtime.site.options import parse_options
from tornado_realtime.site.plan import Plan, Route, SitePlan, TlsSpec
from tornado_realtime.site.scope import ErrorRoute, Item, Scope
from tornado_realtime.site.servers import SiteDraft, plan_servers
from tornado_realtime.site.shorthands import expand_directive

T = TypeVar("T")


def adapt(document: Document) -> Plan:
    """Make a plan of a parsed Caddyfile; nothing outside of it is looked at, no file and no socket.

    Raises:
        ConfigError: For the first thing that is wrong: options in file order, then site by site the matchers
            of a block before its directives, then addresses and ports.
    """
    warnings = list(document.warnings)
    root = Scope(DIRECTIVES, (), warnings=warnings)
    options = parse_options(document.options, root.warn)
    scope = Scope(DIRECTIVES, options.order, warnings=warnings)
    readings = [_read_site(site, scope) for site in document.sites]
    drafts = [_draft(site, reading, scope) for site, reading in zip(document.sites, readings, strict=True)]
    servers = plan_servers(drafts, options, scope.warn)
    return Plan(options, tuple(draft.site for draft in drafts), servers, tuple(warnings))


@dataclass(frozen=True, slots=True)
class _Reading:
    """A site after its directives were read, before its addresses are."""

    items: list[Item]
    names: tuple[str, ...]


def _read_site(site: Site, scope: Scope) -> _Reading:
    body = [expand_directive(segment) for segment in site.body]
    inner = scope.enter(body)
    return _Reading(inner.items(body), tuple(line.word for line in body if not line.word.startswith("@")))


def _draft(site: Site, reading: _Reading, scope: Scope) -> SiteDraft:
    routes = scope.arranged(_only(reading.items, Route))
    plan = SitePlan(
        addresses=tuple(parse_address(token) for token in site.addresses),
        routes=routes,
        errors=_errors(reading.items),
        logs=_only(reading.items, LogSpec),
        tls=_only(reading.items, TlsSpec),
        directives=reading.names,
        files=_files(site.body),
    )
    return SiteDraft(plan, _only(reading.items, BindSpec))


def _only(items: Iterable[Item], kind: type[T]) -> tuple[T, ...]:
    return tuple(item for item in items if isinstance(item, kind))


def _errors(items: Iterable[Item]) -> tuple[Route, ...]:
    routes = [item.route for item in _only(items, ErrorRoute)]
    return tuple(sorted(routes, key=lambda route: route.matcher is None))


def _files(segments: Iterable[Directive]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    _visit(
        segments,
        lambda segment: found.update(dict.fromkeys(token.file for token in (segment.name, *segment.args))),
    )
    return tuple(found)


def _visit(segments: Iterable[Directive], do: Callable[[Directive], None]) -> None:
    for segment in segments:
        do(segment)
        _visit(segment.block or (), do)
