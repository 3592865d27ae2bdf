"""Matchers: conditions on a request. A set holds when all of its matchers hold.

Each kind is a frozen value that says what was written (:class:`Matcher`); its :meth:`~Matcher.test` is the
function that judges requests, made once when the configuration is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from tornado_realtime.peers import Network, is_within
from tornado_realtime.site.globs import compile_glob
from tornado_realtime.site.paths import clean_path, normal_path, normal_raw_path
from tornado_realtime.site.placeholders import Subject, as_text, expand
from tornado_realtime.site.regexps import Regexp

__all__ = ["Matcher", "MatcherSet", "Subject", "Test"]

Test = Callable[[Subject], bool]


class Matcher:
    """One kind of condition in a set; the subclasses are frozen dataclasses.

    Attributes:
        kind: Its name in a Caddyfile.
        cost: When several are tested, those of least cost go first.
    """

    __slots__ = ()
    kind = ""
    cost = 1

    def test(self) -> Test:
        """The function that judges a request."""
        raise NotImplementedError


def always(subject: Subject) -> bool:
    """The test of a set without matchers."""
    return True


@dataclass(frozen=True, slots=True)
class MatcherSet:
    """Conditions that all have to hold; none hold always.

    Attributes:
        matchers: One for each kind, in file order.
        name: As in ``@name``, with the @; empty for an inline path.
    """

    matchers: tuple[Matcher, ...] = ()
    name: str = ""
    matches: Test = field(init=False, repr=False, compare=False)
    """Whether all of them hold for a request."""

    def __post_init__(self) -> None:
        tests = [matcher.test() for matcher in sorted(self.matchers, key=lambda matcher: matcher.cost)]
        object.__setattr__(self, "matches", _all_of(tests))

    @property
    def single_path(self) -> str:
        """The path when there is exactly one path pattern, else empty; what sorting looks at."""
        paths = next((matcher.patterns for matcher in self.matchers if isinstance(matcher, PathMatcher)), ())
        return paths[0] if len(paths) == 1 else ""


def _all_of(tests: list[Test]) -> Test:
    if not tests:
        return always
    if len(tests) == 1:
        return tests[0]

    def every(subject: Subject) -> bool:
        for test in tests:  # noqa: SIM110 - a generator costs more than the tests
            if not test(subject):
                return False
        return True

    return every


def _any_of(tests: list[Test]) -> Test:
    if len(tests) == 1:
        return tests[0]
    return lambda subject: any(test(subject) for test in tests)


@dataclass(frozen=True, slots=True)
class PathMatcher(Matcher):
    """``path``: the request path is one of these patterns, letter case and ``//`` aside."""

    patterns: tuple[str, ...]
    kind = "path"

    def test(self) -> Test:
        """See the module's documentation."""
        return _any_of([path_test(pattern) for pattern in self.patterns])


def path_test(pattern: str) -> Test:
    """The test for one path pattern."""
    if "{" in pattern:
        return lambda subject: path_test(expand(pattern, subject, "empty").lower())(subject)
    pattern = pattern.lower()
    if pattern == "*":
        return always
    merge = "//" not in pattern
    if "%" in pattern:
        return _glob_test(pattern, normal_raw_path, merge, with_escapes=True)
    return _wildcard_test(pattern, merge) or _glob_test(pattern, normal_path, merge, with_escapes=False)


def _wildcard_test(pattern: str, merge: bool) -> Test | None:
    """Contains, suffix, prefix and equality; None when the pattern needs a glob."""
    stars, core = pattern.count("*"), pattern.strip("*")
    if stars == 2 and pattern == f"*{core}*":
        return lambda subject: core in normal_path(subject.request.target, merge)
    if stars == 1 and pattern.startswith("*"):
        return lambda subject: normal_path(subject.request.target, merge).endswith(core)
    if stars == 1 and pattern.endswith("*"):
        return lambda subject: normal_path(subject.request.target, merge).startswith(core)
    if not any(char in pattern for char in "*?[\\"):
        return lambda subject: normal_path(subject.request.target, merge) == pattern
    return None


def _glob_test(pattern: str, normal: Callable[[str, bool], str], merge: bool, *, with_escapes: bool) -> Test:
    try:
        glob = compile_glob(pattern, with_escapes)
    except (
        ValueError
    ):  # only a placeholder's value can bring this here: patterns are checked when they are read
        return lambda subject: False
    return lambda subject: glob.matches(normal(subject.request.target, merge))


