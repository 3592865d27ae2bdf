from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar

import pytest

from tests.support.site_plans import plan_of, routes_of
from tornado_realtime.site.directives.access import BasicAuthStep
from tornado_realtime.site.directives.encode import EncodeStep
from tornado_realtime.site.directives.flow import ErrorStep, GroupStep, HandlePathStep
from tornado_realtime.site.directives.go_handler import GoHandlerStep
from tornado_realtime.site.directives.headers import HeaderStep, RequestHeaderStep
from tornado_realtime.site.directives.proxy import ReverseProxyStep
from tornado_realtime.site.directives.respond import RedirStep, RespondStep
from tornado_realtime.site.directives.rewrites import MethodStep, RewriteStep, TryFilesStep, UriStep
from tornado_realtime.site.directives.static import FileServerStep, RootStep
from tornado_realtime.site.directives.transports import FastcgiTransport, HttpTransport
from tornado_realtime.site.directives.vars import VarsStep
from tornado_realtime.site.filematch import FileMatcher
from tornado_realtime.site.plan import Step

S = TypeVar("S", bound=Step)


def step_of(body: str, kind: type[S]) -> S:
    step = routes_of(body)[0].step
    assert isinstance(step, kind)
    return step


def values(step: Any, *names: str) -> tuple[Any, ...]:
    assert set(names) <= {field.name for field in fields(step)}
    return tuple(getattr(step, name) for name in names)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("respond 404", ("", "404", False)),
        ("respond hello", ("hello", "", False)),
        ("respond hello 201", ("hello", "201", False)),
        ("respond * 4040", ("4040", "", False)),
        ('respond "" 204', ("", "204", False)),
        ("respond 200 {\nbody text\nclose\n}", ("text", "200", True)),
        ("respond 000", ("000", "", False)),
    ],
)
def test_respond(body: str, expected: tuple[str, str, bool]) -> None:
    assert values(step_of(body, RespondStep), "body", "status", "close") == expected


def test_respond_with_a_status_that_is_none_is_a_warning() -> None:
    plan = plan_of(":8080 {\nrespond hi there\n}\n")
    assert plan.warnings == ("Caddyfile:2: respond: 'there' is not a status, so the answer will be 500",)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("redir https://x", ("https://x", "302", False)),
        ("redir /a permanent", ("permanent", "302", False)),
        ("redir * /a permanent", ("/a", "301", False)),
        ("redir x 308", ("x", "308", False)),
        ("redir x {vars.code}", ("x", "{http.vars.code}", False)),
        ("redir x html", ("x", "200", True)),
    ],
)
def test_redir(body: str, expected: tuple[str, str, bool]) -> None:
    assert values(step_of(body, RedirStep), "to", "status", "html") == expected


def test_header_operations() -> None:
    step = step_of(
        "header {\nA: set\n+B add\n-C*\n?D default\n>E late\nF x y\nmatch status 2xx 404\n}", HeaderStep
    )
    assert [(op.action, op.field, op.value, op.replacement) for op in step.ops] == [
        ("set", "A", "set", ""),
        ("add", "B", "add", ""),
        ("delete", "C*", "", ""),
        ("default", "D", "default", ""),
        ("set", "E", "late", ""),
        ("replace", "F", "", "y"),
    ]
    assert step.deferred
    assert step.only_for is not None
    assert step.only_for.statuses == (2, 404)


@pytest.mark.parametrize(
    ("body", "deferred"),
    [
        ("header A b", False),
        ("header -A", True),
        ("header ?A b", False),
        ("header >A b", True),
        ("header A", False),
    ],
)
def test_when_headers_wait_for_the_answer(body: str, deferred: bool) -> None:
    assert step_of(body, HeaderStep).deferred is deferred


def test_request_header() -> None:
    op = step_of("request_header X-A (a+) <$1>", RequestHeaderStep).op
    assert (op.action, op.field, op.replacement) == ("replace", "X-A", "<$1>")
    assert op.search is not None
    assert op.search.pattern == "(a+)"


def test_rewrites() -> None:
    assert step_of("rewrite /x", RewriteStep).uri == "/x"
    assert step_of("rewrite /a /x?{query}", RewriteStep).uri == "/x?{http.request.uri.query}"
    assert step_of("method POST", MethodStep).method == "POST"
    names = ("action", "find", "replacement", "limit")
    assert values(step_of("uri strip_prefix /a", UriStep), *names) == ("strip_prefix", "/a", "", 0)
    assert values(step_of("uri /x replace a b 3", UriStep), *names) == ("replace", "a", "b", 3)
    query = step_of("uri query {\na b\n+c d\n-e\nf>g\nh i j\n}", UriStep)
    assert [(op.action, op.key, op.value) for op in query.queries] == [
        ("set", "a", "b"),
        ("add", "c", "d"),
        ("delete", "e", ""),
        ("rename", "f", "g"),
        ("replace", "h", "j"),
    ]


