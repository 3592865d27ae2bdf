"""What a Caddyfile lets happen before a path's go_handler: compiled once, asked for each request.

The lane may serve a path only where nothing but matchers and ``abort`` stands before its go_handler.
The matchers are the very objects that the site itself evaluates; whenever one of them leads to
anything else than the go_handler, the request is the site's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from tornado_realtime.errors import HandlerError
from tornado_realtime.realtime import Realtime
from tornado_realtime.site.directives.flow import AbortStep, GroupStep, HandlePathStep
from tornado_realtime.site.directives.go_handler import GoHandlerStep
from tornado_realtime.site.directives.static import RootStep
from tornado_realtime.site.matchers import MatcherSet, PathMatcher, Test
from tornado_realtime.site.plan import Route, ServerPlan, VirtualHost
from tornado_realtime.site.request import SiteRequest

# What a matcher's repr shows when it looks at variables, files or placeholders.
_NEEDS_THE_CHAIN = ("FileMatcher", "Vars", "{")


@dataclass(slots=True)
class LaneSubject:
    """What matchers look at in the lane: a request nobody has changed yet."""

    request: SiteRequest
    vars: dict[str, Any]
    error: HandlerError | None = None


class _End(Enum):
    """How a node ends the walk."""

    GROUP = auto()
    SERVE = auto()
    SITE = auto()


@dataclass(frozen=True, slots=True)
class _Node:
    """One route that a request for this path may reach."""

    end: _End
    test: Test | None = None
    group: str = ""
    inner: tuple[_Node, ...] = ()
    realtime: Realtime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Host:
    test: Test | None
    nodes: tuple[_Node, ...]


@dataclass(frozen=True, slots=True)
class Guard:
    """Decides for one path of one server.

    Attributes:
        hosts: Its sites in match order.
        shut: Why the lane never serves this path; empty when it may.
        only: The instance that every request for this path reaches, when no request can tell otherwise.
    """

    hosts: tuple[_Host, ...] = ()
    shut: str = ""
    only: Realtime | None = None

    def admits(self, subject: LaneSubject) -> Realtime | None:
        """The instance whose go_handler this request reaches; None when the site must decide."""
        for host in self.hosts:
            if host.test is None or host.test(subject):
                found = _walk(host.nodes, subject)
                return found if isinstance(found, Realtime) else None
        return None


def open_guard(realtime: Realtime) -> Guard:
    """The guard of a listener that serves nothing but this instance."""
    return Guard(only=realtime)


def _walk(nodes: Sequence[_Node], subject: LaneSubject) -> Realtime | _End | None:
    """What the nodes lead to: an instance, or the site; None when all of them pass the request on."""
    taken: set[str] = set()
    for node in nodes:
        if node.group in taken or not (node.test is None or node.test(subject)):
            continue
        if node.group:
            taken.add(node.group)
        if node.end is _End.SERVE:
            return node.realtime
        if node.end is _End.SITE:
            return _End.SITE
        found = _walk(node.inner, subject)
        if found is not None:
            return found
    return None


def compile_guards(
    server: ServerPlan,
    realtime_of: Callable[[GoHandlerStep], Realtime],
    paths: Callable[[Realtime], Sequence[str]],
) -> Mapping[str, Guard]:
    """A guard for each path of each go_handler that this server can reach.

    Args:
        server: The compiled plan of one server.
        realtime_of: The instance of a go_handler.
        paths: The paths of an instance that the lane knows.
    """
    steps = [step for host in server.hosts for step in _go_handlers(host.site.routes)]
    wanted = {path for step in steps for path in paths(realtime_of(step))}
    return {path: _compile(server, path, realtime_of) for path in sorted(wanted)}


def _go_handlers(routes: Sequence[Route]) -> list[GoHandlerStep]:
    found: list[GoHandlerStep] = []
    for route in routes:
        if isinstance(route.step, GoHandlerStep):
            found.append(route.step)
        elif isinstance(route.step, GroupStep):
            found += _go_handlers(route.step.routes)
    return found


def _compile(server: ServerPlan, path: str, realtime_of: Callable[[GoHandlerStep], Realtime]) -> Guard:
    hosts: list[_Host] = []
    for host in server.hosts:
        if host.site.logs:
            return Guard(shut="its access log is written by the site")
        nodes = _nodes(host.site.routes, path, realtime_of)
        reason = _shut_by(nodes)
        if reason:
            return Guard(shut=reason)
        hosts.append(_Host(_host_test(host), nodes))
    return Guard(tuple(hosts), only=_only(hosts))


def _host_test(host: VirtualHost) -> Test | None:
    return host.matches if host.matchers else None


def _nodes(
    routes: Sequence[Route], path: str, realtime_of: Callable[[GoHandlerStep], Realtime]
) -> tuple[_Node, ...]:
    """The routes that a request for this path may reach, those that cannot match it left out."""
    nodes: list[_Node] = []
    for route in routes:
        test: Test | None = route.matcher.matches if route.matcher is not None else None
        if route.matcher is not None and _is_static(route.matcher):
            if not route.matcher.matches(_bare_subject(path)):
                continue
            test = None
        node = _node(route, test, path, realtime_of)
        if node is not None:
            nodes.append(node)
            if test is None and node.end is not _End.GROUP:
                break
    return tuple(nodes)


def _node(
    route: Route, test: Test | None, path: str, realtime_of: Callable[[GoHandlerStep], Realtime]
) -> _Node | None:
    step, name = route.step, route.step.directive.word
    if test is not None and route.matcher is not None and _needs_the_chain(route.matcher):
        return _Node(
            _End.SITE, None, route.group, reason=f"a matcher of {name} looks at more than the request"
        )
    if isinstance(step, GoHandlerStep):
        realtime = realtime_of(step)
        end = _End.SERVE if realtime.serves(path) else _End.SITE
        return _Node(end, test, route.group, realtime=realtime)
    if isinstance(step, AbortStep):
        return _Node(_End.SITE, test, route.group, reason="" if test is not None else "abort")
    if isinstance(step, RootStep):
        # It sets a variable that no matcher here may look at; nothing of it can be seen.
        return None
    if isinstance(step, GroupStep) and not isinstance(step, HandlePathStep):
        return _Node(_End.GROUP, test, route.group, _nodes(step.routes, path, realtime_of))
    return _Node(_End.SITE, test, route.group, reason=f"{name} ({step.directive.file}:{step.directive.line})")


def _is_static(matcher: MatcherSet) -> bool:
    """Whether the path alone decides."""
    return all(
        isinstance(one, PathMatcher) and not any("{" in pattern for pattern in one.patterns)
        for one in matcher.matchers
    )


def _needs_the_chain(matcher: MatcherSet) -> bool:
    text = repr(matcher.matchers)
    return any(mark in text for mark in _NEEDS_THE_CHAIN)


def _bare_subject(path: str) -> LaneSubject:
    request = SiteRequest("GET", path, "", None, "HTTP/1.1", "", "", "", 0, "", 0, "GET", path, "")  # type: ignore[arg-type]
    return LaneSubject(request, {})


def _shut_by(nodes: Sequence[_Node]) -> str:
    """The step that every request for this path ends in before it can reach a go_handler; empty if none."""
    for node in nodes:
        if node.end is _End.SERVE:
            return ""
        if node.end is _End.SITE and node.test is None:
            return f"{node.reason} comes before go_handler" if node.reason else ""
        if node.end is _End.GROUP and node.test is None:
            reason = _shut_by(node.inner)
            if reason or any(inner.end is _End.SERVE and inner.test is None for inner in node.inner):
                return reason
    return ""


def _only(hosts: Sequence[_Host]) -> Realtime | None:
    """The instance that is reached whatever the request says; None if that depends on it."""
    if len(hosts) != 1 or hosts[0].test is not None:
        return None
    nodes: Sequence[_Node] = hosts[0].nodes
    while len(nodes) >= 1 and nodes[0].test is None:
        if nodes[0].end is _End.SERVE:
            return nodes[0].realtime
        if nodes[0].end is _End.SITE:
            return None
        nodes = nodes[0].inner
    return None
