"""Directives that change what is asked for, invisibly to the visitor: rewrite, uri, try_files, method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tornado_realtime.caddyfile.directive import Directive, Token
from tornado_realtime.errors import ConfigError
from tornado_realtime.site.arguments import (
    choice,
    converted,
    expect,
    integer,
    no_block,
    one_word,
    unknown,
    wrong_count,
)
from tornado_realtime.site.filematch import POLICIES, FileMatcher
from tornado_realtime.site.matchers import MatcherSet
from tornado_realtime.site.plan import Kit, Route, Step
from tornado_realtime.site.regexps import Regexp
from tornado_realtime.site.rewrite import (
    ChangeQuery,
    QueryChange,
    QueryVerb,
    ReplacePattern,
    ReplaceText,
    Rewrite,
    SetMethod,
    StripPrefix,
    StripSuffix,
)
from tornado_realtime.site.scope import Scope

if TYPE_CHECKING:
    from tornado_realtime.site.exchange import Handler

FOUND_FILE = "{http.matchers.file.relative}"
"""The target of a rewrite to the file that a file matcher has found."""


@dataclass(frozen=True, slots=True)
class RewriteStep(Step):
    """``rewrite``: another path and query.

    Attributes:
        uri: With placeholders. What it lacks stays: without ``?`` the query, with only ``?...`` the path.
            A path that comes out of a placeholder is not encoded yet.
    """

    uri: str = ""

    def modules(self) -> list[str]:
        """``rewrite``."""
        return ["rewrite"]

    def build(self, kit: Kit) -> Handler:
        """Changes path and query."""
        return Rewrite(self.uri)


def parse_rewrite(segment: Directive, scope: Scope) -> Route:
    """Read ``rewrite [matcher] TO``; a lone argument is never a matcher."""
    no_block(segment)
    matcher, target = two_word_form(segment, scope, "rewrite [MATCHER] TO")
    return Route(RewriteStep(segment, target), matcher)


def two_word_form(segment: Directive, scope: Scope, usage: str) -> tuple[MatcherSet | None, str]:
    """The matcher and the value of a directive whose only argument is the value, even ``/x``.

    Raises:
        ConfigError: When there are not one or two arguments, or the first of two is no matcher.
    """
    words = expect(segment, 1, 2, usage)
    if len(words) == 1:
        return None, words[0]
    matcher, rest = scope.split_matcher(segment)
    if len(rest.args) != 1:
        raise segment.args[0].error(f"{words[0]} is no matcher (*, /path or @name); write: {usage}")
    return matcher, words[1]


@dataclass(frozen=True, slots=True)
class MethodStep(Step):
    """``method``: another request method, with placeholders."""

    method: str = ""

    def modules(self) -> list[str]:
        """``rewrite``."""
        return ["rewrite"]

    def build(self, kit: Kit) -> Handler:
        """Changes the method."""
        return SetMethod(self.method)


def parse_method(segment: Directive, scope: Scope) -> Step:
    """Read ``method [matcher] METHOD``."""
    return MethodStep(segment, one_word(segment, "method [MATCHER] METHOD"))


@dataclass(frozen=True, slots=True)
class QueryOp:
    """One change of the query; keys and values have placeholders.

    Attributes:
        action: ``set``, ``add``, ``delete``, ``rename`` (value is the new key), ``replace``.
        key: The key; ``*`` for every key in replace.
        value: New value, new key, or the replacement.
        search: For replace: what is replaced in its values.
    """

    action: str
    key: str
    value: str = ""
    search: Regexp | None = None

    @property
    def change(self) -> QueryChange:
        """What does it at run time."""
        search = self.search.pattern if self.search is not None else ""
        return QueryChange(QueryVerb(self.action), self.key, self.value, search)


@dataclass(frozen=True, slots=True)
class UriStep(Step):
    """``uri``: change parts of path or query.

    Attributes:
        action: ``strip_prefix``, ``strip_suffix`` (of the path), ``replace`` (in path and query),
            ``path_regexp``, ``query``.
        find: What is stripped or replaced, with placeholders.
        replacement: For replace and path_regexp; there with ``$1`` for captures.
        limit: For replace: at most so many; 0 for all.
        regexp: For path_regexp.
        queries: For query.
    """

    action: str = ""
    find: str = ""
    replacement: str = ""
    limit: int = 0
    regexp: Regexp | None = None
    queries: tuple[QueryOp, ...] = ()

    def modules(self) -> list[str]:
        """``rewrite``."""
        return ["rewrite"]

    def build(self, kit: Kit) -> Handler:
        """Changes path or query."""
        if self.action == "query":
            return ChangeQuery([op.change for op in self.queries])
        if self.regexp is not None:
            return ReplacePattern(self.regexp.pattern, self.replacement)
        if self.action == "replace":
            return ReplaceText(self.find, self.replacement, self.limit)
        return StripPrefix(self.find) if self.action == "strip_prefix" else StripSuffix(self.find)


def parse_uri(segment: Directive, scope: Scope) -> Step:
    """Read ``uri [matcher] strip_prefix|strip_suffix|replace|path_regexp|query ...``."""
    if not segment.args:
        raise wrong_count(segment, f"uri [MATCHER] {'|'.join(_ACTIONS)} ...")
    action = choice(segment.args[0], "uri operation", _ACTIONS)
    if action != "query":
        no_block(segment)
    return _ACTIONS[action](segment)


def _strip(segment: Directive) -> Step:
    action, find = expect(segment, 2, 2, f"uri [MATCHER] {segment.words[0]} TEXT")
    return UriStep(segment, action, find)


def _replace(segment: Directive) -> Step:
    words = expect(segment, 3, 4, "uri [MATCHER] replace FIND REPLACEMENT [LIMIT]")
    limit = integer(segment.args[3]) if len(words) == 4 else 0
    return UriStep(segment, "replace", words[1], words[2], max(limit, 0))


def _path_regexp(segment: Directive) -> Step:
    words = expect(segment, 3, 3, "uri [MATCHER] path_regexp EXPRESSION REPLACEMENT")
    return UriStep(segment, "path_regexp", words[1], words[2], regexp=converted(segment.args[1], Regexp))


def _query(segment: Directive) -> Step:
    if len(segment.args) > 4:
        raise _bad_query(segment.args[0])
    if len(segment.args) > 1:
        no_block(segment)
        return UriStep(segment, "query", queries=(_query_op(segment.args[1:]),))
    for line in segment.block or ():
        no_block(line)
    return UriStep(
        segment, "query", queries=tuple(_query_op((line.name, *line.args)) for line in segment.block or ())
    )


def _query_op(tokens: tuple[Token, ...]) -> QueryOp:
    key, values = tokens[0].text, [token.text for token in tokens[1:]]
    if key.startswith("-") and not values:
        return QueryOp("delete", key.lstrip("-"))
    if key.startswith("+") and len(values) == 1:
        return QueryOp("add", key.lstrip("+"), values[0])
    if ">" in key and not key.startswith(("-", "+")) and not values:
        old, _, new = key.partition(">")
        return QueryOp("rename", old, new)
    if key.startswith(("-", "+")) or ">" in key or not 1 <= len(values) <= 2:
        raise _bad_query(tokens[0])
    if len(values) == 2:
        return QueryOp("replace", key, values[1], converted(tokens[1], Regexp))
    return QueryOp("set", key, values[0])


def _bad_query(token: Token) -> ConfigError:
    return token.error(
        "wrong arguments after uri query; write KEY VALUE, +KEY VALUE, -KEY, OLD>NEW or KEY FIND NEW"
    )


_ACTIONS: dict[str, Callable[[Directive], Step]] = {
    "strip_prefix": _strip,
    "strip_suffix": _strip,
    "replace": _replace,
    "path_regexp": _path_regexp,
    "query": _query,
}


@dataclass(frozen=True, slots=True)
class TryFilesStep(Step):
    """``try_files``: rewrite to the first file that exists.

    Attributes:
        routes: Rewrites, each when its files are found; of these only the first.
    """

    routes: tuple[Route, ...] = ()

    def modules(self) -> list[str]:
        """``rewrite`` for each."""
        return ["rewrite"] * len(self.routes)

    def build(self, kit: Kit) -> Handler:
        """A chain of its routes."""
        return kit.chain(self.routes)


def parse_try_files(segment: Directive, scope: Scope) -> Route:
    """Read ``try_files FILE... { policy POLICY }``; it takes no matcher."""
    expect(segment, 1, None, "try_files FILE... (without a matcher)")
    policy = ""
    for option in segment.block or ():
        if option.word != "policy":
            raise unknown(option.name, "option of try_files", ("policy",))
        if policy:
            raise option.error("the policy of try_files is given twice")
        one_word(option, "policy POLICY")
        policy = choice(option.args[0], "try_files policy", POLICIES)
    return Route(TryFilesStep(segment, tuple(_try_routes(segment, policy or "first_exist"))))


def _try_routes(segment: Directive, policy: str) -> list[Route]:
    """One rewrite for each run of files without a query of their own, and one for each file with one."""
    routes: list[Route] = []
    plain: list[str] = []
    for word in segment.words:
        path, mark, query = word.partition("?")
        if not mark:
            plain.append(word)
            continue
        if plain:
            routes.append(_try_route(segment, tuple(plain), policy, ""))
        plain = []
        routes.append(_try_route(segment, (path,), policy, f"?{query}"))
    return [*routes, _try_route(segment, tuple(plain), policy, "")] if plain else routes


def _try_route(segment: Directive, files: tuple[str, ...], policy: str, query: str) -> Route:
    matcher = MatcherSet((FileMatcher(files, policy=policy),))
    return Route(RewriteStep(segment, FOUND_FILE + query), matcher, "try_files")