def test_try_files_is_split_at_files_with_a_query() -> None:
    step = step_of("try_files {path} /a /b?x=1 /c {\npolicy largest_size\n}", TryFilesStep)
    found = []
    for route in step.routes:
        assert route.matcher is not None
        assert isinstance(route.step, RewriteStep)
        (matcher,) = route.matcher.matchers
        assert isinstance(matcher, FileMatcher)
        found.append((matcher.try_files, matcher.policy, route.step.uri.rpartition("}")[2], route.group))
    assert found == [
        (("{http.request.uri.path}", "/a"), "largest_size", "", "try_files"),
        (("/b",), "largest_size", "?x=1", "try_files"),
        (("/c",), "largest_size", "", "try_files"),
    ]


def test_files() -> None:
    assert step_of("root /srv", RootStep).path == "/srv"
    assert routes_of("root /a /srv")[0].matcher is not None
    step = step_of(
        "file_server {\nroot /x\nhide a\nhide b c\nindex i.html\nbrowse {\nsort size desc\nfile_limit 9\n}\n"
        "precompressed\nstatus 203\ndisable_canonical_uris\npass_thru\netag_file_extensions .sha\n}",
        FileServerStep,
    )
    names = ("root", "hide", "index", "precompressed", "status", "canonical", "pass_thru", "etag_extensions")
    expected = ("/x", ("a", "b", "c"), ("i.html",), ("br", "zstd", "gzip"), "203", False, True, (".sha",))
    assert values(step, *names) == expected
    assert step.browse is not None
    assert values(step.browse, "sort", "limit", "reveal_symlinks") == (("size", "desc"), 9, False)
    plain = step_of("file_server", FileServerStep)
    assert values(plain, "index", "browse", "canonical") == (("index.html", "index.txt"), None, True)


def test_configuration_files_are_known_to_the_site() -> None:
    assert plan_of(":8080 {\nhandle {\nrespond x\n}\n}\n").sites[0].files == ("Caddyfile",)


def test_groups_keep_their_routes() -> None:
    group = step_of("handle {\nfile_server\nredir /a /b\n}", GroupStep)
    assert [route.step.directive.word for route in group.routes] == ["redir", "file_server"]
    assert step_of("handle_path /a/b/* {\n}", HandlePathStep).prefix == "/a/b"
    assert step_of("handle_path /a* {\n}", HandlePathStep).prefix == "/a"
    assert step_of("handle_path /a {\n}", HandlePathStep).prefix == "/a"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("error 403", ("403", "")),
        ("error oops", ("500", "oops")),
        ("error oops 404", ("404", "oops")),
        ("error 404 {\nmessage gone\n}", ("404", "gone")),
    ],
)
def test_error(body: str, expected: tuple[str, str]) -> None:
    assert values(step_of(body, ErrorStep), "status", "message") == expected


def test_encode_vars_and_basic_auth() -> None:
    assert step_of("encode", EncodeStep).formats == ("zstd", "gzip")
    step = step_of("encode br gzip {\nzstd best\ngzip 9\nminimum_length 10\n}", EncodeStep)
    assert values(step, "formats", "gzip_level", "zstd_level", "minimum_bytes") == (
        ("zstd", "gzip"),
        9,
        "best",
        10,
    )
    assert step_of("vars {\na 1\nb 2\na 3\n}", VarsStep).values == (("a", "3"), ("b", "2"))
    auth = step_of("basic_auth bcrypt Staff {\nbob hash\n}", BasicAuthStep)
    assert values(auth, "accounts", "realm") == ((("bob", "hash"),), "Staff")
    assert "hash" not in repr(auth)


