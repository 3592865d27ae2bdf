"""What a request line decides before any request comes: which routes one with that line can get to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tornado_realtime.errors import HandlerError
from tornado_realtime.site.directives.flow import GroupStep, HandlePathStep
from tornado_realtime.site.directives.go_handler import GoHandlerStep
from tornado_realtime.site.matchers import (
    HeaderRegexpMatcher,
    Matcher,
    MatcherSet,
    MethodMatcher,
    NotMatcher,
    PathMatcher,
    PathRegexpMatcher,
    QueryMatcher,
)
from tornado_realtime.site.plan import Plan, Route, VirtualHost
from tornado_realtime.site.request import SiteRequest

# Decided by the request line alone, so once and for all.
OF_THE_LINE = (PathMatcher, PathRegexpMatcher, MethodMatcher, QueryMatcher)
# Their braces belong to the expression; everywhere else they are placeholders.
_REGEXPS = (PathRegexpMatcher, HeaderRegexpMatcher)


@dataclass(slots=True)
class BareSubject:
    """What matchers look at: a request nobody has changed yet."""

    request: SiteRequest
    vars: dict[str, Any]
    error: HandlerError | None = None


def request_line(method: str, path: str) -> BareSubject:
    """A request of which nothing but its line is known.

    Args:
        method: Its method.
        path: Its path as it is sent, without a query.
    """
    nothing: Any = None
    request = SiteRequest(method, path, "", nothing, "HTTP/1.1", "http", "", "", 0, "", 0, method, path, "")
    return BareSubject(request, {})


def decided(matcher: MatcherSet | None, line: BareSubject) -> bool | None:
    """What a matcher says of every request with this line; None if that depends on the rest of it."""
    if matcher is None:
        return True
    verdicts = [_decided(one, line) for one in matcher.matchers]
    if False in verdicts:
        return False
    return None if None in verdicts else True


def _decided(matcher: Matcher, line: BareSubject) -> bool | None:
    if isinstance(matcher, NotMatcher):
        verdicts = [decided(one, line) for one in matcher.sets]
        if True in verdicts:
            return False
        return None if None in verdicts else True
    if isinstance(matcher, OF_THE_LINE) and has_no_placeholder(matcher):
        return matcher.test()(line)
    return None


def has_no_placeholder(matcher: Matcher) -> bool:
    """Whether the words of a matcher mean the same for every request."""
    return isinstance(matcher, _REGEXPS) or "{" not in repr(matcher)


@dataclass(frozen=True, slots=True)
class OutOfReach:
    """A go_handler that no request for a path gets to.

    Attributes:
        step: The go_handler.
        path: As a client would have to ask, outside of every ``handle_path``.
        barrier: What stands before it, in words.
    """

    step: GoHandlerStep
    path: str
    barrier: str


def out_of_reach(plan: Plan, path: str) -> list[OutOfReach]:
    """The go_handlers whose matchers let no ``GET`` of a path through, on none of the servers, in file order.

    What else stands before a go_handler is not looked at: whoever answers a path there wants that.

    Args:
        plan: The whole plan.
        path: As the go_handler sees it.
    """
    found: dict[int, OutOfReach | None] = {}
    for server in plan.servers:
        for host in server.hosts:
            for chain in _chains(host.site.routes):
                key = id(chain[-1].step.directive)
                if found.get(key, True) is not None:
                    found[key] = _barred(host, chain, path)
    return sorted(filter(None, found.values()), key=_place)


def _place(found: OutOfReach) -> tuple[str, int]:
    return found.step.directive.file, found.step.directive.line


def _chains(routes: Sequence[Route], above: tuple[Route, ...] = ()) -> Iterator[tuple[Route, ...]]:
    """For each go_handler the routes that lead to it, from the outermost to its own."""
    for route in routes:
        chain = (*above, route)
        if isinstance(route.step, GoHandlerStep):
            yield chain
        elif isinstance(route.step, GroupStep):
            yield from _chains(route.step.routes, chain)


def _barred(host: VirtualHost, chain: Sequence[Route], path: str) -> OutOfReach | None:
    """What keeps requests for ``path`` from the go_handler at the end of ``chain``; None if nothing does."""
    barrier = ""
    for route in reversed(chain):
        if isinstance(route.step, HandlePathStep):
            path = route.step.prefix + path
        if route.matcher is not None and decided(route.matcher, request_line("GET", path)) is False:
            barrier = _name(route.matcher)
    line = request_line("GET", path)
    if host.matchers and all(decided(matcher, line) is False for matcher in host.matchers):
        barrier = "the site's address"
    step = chain[-1].step
    assert isinstance(step, GoHandlerStep)
    return OutOfReach(step, path, barrier) if barrier else None


def _name(matcher: MatcherSet) -> str:
    """How a matcher is called in the file; one without a name is a single path."""
    return matcher.name or f"the path {matcher.single_path}"
