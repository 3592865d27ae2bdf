"""Reading matchers: ``@name kind values``, ``@name { ... }``, and inline paths."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from tornado_realtime.caddyfile.directive import Directive, Token
from tornado_realtime.errors import ConfigError
from tornado_realtime.peers import Network
from tornado_realtime.site.arguments import choice, converted, expect, no_block, one_word, some_words, unknown
from tornado_realtime.site.filematch import POLICIES, FileMatcher
from tornado_realtime.site.globs import compile_glob
from tornado_realtime.site.matchers import (
    AddressMatcher,
    HeaderMatcher,
    HeaderRegexpMatcher,
    HostMatcher,
    Matcher,
    MatcherSet,
    MethodMatcher,
    NamedRegexp,
    NotMatcher,
    PathMatcher,
    PathRegexpMatcher,
    ProtocolMatcher,
    QueryMatcher,
    VarsMatcher,
    VarsRegexpMatcher,
)
from tornado_realtime.site.regexps import Regexp
from tornado_realtime.site.server_options import parse_networks

Lines = Sequence[Directive]
"""The lines of one kind within a set, each a segment whose name is the kind."""

PROTOCOLS = (
    "http",
    "https",
    "grpc",
    *(f"http/{version}{plus}" for version in ("1.0", "1.1", "2", "3") for plus in ("", "+")),
)


def parse_definition(segment: Directive) -> MatcherSet:
    """Read ``@name kind values`` or ``@name { kind values ... }``.

    Raises:
        ConfigError: When a kind is not known or its values are wrong.
    """
    lines = (segment.block or ()) if not segment.args else (_inner_line(segment),)
    return parse_set(lines, segment.word)


def _inner_line(segment: Directive) -> Directive:
    """What follows the first word of a segment, as a segment of its own."""
    if segment.args[0].quoted:
        raise _no_expressions(segment.args[0])
    return Directive(segment.args[0], segment.args[1:], segment.block)


def _no_expressions(token: Token) -> ConfigError:
    return token.error(
        "expression matchers are not supported; combine path, header, not and the like instead"
    )


def parse_set(lines: Iterable[Directive], name: str = "") -> MatcherSet:
    """Read the lines of a set; those of one kind belong together.

    Raises:
        ConfigError: When a kind is not known or its values are wrong.
    """
    by_kind: dict[str, list[Directive]] = {}
    for line in lines:
        _check_kind(line)
        by_kind.setdefault(line.word, []).append(line)
    return MatcherSet(tuple(_KINDS[kind](same, name) for kind, same in by_kind.items()), name)


def _check_kind(line: Directive) -> None:
    if line.word == "expression" or line.name.quoted:
        raise _no_expressions(line.name)
    if line.word in _LACKING:
        raise line.error(f"matcher {line.word} is known but not supported")
    if line.word not in _KINDS:
        raise unknown(line.name, "matcher", _KINDS)


def parse_path_pattern(token: Token) -> str:
    """A path pattern, checked.

    Raises:
        ConfigError: When its brackets or backslashes make no sense.
    """
    if "{" not in token.text:
        try:
            compile_glob(token.text.lower(), "%" in token.text)
        except ValueError as exc:
            raise token.error(f"path pattern {token.text}: {exc}") from exc
    return token.text


def inline_path(token: Token) -> MatcherSet:
    """The set that an argument such as ``/api/*`` stands for."""
    return MatcherSet((PathMatcher((parse_path_pattern(token),)),))


def _tokens(lines: Lines, usage: str) -> tuple[Token, ...]:
    for line in lines:
        some_words(line, usage)
    return tuple(token for line in lines for token in line.args)


def _path(lines: Lines, name: str) -> Matcher:
    return PathMatcher(tuple(parse_path_pattern(token) for token in _tokens(lines, "path PATTERN...")))


def _method(lines: Lines, name: str) -> Matcher:
    return MethodMatcher(tuple(token.text.upper() for token in _tokens(lines, "method GET POST")))


def _host(lines: Lines, name: str) -> Matcher:
    return HostMatcher(tuple(token.text for token in _tokens(lines, "host NAME...")))


def _header(lines: Lines, name: str) -> Matcher:
    return parse_header_matcher(lines)


def parse_header_matcher(lines: Lines) -> HeaderMatcher:
    """Read ``header FIELD VALUE`` and ``header !FIELD`` lines.

    Raises:
        ConfigError: When there are not exactly these words.
    """
    fields: dict[str, tuple[str, ...] | None] = {}
    for line in lines:
        no_block(line)
        field, value = _header_line(line)
        fields[field.lower()] = None if value is None else (*(fields.get(field.lower()) or ()), value)
    return HeaderMatcher(tuple(fields.items()))


def _header_line(line: Directive) -> tuple[str, str | None]:
    usage = "header FIELD VALUE, or header !FIELD"
    field = expect(line, 1, 2, usage)[0]
    if field.startswith("!"):
        if len(field) == 1:
            raise line.error("a field name is missing after ! in this header matcher")
        if len(line.args) == 2:
            raise line.error(f"header {field} means that there is no such field, so it takes no value")
        return field[1:], None
    return field, expect(line, 2, 2, usage)[1]


def _query(lines: Lines, name: str) -> Matcher:
    pairs: dict[str, tuple[str, ...]] = {}
    for line in lines:
        no_block(line)
        for token in line.args:
            if token.text:
                key, value = _query_pair(token)
                pairs[key] = (*pairs.get(key, ()), value)
    return QueryMatcher(tuple(pairs.items()))


def _query_pair(token: Token) -> tuple[str, str]:
    key, equals, value = token.text.partition("=")
    if not equals:
        raise token.error(f"query {token.text}: write KEY=VALUE, or KEY=* for any value")
    return key, value


def _addresses(lines: Lines, usage: str) -> tuple[Network, ...]:
    tokens = _tokens(lines, usage)
    for token in tokens:
        if token.text == "forwarded":
            raise token.error("forwarded is no longer supported; use the client_ip matcher instead")
    return tuple(network for token in tokens for network in parse_networks(token))


def _remote_ip(lines: Lines, name: str) -> Matcher:
    return AddressMatcher(_addresses(lines, "remote_ip NETWORK..."), True)


def _client_ip(lines: Lines, name: str) -> Matcher:
    return AddressMatcher(_addresses(lines, "client_ip NETWORK..."), False)


def _protocol(lines: Lines, name: str) -> Matcher:
    for line in lines:
        one_word(line, "protocol http|https|grpc|http/1.1")
        choice(line.args[0], "protocol", PROTOCOLS)
    return ProtocolMatcher(lines[-1].words[0])


def _not(lines: Lines, name: str) -> Matcher:
    return NotMatcher(tuple(_negated_set(line, name) for line in lines))


def _negated_set(line: Directive, name: str) -> MatcherSet:
    if line.args:
        return parse_set((_inner_line(line),), name)
    if not line.block:
        raise line.error("not needs a matcher: write not KIND VALUES, or not { ... }")
    return parse_set(line.block, name)


def _file(lines: Lines, name: str) -> Matcher:
    files: list[str] = []
    values: dict[str, object] = {}
    for line in lines:
        files += line.words
        for option in line.block or ():
            if option.word == "try_files":
                files += some_words(option, "try_files PATH...")
            else:
                values.update(_file_option(option))
    if files:
        values["try_files"] = tuple(files)
    return FileMatcher(**values)  # type: ignore[arg-type]


def _file_option(option: Directive) -> dict[str, object]:
    if option.word == "root":
        return {"root": one_word(option, "root PATH")}
    if option.word == "split_path":
        return {"split_path": some_words(option, "split_path .php")}
    if option.word == "try_policy":
        one_word(option, "try_policy POLICY")
        return {"policy": choice(option.args[0], "try_policy", POLICIES)}
    raise unknown(
        option.name, "option of the file matcher", ("root", "try_files", "try_policy", "split_path")
    )


def _path_regexp(lines: Lines, name: str) -> Matcher:
    if len(lines) > 1:
        raise lines[1].error("path_regexp can be used only once in a matcher")
    no_block(lines[0])
    expect(lines[0], 1, 2, "path_regexp [NAME] EXPRESSION")
    return PathRegexpMatcher(_named_regexp(lines[0].args, name))


def _named_regexp(tokens: Sequence[Token], name: str) -> NamedRegexp:
    """An expression, which may have its own name before it; else it has the matcher's."""
    own = tokens[0].text if len(tokens) == 2 else ""
    return NamedRegexp(own or name.removeprefix("@"), converted(tokens[-1], Regexp))


def _field_regexps(lines: Lines, name: str, usage: str) -> dict[str, NamedRegexp]:
    found: dict[str, NamedRegexp] = {}
    for line in lines:
        no_block(line)
        expect(line, 2, 3, usage)
        field = line.args[-2].text
        if field in found:
            raise line.error(f"{line.word} can be used only once for {field} in a matcher")
        found[field] = _named_regexp((*line.args[:-2], line.args[-1]), name)
    return found


def _header_regexp(lines: Lines, name: str) -> Matcher:
    fields = _field_regexps(lines, name, "header_regexp [NAME] FIELD EXPRESSION")
    return HeaderRegexpMatcher(tuple(fields.items()))


def _vars_regexp(lines: Lines, name: str) -> Matcher:
    variables = _field_regexps(lines, name, "vars_regexp [NAME] VARIABLE EXPRESSION")
    return VarsRegexpMatcher(tuple(variables.items()))


def _vars(lines: Lines, name: str) -> Matcher:
    variables: dict[str, tuple[str, ...]] = {}
    for line in lines:
        no_block(line)
        variable, *values = expect(line, 2, None, "vars VARIABLE VALUE...")
        variables[variable] = (*variables.get(variable, ()), *values)
    return VarsMatcher(tuple(variables.items()))


_KINDS: dict[str, Callable[[Lines, str], Matcher]] = {
    "path": _path,
    "path_regexp": _path_regexp,
    "header": _header,
    "header_regexp": _header_regexp,
    "method": _method,
    "host": _host,
    "query": _query,
    "remote_ip": _remote_ip,
    "client_ip": _client_ip,
    "protocol": _protocol,
    "not": _not,
    "file": _file,
    "vars": _vars,
    "vars_regexp": _vars_regexp,
}
_LACKING = ("tls",)