def test_reverse_proxy() -> None:
    lines = (
        "to [::1]:82 unix//run/x",
        "lb_policy header X-Id",
        "lb_retries 2",
        "lb_try_duration 3s",
        "health_uri /up",
        "health_headers {\nX y z\n}",
        "fail_duration 10s",
        "unhealthy_status 5xx",
        "flush_interval -1",
        "trusted_proxies private_ranges",
        "header_up -X",
        "header_up Host {upstream_hostport}",
        "header_down +Y z",
        "rewrite /x",
        "transport http {\ntls_insecure_skip_verify\nkeepalive off\n}",
    )
    spec = step_of("reverse_proxy a b:81 {\n" + "\n".join(lines) + "\n}", ReverseProxyStep).spec
    assert [str(upstream) for upstream in spec.upstreams] == ["a:80", "b:81", "[::1]:82", "unix//run/x"]
    assert (spec.policy, spec.policy_args, spec.retries, spec.try_duration) == ("header", ("X-Id",), 2, 3.0)
    health = (spec.health.uri, spec.health.headers, spec.health.fail_duration, spec.health.unhealthy_statuses)
    assert health == ("/up", (("X", ("y", "z")),), 10.0, (5,))
    assert (spec.flush_interval, spec.rewrite, len(spec.trusted_proxies)) == (-1.0, "/x", 6)
    assert [op.action for op in (*spec.header_up, *spec.header_down)] == ["delete", "set", "add"]
    assert isinstance(spec.transport, HttpTransport)
    assert (spec.transport.tls, spec.transport.insecure, spec.transport.keepalive) == (True, True, 0.0)


def test_transport_fastcgi() -> None:
    lines = "root /x\nsplit .php\nenv A b\nresolve_root_symlink\ncapture_stderr\nread_timeout 3s"
    step = step_of(f"reverse_proxy a:9000 {{\ntransport fastcgi {{\n{lines}\n}}\n}}", ReverseProxyStep)
    transport = step.spec.transport
    assert isinstance(transport, FastcgiTransport)
    assert (transport.root, transport.split, transport.env) == ("/x", (".php",), (("A", "b"),))
    assert (transport.resolve_root_symlink, transport.read_timeout, transport.dial_timeout) == (
        True,
        3.0,
        None,
    )


def test_transport_http() -> None:
    lines = (
        "tls",
        "tls_server_name a.example",
        "tls_trusted_ca_certs a.pem b.pem",
        "dial_timeout 1s",
        "response_header_timeout 2s",
        "keepalive 30s",
        "keepalive_idle_conns 7",
        "compression off",
        "versions 1.1 2",
        "read_buffer 4KiB",
    )
    body = "reverse_proxy a {\ntransport http {\n" + "\n".join(lines) + "\n}\n}"
    transport = step_of(body, ReverseProxyStep).spec.transport
    assert isinstance(transport, HttpTransport)
    assert (transport.tls, transport.server_name, transport.trusted_ca_files) == (
        True,
        "a.example",
        ("a.pem", "b.pem"),
    )
    assert (transport.dial_timeout, transport.response_header_timeout, transport.keepalive) == (
        1.0,
        2.0,
        30.0,
    )
    assert (transport.keepalive_count, transport.compression) == (7, False)


def test_what_a_proxy_option_does_not_do_is_said() -> None:
    plan = plan_of(":80 {\nreverse_proxy a {\nstream_timeout 1h\nverbose_logs\n}\nreverse_proxy /b {\n}\n}\n")
    assert plan.warnings == (
        "Caddyfile:3: option stream_timeout of reverse_proxy has no effect here",
        "Caddyfile:6: reverse_proxy without an upstream answers 502 to every request",
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://a", ("https", "a", "443")),
        ("http://a:8000", ("http", "a", "8000")),
        (":9000", ("", "localhost", "9000")),
        ("{env.UPSTREAM}", ("", "{env.UPSTREAM}", "")),
        ("a:{env.PORT}", ("", "a", "{env.PORT}")),
        ("tcp/a:1", ("", "a", "1")),
    ],
)
def test_upstreams(text: str, expected: tuple[str, str, str]) -> None:
    (upstream,) = step_of(f"reverse_proxy {text}", ReverseProxyStep).spec.upstreams
    assert (upstream.scheme, upstream.host, upstream.port) == expected


def test_go_handler_has_its_own_settings() -> None:
    plan = plan_of(":8080 {\nhandle /a {\ngo_handler {\nwire envelope\n}\n}\ngo_handler /ws\n}\n")
    inner = plan.sites[0].routes[0].step
    assert isinstance(inner, GroupStep)
    first, second = inner.routes[0].step, plan.sites[0].routes[1].step
    assert isinstance(first, GoHandlerStep)
    assert isinstance(second, GoHandlerStep)
    assert (first.settings.wire, second.settings.wire) == ("envelope", "raw")
    assert second.directive.args == ()


def test_site_logs_and_error_routes() -> None:
    errors = "handle_errors {\nrespond any\n}\nhandle_errors 404 {\nrespond gone\n}\n"
    (site,) = plan_of(f":8080 {{\n{errors}log\nlog x {{\nhostnames a b\n}}\n}}\n").sites
    assert [route.matcher is None for route in site.errors] == [False, True]
    assert [(log.name, log.hostnames) for log in site.logs] == [("", ()), ("x", ("a", "b"))]