@dataclass(frozen=True, slots=True)
class HeaderMatcher(Matcher):
    """``header``: for each field, one of its lines has one of the values; None: there is no such field."""

    fields: tuple[tuple[str, tuple[str, ...] | None], ...]
    kind = "header"

    def test(self) -> Test:
        """See the module's documentation."""
        return _all_of([_header_test(name, values) for name, values in self.fields])


def header_lines(subject: Subject, name: str) -> list[str]:
    """The values of a field, one for each line; ``Host`` is the host that was asked for."""
    if name.lower() == "host":
        return [subject.request.host] if subject.request.host else []
    return subject.request.headers.get_list(name)


def _header_test(name: str, values: tuple[str, ...] | None) -> Test:
    if values is None:
        return lambda subject: not header_lines(subject, name)
    tests = [_value_test(value) for value in values]
    return lambda subject: any(test(subject, line) for line in header_lines(subject, name) for test in tests)


def _value_test(pattern: str) -> Callable[[Subject, str], bool]:
    if "{" in pattern:
        return lambda subject, line: _value_test(expand(pattern, subject, "empty"))(subject, line)
    core = pattern.removeprefix("*").removesuffix("*")
    if pattern == "*":
        return lambda subject, line: True
    if pattern.startswith("*") and pattern.endswith("*"):
        return lambda subject, line: core in line
    if pattern.startswith("*"):
        return lambda subject, line: line.endswith(core)
    if pattern.endswith("*"):
        return lambda subject, line: line.startswith(core)
    return lambda subject, line: line == pattern


@dataclass(frozen=True, slots=True)
class MethodMatcher(Matcher):
    """``method``: the request's method is one of these."""

    methods: tuple[str, ...]
    kind = "method"
    cost = 0

    def test(self) -> Test:
        """See the module's documentation."""
        methods = frozenset(self.methods)
        return lambda subject: subject.request.method in methods


@dataclass(frozen=True, slots=True)
class HostMatcher(Matcher):
    """``host``: the host that was asked for, without port, is one of these; ``*`` is one whole label."""

    hosts: tuple[str, ...]
    kind = "host"
    cost = 0

    def test(self) -> Test:
        """See the module's documentation."""
        exact = frozenset(host.lower() for host in self.hosts if not set(host) & set("{*"))
        fuzzy = [_host_test(host) for host in self.hosts if set(host) & set("{*")]

        def judge(subject: Subject) -> bool:
            name = subject.request.host_name
            return name in exact or any(test(subject, name) for test in fuzzy)

        return judge


def _host_test(pattern: str) -> Callable[[Subject, str], bool]:
    if "{" in pattern:
        return lambda subject, name: _host_test(expand(pattern, subject, "empty"))(subject, name)
    labels = pattern.lower().split(".")

    def judge(subject: Subject, name: str) -> bool:
        parts = name.split(".")
        return len(parts) == len(labels) and all(
            label in ("*", part) for label, part in zip(labels, parts, strict=True)
        )

    return judge


@dataclass(frozen=True, slots=True)
class QueryMatcher(Matcher):
    """``query``: each key has one of its values, ``*`` for any; no key at all: the query is empty."""

    pairs: tuple[tuple[str, tuple[str, ...]], ...]
    kind = "query"

    def test(self) -> Test:
        """See the module's documentation."""
        if not self.pairs:
            return lambda subject: not parse_qs(subject.request.query, keep_blank_values=True)
        return self._matches_pairs

    def _matches_pairs(self, subject: Subject) -> bool:
        # A raw semicolon is read differently by different parsers; who sends one is up to something.
        if ";" in subject.request.query:
            return False
        sent = parse_qs(subject.request.query, keep_blank_values=True)
        return all(_query_has(subject, sent, key, values) for key, values in self.pairs)


def _query_has(subject: Subject, sent: dict[str, list[str]], key: str, values: tuple[str, ...]) -> bool:
    found = sent.get(expand(key, subject, "empty"))
    if found is None:
        return False
    wanted = [expand(value, subject, "empty") for value in values]
    return "*" in wanted or any(value in wanted for value in found)


