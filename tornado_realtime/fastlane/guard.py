"""What a Caddyfile lets happen before a go_handler: compiled once, asked for each request.

The lane may serve a path only where nothing but matchers and ``abort`` stands before its go_handler.
The matchers are the very objects that the site itself evaluates; whenever one of them leads to
anything else than the go_handler, the request is the site's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from tornado_realtime.realtime import Realtime
from tornado_realtime.site.directives.flow import GroupStep, HandlePathStep
from tornado_realtime.site.directives.go_handler import GoHandlerStep
from tornado_realtime.site.directives.static import RootStep
from tornado_realtime.site.matchers import (
    AddressMatcher,
    HeaderMatcher,
    HeaderRegexpMatcher,
    HostMatcher,
    MatcherSet,
    NotMatcher,
    ProtocolMatcher,
    Test,
)
from tornado_realtime.site.plan import Route, ServerPlan, Step, VirtualHost
from tornado_realtime.site.reach import OF_THE_LINE, BareSubject, decided, has_no_placeholder, request_line

# Decided by the head and the socket's peer.
_OF_THE_HEAD = (HeaderMatcher, HeaderRegexpMatcher, HostMatcher, AddressMatcher, ProtocolMatcher)


@dataclass(frozen=True, slots=True)
class Purpose:
    """One kind of request that the lane knows.

    Attributes:
        path: Compared as it was sent.
        is_upgrade: WebSocket handshakes by GET; else publishing by POST.
    """

    path: str
    is_upgrade: bool

    @property
    def method(self) -> str:
        """The method of such a request."""
        return "GET" if self.is_upgrade else "POST"

    def served_by(self, realtime: Realtime) -> bool:
        """Whether this is what the path is for in this instance."""
        return self.path == (realtime.socket_path if self.is_upgrade else realtime.publish_path)


class _End(Enum):
    """How a node ends the walk."""

    GROUP = auto()
    SERVE = auto()
    SITE = auto()


@dataclass(frozen=True, slots=True)
class _Node:
    """One route that a request may reach."""

    end: _End
    test: Test | None = None
    group: str = ""
    inner: tuple[_Node, ...] = ()
    realtime: Realtime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Host:
    """One site: its test, and what is in it; without nodes it is the site that decides."""

    test: Test | None
    nodes: tuple[_Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Guard:
    """Decides for one purpose on one server.

    Attributes:
        hosts: Its sites in match order.
        only: The instance that every request reaches, when nothing in a request can tell otherwise.
    """

    hosts: tuple[_Host, ...] = ()
    only: Realtime | None = None

    def admits(self, subject: BareSubject) -> Realtime | None:
        """The instance whose go_handler this request reaches; None when the site must decide."""
        for host in self.hosts:
            if host.test is None or host.test(subject):
                found = _walk(host.nodes, subject)
                return found if isinstance(found, Realtime) else None
        return None


def _walk(nodes: Sequence[_Node], subject: BareSubject) -> Realtime | _End | None:
    """What the nodes lead to: an instance, or the site; None when all of them pass the request on."""
    taken: set[str] = set()
    for node in nodes:
        if node.group in taken or not (node.test is None or node.test(subject)):
            continue
        if node.group:
            taken.add(node.group)
        found = _walk(node.inner, subject) if node.end is _End.GROUP else node.realtime or node.end
        if found is not None:
            return found
    return None


def compile_guard(
    server: ServerPlan, purpose: Purpose, realtime_of: Callable[[GoHandlerStep], Realtime]
) -> tuple[Guard | None, list[str]]:
    """The guard of one purpose.

    Args:
        server: The compiled plan of one server.
        purpose: What is asked for.
        realtime_of: The instance of a go_handler.

    Returns:
        The guard, None when no request can get past it; and for the start-up log, for each site that
        serves the purpose but not in the lane, why.
    """
    compiler = _Compiler(purpose, realtime_of)
    hosts, reasons = [], []
    for host in server.hosts:
        nodes, reason = compiler.site(host)
        hosts.append(_Host(host.matches if host.matchers else None, nodes))
        if reason:
            whose = f" of {host.names[0]}" if host.names else ""
            reasons.append(f"{purpose.path}{whose}: {reason}")
    is_open = any(host.nodes for host in hosts)
    return (Guard(tuple(hosts), _only(hosts)) if is_open else None), reasons


@dataclass(frozen=True, slots=True)
class _Compiler:
    """Leaves out of a plan what a request for this purpose can never reach."""

    purpose: Purpose
    realtime_of: Callable[[GoHandlerStep], Realtime]

    @property
    def line(self) -> BareSubject:
        """What every such request begins with."""
        return request_line(self.purpose.method, self.purpose.path)

    def site(self, host: VirtualHost) -> tuple[tuple[_Node, ...], str]:
        """The nodes of a site; none if no request gets to a go_handler, and then, if one is there, why."""
        if not self._has_door(host.site.routes):
            return (), _moved(host.site.routes)
        if host.site.logs:
            return (), "the site writes its access log"
        if not all(map(_is_plain, host.matchers)):
            return (), "the site's address has placeholders"
        nodes = self.nodes(host.site.routes)
        return (nodes, "") if _leads_to_door(nodes) else ((), _first_reason(nodes))

    def _has_door(self, routes: Sequence[Route]) -> bool:
        """Whether a go_handler may be reached, other steps left aside."""
        for route in routes:
            step = route.step
            if decided(route.matcher, self.line) is False:
                continue
            if isinstance(step, GoHandlerStep) and self.purpose.served_by(self.realtime_of(step)):
                return True
            if isinstance(step, GroupStep) and self._has_door(step.routes):
                return True
        return False

    def nodes(self, routes: Sequence[Route]) -> tuple[_Node, ...]:
        """The routes that a request may reach."""
        nodes: list[_Node] = []
        taken: set[str] = set()
        for route in routes:
            verdict = decided(route.matcher, self.line)
            if verdict is False or route.group in taken:
                continue
            if verdict and route.group:
                taken.add(route.group)
            node = self._node(route, None if verdict else route.matcher)
            if node is not None:
                nodes.append(node)
                if node.test is None and node.end is not _End.GROUP:
                    break
        return tuple(nodes)

    def _node(self, route: Route, matcher: MatcherSet | None) -> _Node | None:
        """What becomes of a route; None if nothing of it can be seen."""
        step = route.step
        if isinstance(step, RootStep):
            # It sets a variable that no matcher here may look at.
            return None
        if matcher is not None and not _is_plain(matcher):
            reason = f"the matcher of {_place(step)} looks at more than the request's head"
            return _Node(_End.SITE, None, route.group, reason=reason)
        test = matcher.matches if matcher is not None else None
        if isinstance(step, GoHandlerStep):
            return self._door(self.realtime_of(step), test, route.group)
        if isinstance(step, GroupStep) and not isinstance(step, HandlePathStep):
            return _Node(_End.GROUP, test, route.group, self.nodes(step.routes))
        return _Node(_End.SITE, test, route.group, reason=f"{_place(step)} comes before go_handler")

    def _door(self, realtime: Realtime, test: Test | None, group: str) -> _Node | None:
        if self.purpose.served_by(realtime):
            return _Node(_End.SERVE, test, group, realtime=realtime)
        return _Node(_End.SITE, test, group) if realtime.serves(self.purpose.path) else None


def _is_plain(matcher: MatcherSet) -> bool:
    """Whether the head and the peer alone decide: no variables, files or placeholders."""
    return all(
        all(map(_is_plain, one.sets))
        if isinstance(one, NotMatcher)
        else isinstance(one, OF_THE_LINE + _OF_THE_HEAD) and has_no_placeholder(one)
        for one in matcher.matchers
    )


def _leads_to_door(nodes: Sequence[_Node]) -> bool:
    return any(node.end is _End.SERVE or _leads_to_door(node.inner) for node in nodes)


def _first_reason(nodes: Sequence[_Node]) -> str:
    """The first step that no request gets past."""
    for node in nodes:
        reason = _first_reason(node.inner) if node.end is _End.GROUP else node.reason
        if reason and (node.test is None or node.inner):
            return reason
    return ""


def _moved(routes: Sequence[Route]) -> str:
    """Why a go_handler is there, but under a path that the lane does not know; empty if none is there."""
    for route in routes:
        step = route.step
        if isinstance(step, HandlePathStep) and _go_handlers(step.routes):
            return f"{_place(step)} changes the path"
        if isinstance(step, GroupStep) and (reason := _moved(step.routes)):
            return reason
    return ""


def go_handlers(server: ServerPlan) -> list[GoHandlerStep]:
    """Every go_handler of a server's sites."""
    return [step for host in server.hosts for step in _go_handlers(host.site.routes)]


def _go_handlers(routes: Sequence[Route]) -> list[GoHandlerStep]:
    found: list[GoHandlerStep] = []
    for route in routes:
        if isinstance(route.step, GoHandlerStep):
            found.append(route.step)
        elif isinstance(route.step, GroupStep):
            found += _go_handlers(route.step.routes)
    return found


def _place(step: Step) -> str:
    return f"{step.directive.word} ({step.directive.file}:{step.directive.line})"


def _only(hosts: Sequence[_Host]) -> Realtime | None:
    """The instance that is reached whatever the request says; None if that depends on it."""
    if len(hosts) != 1 or hosts[0].test is not None:
        return None
    nodes: Sequence[_Node] = hosts[0].nodes
    while nodes and nodes[0].test is None:
        if nodes[0].end is not _End.GROUP:
            return nodes[0].realtime
        nodes = nodes[0].inner
    return None
