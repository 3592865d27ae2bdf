"""A block of a site while it is read: the matchers seen in it, and how its directives are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tornado_realtime.caddyfile.directive import Directive, Token
from tornado_realtime.site.addresses import BindSpec
from tornado_realtime.site.arguments import unknown
from tornado_realtime.site.logspec import LogSpec
from tornado_realtime.site.matcher_parser import inline_path, parse_definition
from tornado_realtime.site.matchers import MatcherSet
from tornado_realtime.site.order import SortKey, sort_routes
from tornado_realtime.site.plan import Route, Step, TlsSpec


@dataclass(frozen=True, slots=True)
class ErrorRoute:
    """One ``handle_errors`` block: its route, run when a step of the site failed."""

    route: Route


Item = Route | ErrorRoute | TlsSpec | LogSpec | BindSpec
"""What one directive becomes: a route of its block, or something for the whole site."""

Parser = Callable[[Directive, "Scope"], Item]
StepParser = Callable[[Directive, "Scope"], Step]

_GROUPS = frozenset(("handle", "rewrite", "root"))


@dataclass(frozen=True, slots=True)
class Scope:
    """What is known while the directives of one block are read.

    Attributes:
        parsers: How to read each directive, by name.
        order: Directive names, first to last.
        matchers: The named matchers that can be used, with their @.
        warnings: Collected for the start-up log, each ``FILE:LINE: message``.
        place: Name of the directive whose block this is; empty for the site itself.
    """

    parsers: Mapping[str, Parser]
    order: tuple[str, ...]
    matchers: Mapping[str, MatcherSet] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    place: str = ""

    def warn(self, token: Token, message: str) -> None:
        """Note something for the start-up log."""
        self.warnings.append(f"{token.file}:{token.line}: {message}")

    def enter(self, segments: Iterable[Directive], place: str = "") -> Scope:
        """The scope of a block: everything known here and the matchers defined there.

        Raises:
            ConfigError: When a matcher is wrong or defined for the second time.
        """
        matchers = dict(self.matchers)
        for segment in segments:
            if segment.word.startswith("@"):
                if segment.word in matchers:
                    raise segment.error(f"matcher {segment.word} is defined twice")
                matchers[segment.word] = parse_definition(segment)
        return replace(self, matchers=matchers, place=place)

    def items(self, segments: Iterable[Directive]) -> list[Item]:
        """Read the directives of this block in file order, leaving matcher definitions out.

        Raises:
            ConfigError: For the first one that is wrong.
        """
        return [self.read(segment) for segment in segments if not segment.word.startswith("@")]

    def read(self, segment: Directive) -> Item:
        """Read one directive.

        Raises:
            ConfigError: When it is not known or wrong.
        """
        parser = self.parsers.get(segment.word)
        if parser is None:
            raise unknown(segment.name, "directive", self.parsers)
        return parser(segment, self)

    def block(self, segment: Directive, *, in_order: bool = True) -> tuple[Route, ...]:
        """The routes of a segment's own block.

        Args:
            segment: With a block, or with none at all, which counts as an empty one.
            in_order: Whether they are sorted; otherwise they stay as written.

        Raises:
            ConfigError: For the first directive that is wrong, or cannot stand in a block.
        """
        segments = segment.block or ()
        inner = self.enter(segments, segment.word)
        routes = [inner._route(line, inner.read(line)) for line in segments if not line.word.startswith("@")]
        return inner.arranged(routes, in_order=in_order)

    def _route(self, segment: Directive, item: Item) -> Route:
        if not isinstance(item, Route):
            raise segment.error(
                f"{segment.word} is not allowed inside {self.place}: it belongs to the site itself"
            )
        return item

    def arranged(self, routes: Sequence[Route], *, in_order: bool = True) -> tuple[Route, ...]:
        """The routes of one block in the order in which they are tried, put into their groups.

        Raises:
            ConfigError: When a directive has no place in the order.
        """
        if in_order:
            for route in routes:
                self._check_order(route)
            routes = sort_routes(routes, sort_key, self.order)
        return tuple(_grouped(route) for route in routes)

    def _check_order(self, route: Route) -> None:
        directive = route.step.directive
        if _sort_name(route) not in self.order:
            raise directive.error(
                f"directive {directive.word} has no place in the order: put it into a route block, "
                f"or give it a place with the global option order"
            )

    def split_matcher(self, segment: Directive) -> tuple[MatcherSet | None, Directive]:
        """Take the matcher off a segment, when its first argument is one.

        Returns:
            The matcher (None for none and for ``*``) and the segment without that argument.

        Raises:
            ConfigError: When it names a matcher that is not defined here.
        """
        first = segment.args[0] if segment.args else None
        if first is None or not (first.text == "*" or first.text.startswith(("/", "@"))):
            return None, segment
        return self.matcher(first), replace(segment, args=segment.args[1:])

    def matcher(self, token: Token) -> MatcherSet | None:
        """The conditions that a matcher argument stands for; None for ``*``.

        Raises:
            ConfigError: When it is a name that is not defined here.
        """
        if token.text == "*":
            return None
        if token.text.startswith("/"):
            return inline_path(token)
        if token.text not in self.matchers:
            raise unknown(token, "matcher", self.matchers)
        return self.matchers[token.text]


def _sort_name(route: Route) -> str:
    name = route.step.directive.word
    return "handle" if name == "handle_path" else name


def sort_key(route: Route) -> SortKey:
    """What the place of a route in its block depends on."""
    matcher = route.matcher
    return SortKey(
        _sort_name(route),
        matcher is not None,
        matcher.single_path if matcher else "",
        single=matcher is not None or not route.step.is_sequence,
    )


def _grouped(route: Route) -> Route:
    name = _sort_name(route)
    return replace(route, group=name) if name in _GROUPS else route


def handler(parse: StepParser) -> Parser:
    """The parser of an ordinary handler directive: an optional matcher, then what ``parse`` reads."""

    def parser(segment: Directive, scope: Scope) -> Route:
        matcher, rest = scope.split_matcher(segment)
        return Route(parse(rest, scope), matcher)

    return parser
