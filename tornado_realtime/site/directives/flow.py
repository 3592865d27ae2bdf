"""Directives that group others or end a request: handle, handle_path, route, abort, error, handle_errors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tornado_realtime.caddyfile.directive import Directive, Token
from tornado_realtime.errors import HandlerError
from tornado_realtime.site.arguments import expect, no_block, one_word, unknown, wrong_count
from tornado_realtime.site.matcher_parser import inline_path
from tornado_realtime.site.matchers import Matcher, MatcherSet, Subject, Test
from tornado_realtime.site.paths import strip_prefix
from tornado_realtime.site.placeholders import expand
from tornado_realtime.site.plan import Kit, Route, Step
from tornado_realtime.site.scope import ErrorRoute, Scope

if TYPE_CHECKING:
    from tornado_realtime.site.exchange import Exchange, Handler, Next


@dataclass(frozen=True, slots=True)
class GroupStep(Step):
    """``handle`` and ``route``: a block of routes; what follows it is reached when nothing in it answers."""

    routes: tuple[Route, ...] = ()

    def modules(self) -> list[str]:
        """Those of its routes."""
        return [name for route in self.routes for name in route.step.modules()]

    def build(self, kit: Kit) -> Handler:
        """A chain of its routes."""
        return kit.chain(self.routes)


def parse_handle(segment: Directive, scope: Scope) -> Step:
    """Read ``handle [matcher] { ... }``."""
    _only_matcher(segment)
    return GroupStep(segment, scope.block(segment))


def parse_route(segment: Directive, scope: Scope) -> Step:
    """Read ``route [matcher] { ... }``, whose directives stay in file order."""
    _only_matcher(segment)
    return GroupStep(segment, scope.block(segment, in_order=False))


def _only_matcher(segment: Directive) -> None:
    if segment.args:
        raise wrong_count(segment, f"{segment.word} [MATCHER] {{ ... }}")


@dataclass(frozen=True, slots=True)
class HandlePathStep(GroupStep):
    """``handle_path``: a block of routes that see the path without a prefix.

    Attributes:
        prefix: Decoded; what is taken off.
    """

    prefix: str = ""

    def modules(self) -> list[str]:
        """A rewrite, then those of its routes."""
        return ["rewrite", *GroupStep.modules(self)]

    def build(self, kit: Kit) -> Handler:
        """A chain of its routes that begins by taking the prefix off."""
        chain = kit.chain(self.routes)

        async def handle(exchange: Exchange, next_step: Next) -> None:
            prefix = expand(self.prefix, exchange, "empty")
            exchange.request.target = strip_prefix(exchange.request.target, prefix)
            await chain(exchange, next_step)

        return handle


def parse_handle_path(segment: Directive, scope: Scope) -> Route:
    """Read ``handle_path /path/* { ... }``."""
    if len(segment.args) != 1:
        raise wrong_count(segment, "handle_path /PATH/* { ... }")
    path = segment.args[0]
    if not path.text.startswith("/"):
        raise path.error(f"handle_path needs a path that begins with /, not {path.text}")
    prefix = (
        path.text.removesuffix("*").removesuffix("/")
        if path.text.endswith("/*")
        else path.text.removesuffix("*")
    )
    rest = replace(segment, args=())
    return Route(HandlePathStep(rest, scope.block(rest), prefix), inline_path(path))


@dataclass(frozen=True, slots=True)
class AbortStep(Step):
    """``abort``: close the connection without any answer."""

    def modules(self) -> list[str]:
        """``abort``."""
        return ["abort"]

    def build(self, kit: Kit) -> Handler:
        """Closes the connection."""

        async def handle(exchange: Exchange, next_step: Next) -> None:
            exchange.abort()

        return handle


def parse_abort(segment: Directive, scope: Scope) -> Step:
    """Read ``abort [matcher]``."""
    no_block(segment)
    expect(segment, 0, 0, "abort [MATCHER]")
    return AbortStep(segment)


@dataclass(frozen=True, slots=True)
class ErrorStep(Step):
    """``error``: fail with a status, as if a handler had.

    Attributes:
        status: 400..599 or a placeholder; ``500`` by default.
        message: For ``{err.message}`` and the log, with placeholders.
    """

    status: str = "500"
    message: str = ""

    def modules(self) -> list[str]:
        """``error``."""
        return ["error"]

    def build(self, kit: Kit) -> Handler:
        """Raises the error."""

        async def handle(exchange: Exchange, next_step: Next) -> None:
            status = expand(self.status, exchange, "empty")
            code = (
                int(status)
                if status.isascii() and status.isdigit() and 100 <= int(status[:6]) <= 999
                else 500
            )
            raise HandlerError(code, expand(self.message, exchange))

        return handle


def parse_error(segment: Directive, scope: Scope) -> Step:
    """Read ``error [matcher] [MESSAGE] STATUS { message TEXT }``."""
    words = expect(segment, 1, 2, "error [MATCHER] [MESSAGE] STATUS")
    message, status = words if len(words) == 2 else ("", words[0]) if is_status(words[0]) else (words[0], "")
    for option in segment.block or ():
        if option.word != "message":
            raise unknown(option.name, "option of error", ("message",))
        if message:
            raise option.error("the message of error is given twice")
        message = one_word(option, "message TEXT")
    return ErrorStep(segment, status or "500", message)


def is_status(word: str) -> bool:
    """Whether a lone argument is a status: three digits, not all of them zero."""
    return len(word) == 3 and word.isascii() and word.isdigit() and word != "000"


@dataclass(frozen=True, slots=True)
class StatusMatcher(Matcher):
    """The status that a request failed with is one of these; ``4xx`` means 400 to 499."""

    statuses: tuple[str, ...]
    kind = "status"
    cost = 0

    def test(self) -> Test:
        """See the class."""
        exact = frozenset(int(status) for status in self.statuses if not status.endswith("xx"))
        hundreds = frozenset(int(status[0]) for status in self.statuses if status.endswith("xx"))

        def judge(subject: Subject) -> bool:
            status = subject.error.status if subject.error is not None else 0
            return status in exact or status // 100 in hundreds

        return judge


def parse_handle_errors(segment: Directive, scope: Scope) -> ErrorRoute:
    """Read ``handle_errors [STATUS...] { ... }``."""
    statuses = tuple(_status_range(token) for token in segment.args)
    rest = replace(segment, args=())
    matcher = MatcherSet((StatusMatcher(statuses),)) if statuses else None
    return ErrorRoute(Route(GroupStep(rest, scope.block(rest)), matcher))


def _status_range(token: Token) -> str:
    word = token.text
    digits = word[:1] if word.endswith("xx") else word
    if len(word) != 3 or not (digits.isascii() and digits.isdigit()):
        raise token.error(f"{word} is no status: write 404 or 4xx")
    return word
