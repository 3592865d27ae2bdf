"""Directives that change headers: header (of the answer), request_header."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tornado_realtime.caddyfile.directive import Directive, Token
from tornado_realtime.site.arguments import converted, flag, no_block, wrong_count
from tornado_realtime.site.headers import ChangeRequest, ChangeResponse, FieldChange, Verb
from tornado_realtime.site.plan import Kit, Step
from tornado_realtime.site.regexps import Regexp
from tornado_realtime.site.response_match import ResponseMatcher, parse_response_matcher
from tornado_realtime.site.scope import Scope

if TYPE_CHECKING:
    from tornado_realtime.site.exchange import Handler

_USAGE = "[+-?>]FIELD [VALUE [REPLACEMENT]]"


@dataclass(frozen=True, slots=True)
class HeaderOp:
    """One change of a header field; values have placeholders.

    Attributes:
        action: ``set`` (overwrite), ``add`` (one more line), ``delete``, ``default`` (set when there is
            none), ``replace`` (parts of each line).
        field: Its name; for ``delete`` with ``*`` at one or both ends for several.
        value: For set, add and default.
        search: For replace: what is replaced.
        replacement: For replace: by what, with ``$1`` for captures.
    """

    action: str
    field: str
    value: str = ""
    search: Regexp | None = None
    replacement: str = ""

    @property
    def change(self) -> FieldChange:
        """What does it at run time."""
        if self.search is not None:
            return FieldChange(Verb.REPLACE, self.field, self.replacement, self.search.pattern)
        return FieldChange(_VERBS[self.action], self.field, self.value)


_VERBS = {"set": Verb.SET, "add": Verb.ADD, "delete": Verb.DELETE, "default": Verb.DEFAULT}


def parse_header_op(words: Sequence[Token], *, for_response: bool) -> tuple[HeaderOp, bool]:
    """Read field, value and replacement.

    Returns:
        The change, and whether it has to wait until the head goes out.

    Raises:
        ConfigError: When it makes no sense for a request, or the expression is wrong.
    """
    first = words[0]
    field, value = first.text.removesuffix(":"), words[1].text if len(words) > 1 else ""
    if field.startswith("+"):
        return HeaderOp("add", field[1:], value), False
    if field.startswith("-"):
        return HeaderOp("delete", field[1:]), True
    if field.startswith("?"):
        if not for_response:
            raise first.error(f"{field}: ? is for headers of the answer only; use a matcher instead")
        return HeaderOp("default", field[1:], value), True
    deferred = field.startswith(">")
    if len(words) > 2:
        search = converted(words[1], Regexp)
        return HeaderOp("replace", field.lstrip("+-?>"), search=search, replacement=words[2].text), deferred
    return HeaderOp("set", field.removeprefix(">"), value), deferred


def parse_header_line(line: Directive, *, for_response: bool) -> tuple[HeaderOp, bool]:
    """Read a line of which the first word is the field; see :func:`parse_header_op`.

    Raises:
        ConfigError: When there are too many words or a block.
    """
    no_block(line)
    if len(line.args) > 2:
        raise wrong_count(line, _USAGE)
    return parse_header_op((line.name, *line.args), for_response=for_response)


@dataclass(frozen=True, slots=True)
class HeaderStep(Step):
    """``header``: change the headers of the answer.

    Attributes:
        ops: In file order.
        deferred: Whether to wait until the head goes out, so that headers of later handlers are changed too;
            otherwise set and add happen at once. ``default`` always waits.
        only_for: Which answers; None for all. With it everything waits.
    """

    ops: tuple[HeaderOp, ...] = ()
    deferred: bool = False
    only_for: ResponseMatcher | None = None

    def modules(self) -> list[str]:
        """``headers`` once for all but the defaults, and once for each default."""
        defaults = sum(op.action == "default" for op in self.ops)
        has_others = self.deferred or self.only_for is not None or defaults < len(self.ops)
        return ["headers"] * (defaults + has_others)

    def build(self, kit: Kit) -> Handler:
        """Changes the answer's headers."""
        only_for = self.only_for.matches if self.only_for is not None else None
        return ChangeResponse([op.change for op in self.ops], self.deferred, only_for)


def parse_header(segment: Directive, scope: Scope) -> Step:
    """Read ``header [matcher] FIELD [VALUE [REPLACEMENT]]`` or ``header [matcher] { ... }``."""
    if len(segment.args) > 3:
        raise wrong_count(segment, f"header [MATCHER] {_USAGE}")
    pairs = [parse_header_op(segment.args, for_response=True)] if segment.args else []
    deferred, only_for = False, None
    for line in segment.block or ():
        if line.word == "defer":
            deferred = flag(line)
        elif line.word == "match":
            only_for = parse_response_matcher(line)
        elif segment.args:
            raise line.error("header takes its fields either on its line or in its block, not both")
        else:
            pairs.append(parse_header_line(line, for_response=True))
    if not pairs and not deferred:
        scope.warn(segment.name, "header without a field does nothing")
    deferred = deferred or any(waits for op, waits in pairs if op.action != "default")
    return HeaderStep(segment, tuple(op for op, _ in pairs), deferred, only_for)


@dataclass(frozen=True, slots=True)
class RequestHeaderStep(Step):
    """``request_header``: change a header of the request for the handlers that follow."""

    op: HeaderOp = HeaderOp("set", "")

    def modules(self) -> list[str]:
        """``headers``."""
        return ["headers"]

    def build(self, kit: Kit) -> Handler:
        """Changes the request's header."""
        return ChangeRequest([self.op.change])


def parse_request_header(segment: Directive, scope: Scope) -> Step:
    """Read ``request_header [matcher] FIELD [VALUE [REPLACEMENT]]``."""
    no_block(segment)
    if not 1 <= len(segment.args) <= 3:
        raise wrong_count(segment, "request_header [MATCHER] [+-]FIELD [VALUE [REPLACEMENT]]")
    return RequestHeaderStep(segment, parse_header_op(segment.args, for_response=False)[0])
