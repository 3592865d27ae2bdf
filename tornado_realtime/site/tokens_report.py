"""What ``adapt`` prints: the plan in a form for readers, and the words and handlers for comparisons."""

from __future__ import annotations

import dataclasses
from typing import Any

from tornado_realtime.caddyfile.directive import Directive, Document, Token
from tornado_realtime.site.matchers import Matcher, MatcherSet
from tornado_realtime.site.plan import Plan, Route, ServerPlan, SitePlan, Step


def tokens_report(document: Document, plan: Plan) -> dict[str, Any]:
    """What ``adapt --tokens`` prints.

    Returns:
        ``addresses`` and ``directives``: a list for each site in file order, as written, without options,
        matchers and nested directives. ``handlers``: the sorted plan, depth first, server by server and
        their sites in match order, under the names that Caddy gives to what it runs.
    """
    return {
        "addresses": [[address.text for address in site.addresses] for site in document.sites],
        "directives": [list(site.directives) for site in plan.sites],
        "handlers": [name for server in plan.servers for name in _handlers(server)],
    }


def _handlers(server: ServerPlan) -> list[str]:
    routes = [route for host in server.hosts for route in host.site.routes]
    errors = [route for host in server.hosts for route in host.site.errors]
    return [name for route in (*routes, *errors) for name in route.step.modules()]


def plan_report(plan: Plan) -> dict[str, Any]:
    """What plain ``adapt`` prints: servers, their sites and routes, with every default filled in.

    What may be secret (a broadcast_secret, password hashes) is shown as ``(hidden)``.
    """
    return {
        "options": _fields(plan.options),
        "servers": [_server(server) for server in plan.servers],
        "warnings": list(plan.warnings),
    }


def _server(server: ServerPlan) -> dict[str, Any]:
    return {
        "name": server.name,
        "listen": [str(listener) for listener in server.listeners],
        "tls": server.tls,
        "options": _fields(server.options),
        "sites": [
            {"match": [_matcher(one) for one in host.matchers], **_site(host.site)} for host in server.hosts
        ],
    }


def _site(site: SitePlan) -> dict[str, Any]:
    return {
        "addresses": [address.token.text for address in site.addresses],
        "routes": [_route(route) for route in site.routes],
        "errors": [_route(route) for route in site.errors],
        "logs": [_fields(log) for log in site.logs],
        "tls": [_fields(spec) for spec in site.tls],
    }


def _route(route: Route) -> dict[str, Any]:
    report: dict[str, Any] = {} if route.matcher is None else {"match": _matcher(route.matcher)}
    return report | {"directive": route.step.directive.word, **_step(route.step)}


def _step(step: Step) -> dict[str, Any]:
    return _fields(step)


def _matcher(matcher: MatcherSet) -> dict[str, Any]:
    report: dict[str, Any] = {"name": matcher.name} if matcher.name else {}
    for one in matcher.matchers:
        report[one.kind] = _fields(one)
    return report


def _fields(value: Any) -> dict[str, Any]:
    """The fields of a frozen value in plain words."""
    report: dict[str, Any] = {}
    for field in dataclasses.fields(value):
        content = getattr(value, field.name)
        if isinstance(content, Directive):
            report["at"] = f"{content.file}:{content.line}"
        elif field.repr:
            report[field.name] = _plain(content)
        elif field.init:
            report[field.name] = "(hidden)" if content else ""
    return report


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Token):
        return value.text
    if isinstance(value, MatcherSet):
        return _matcher(value)
    if isinstance(value, Route):
        return _route(value)
    if isinstance(value, Matcher):
        return {value.kind: _fields(value)}
    if isinstance(value, tuple | list | frozenset):
        return [_plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _fields(value)
    return str(value)