@dataclass(frozen=True, slots=True)
class AddressMatcher(Matcher):
    """``remote_ip`` (the socket's peer) and ``client_ip`` (behind trusted proxies): in these networks."""

    networks: tuple[Network, ...]
    peer_only: bool

    @property
    def kind(self) -> str:  # type: ignore[override]
        """Its name in a Caddyfile."""
        return "remote_ip" if self.peer_only else "client_ip"

    def test(self) -> Test:
        """See the module's documentation."""
        networks = self.networks
        if self.peer_only:
            return lambda subject: is_within(subject.request.peer, networks)
        return lambda subject: is_within(subject.request.client_ip, networks)


@dataclass(frozen=True, slots=True)
class ProtocolMatcher(Matcher):
    """``protocol``: ``http``, ``https``, ``grpc``, or a version such as ``http/1.1`` or ``http/1.0+``."""

    protocol: str
    kind = "protocol"
    cost = 0

    def test(self) -> Test:
        """See the module's documentation."""
        protocol = self.protocol
        if protocol == "grpc":
            return lambda subject: subject.request.headers.get("Content-Type", "").startswith(
                "application/grpc"
            )
        if protocol in ("http", "https"):
            return lambda subject: subject.request.scheme == protocol
        if protocol.endswith("+"):
            return lambda subject: subject.request.version.lower() >= protocol[:-1]
        return lambda subject: subject.request.version.lower() == protocol


@dataclass(frozen=True, slots=True)
class NotMatcher(Matcher):
    """``not``: none of these sets holds."""

    sets: tuple[MatcherSet, ...]
    kind = "not"
    cost = 2

    def test(self) -> Test:
        """See the module's documentation."""
        tests = [one.matches for one in self.sets]
        return lambda subject: not any(test(subject) for test in tests)


@dataclass(frozen=True, slots=True)
class NamedRegexp:
    """A regular expression and the name under which its captures are kept; empty for none."""

    name: str
    regexp: Regexp

    def search(self, subject: Subject, text: str) -> bool:
        """Look for it in a text; keep the captures as ``re.NAME.N`` and ``re.N`` when it is there."""
        found = self.regexp.search(text)
        if found is None:
            return False
        for key, value in found.captures():
            subject.vars[f"re.{key}"] = value
            if self.name:
                subject.vars[f"re.{self.name}.{key}"] = value
        return True


@dataclass(frozen=True, slots=True)
class PathRegexpMatcher(Matcher):
    """``path_regexp``: found in the request path, decoded and cleaned, letter case kept."""

    regexp: NamedRegexp
    kind = "path_regexp"
    cost = 3

    def test(self) -> Test:
        """See the module's documentation."""
        search = self.regexp.search
        return lambda subject: search(subject, clean_path(subject.request.path))


@dataclass(frozen=True, slots=True)
class HeaderRegexpMatcher(Matcher):
    """``header_regexp``: for each field, found in one of its lines."""

    fields: tuple[tuple[str, NamedRegexp], ...]
    kind = "header_regexp"
    cost = 3

    def test(self) -> Test:
        """See the module's documentation."""
        return _all_of([_header_regexp_test(name, regexp) for name, regexp in self.fields])


def _header_regexp_test(name: str, regexp: NamedRegexp) -> Test:
    return lambda subject: any(regexp.search(subject, line) for line in header_lines(subject, name))


@dataclass(frozen=True, slots=True)
class VarsMatcher(Matcher):
    """``vars``: one of the variables (or placeholders) has one of its values."""

    variables: tuple[tuple[str, tuple[str, ...]], ...]
    kind = "vars"

    def test(self) -> Test:
        """See the module's documentation."""
        return _any_of([_variable_test(name, values) for name, values in self.variables])


def variable(subject: Subject, name: str) -> str:
    """A variable's value as text, or what a placeholder stands for."""
    if name.startswith("{") and name.endswith("}"):
        return expand(name, subject, "empty")
    return as_text(subject.vars.get(name))


def _variable_test(name: str, values: Iterable[str]) -> Test:
    return lambda subject: variable(subject, name) in [expand(value, subject, "empty") for value in values]


@dataclass(frozen=True, slots=True)
class VarsRegexpMatcher(Matcher):
    """``vars_regexp``: found in each of the variables."""

    variables: tuple[tuple[str, NamedRegexp], ...]
    kind = "vars_regexp"
    cost = 3

    def test(self) -> Test:
        """See the module's documentation."""
        return _any_of([_variable_regexp_test(name, regexp) for name, regexp in self.variables])


def _variable_regexp_test(name: str, regexp: NamedRegexp) -> Test:
    return lambda subject: regexp.search(subject, variable(subject, name))
