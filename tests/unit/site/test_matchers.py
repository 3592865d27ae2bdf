from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.site_plans import matcher_of, routes_of
from tests.support.site_subject import make_subject
from tornado_realtime.errors import HandlerError
from tornado_realtime.site.matchers import MatcherSet, path_test


@pytest.mark.parametrize(
    ("pattern", "hits", "misses"),
    [
        ("/ws", ["/ws", "/WS", "//ws", "/%77s", "/./ws", "/x/../ws"], ["/ws/", "/wsx", "/"]),
        ("/a*", ["/a", "/ab", "/a/b"], ["/b"]),
        ("/a/*", ["/a/", "/a/b/c"], ["/a", "/ab"]),
        ("*.php", ["/x.php", "/d/X.PHP"], ["/x.php/info"]),
        ("*x*", ["/axb", "/x"], ["/ab"]),
        ("*", ["/", "/anything"], []),
        ("/a*b", ["/axb"], ["/a/b", "/axbc"]),
        ("/a//b", ["/a//b"], ["/a/b"]),
        ("/a%2Fb", ["/a%2fb", "/A%2FB"], ["/a/b"]),
        ("/caf\u00e9", ["/caf%C3%A9", "/CAF%C3%89"], ["/cafe"]),
        ("/a[bc]", ["/ab", "/ac"], ["/ad"]),
    ],
)
def test_path(pattern: str, hits: list[str], misses: list[str]) -> None:
    test = path_test(pattern)
    assert [uri for uri in hits if not test(make_subject(uri))] == []
    assert [uri for uri in misses if test(make_subject(uri))] == []


def test_paths_of_a_set_are_alternatives_also_over_lines() -> None:
    matcher = matcher_of("@m {\npath /a /b\npath /c\n}")
    assert [uri for uri in ("/a", "/b", "/c", "/d") if matcher.matches(make_subject(uri))] == [
        "/a",
        "/b",
        "/c",
    ]


def test_placeholders_in_a_path_are_filled_in_and_unknown_ones_empty() -> None:
    matcher = matcher_of("@m path /{vars.tenant}/x{nothing}")
    assert matcher.matches(make_subject("/ACME/x", variables={"tenant": "Acme"}))
    assert not matcher.matches(make_subject("/other/x"))
    assert matcher.matches(make_subject("//x"))


@pytest.mark.parametrize(
    ("line", "headers", "expected"),
    [
        ("header Origin *", [("origin", "")], True),
        ("header Origin *", [], False),
        ("header Accept text*", [("Accept", "text/html")], True),
        ("header Accept *html", [("Accept", "text/html")], True),
        ("header Accept *t/h*", [("Accept", "text/html")], True),
        ("header Accept text/html", [("Accept", "TEXT/html")], False),
        ("header X b", [("X", "a"), ("X", "b")], True),
        ("header !Origin", [], True),
        ("header !Origin", [("Origin", "x")], False),
        ("header X {query.v}", [("X", "7")], True),
    ],
)
def test_header(line: str, headers: list[tuple[str, str]], expected: bool) -> None:
    assert matcher_of(f"@m {line}").matches(make_subject("/?v=7", headers=headers)) is expected


def test_the_same_field_twice_is_an_alternative_and_other_fields_have_to_hold_too() -> None:
    matcher = matcher_of("@m {\nheader X a\nheader X b\nheader Y c\n}")
    assert matcher.matches(make_subject(headers=[("X", "b"), ("Y", "c")]))
    assert not matcher.matches(make_subject(headers=[("X", "b")]))


def test_host_as_a_header_is_the_host_that_was_asked_for() -> None:
    assert matcher_of("@m header Host example.com:81").matches(make_subject(host="example.com:81"))


@pytest.mark.parametrize(
    ("hosts", "asked", "expected"),
    [
        ("example.com", "EXAMPLE.com:8080", True),
        ("*.example.com", "a.example.com", True),
        ("*.example.com", "a.b.example.com", False),
        ("*.example.com", "example.com", False),
        ("{vars.h}", "x.org", True),
        ("::1", "[::1]:80", True),
        ("a.com b.com", "b.com", True),
        ("a.com", "b.com", False),
    ],
)
def test_host(hosts: str, asked: str, expected: bool) -> None:
    subject = make_subject(host=asked, variables={"h": "X.org"})
    assert matcher_of(f"@m host {hosts}").matches(subject) is expected


@pytest.mark.parametrize(
    ("line", "uri", "expected"),
    [
        ("query a=1", "/?a=1", True),
        ("query a=1", "/?a=2", False),
        ("query a=1 a=2", "/?a=2", True),
        ("query a=1 b=*", "/?a=1&b=", True),
        ("query a=1 b=*", "/?a=1", False),
        ("query a=1", "/?x;y&a=1", False),
        ('query ""', "/", True),
        ('query ""', "/?a=1", False),
    ],
)
def test_query(line: str, uri: str, expected: bool) -> None:
    assert matcher_of(f"@m {line}").matches(make_subject(uri)) is expected


def test_method_is_compared_in_upper_case() -> None:
    matcher = matcher_of("@m method get POST")
    assert [m for m in ("GET", "POST", "PUT") if matcher.matches(make_subject(method=m))] == ["GET", "POST"]


@pytest.mark.parametrize(
    ("line", "peer", "client", "expected"),
    [
        ("remote_ip 10.0.0.0/8", "10.1.2.3", "1.1.1.1", True),
        ("remote_ip private_ranges", "::1", "", True),
        ("remote_ip private_ranges", "8.8.8.8", "10.0.0.1", False),
        ("client_ip 10.0.0.1", "8.8.8.8", "10.0.0.1", True),
        ("client_ip 10.0.0.1", "10.0.0.1", "8.8.8.8", False),
        ("remote_ip 10.0.0.0/8", "", "", False),
    ],
)
def test_addresses(line: str, peer: str, client: str, expected: bool) -> None:
    assert matcher_of(f"@m {line}").matches(make_subject(peer=peer, client_ip=client)) is expected


@pytest.mark.parametrize(
    ("protocol", "expected"),
    [
        ("http", False),
        ("https", True),
        ("grpc", True),
        ("http/1.1", True),
        ("http/1.0", False),
        ("http/1.0+", True),
    ],
)
def test_protocol(protocol: str, expected: bool) -> None:
    subject = make_subject(scheme="https", headers=[("Content-Type", "application/grpc+proto")])
    assert matcher_of(f"@m protocol {protocol}").matches(subject) is expected


def test_not_negates_a_set_as_a_whole_and_each_line_has_to_hold() -> None:
    matcher = matcher_of("@m {\nnot path /a\nnot {\npath /b\nmethod PUT\n}\n}")
    assert not matcher.matches(make_subject("/a"))
    assert matcher.matches(make_subject("/b"))
    assert not matcher.matches(make_subject("/b", method="PUT"))
    assert matcher.matches(make_subject("/c", method="PUT"))


def test_a_matcher_without_kinds_matches_everything() -> None:
    assert matcher_of("@m").matches(make_subject("/any"))
    assert MatcherSet().matches(make_subject())


def test_path_regexp_keeps_captures_under_its_name() -> None:
    subject = make_subject("/user/42/Edit")
    assert matcher_of(r"@m path_regexp id ^/user/(?P<n>\d+)/(.*)$").matches(subject)
    assert subject.vars["re.id.1"] == "42"
    assert (subject.vars["re.id.n"], subject.vars["re.id.2"], subject.vars["re.1"]) == ("42", "Edit", "42")


def test_a_regexp_without_a_name_has_the_matchers() -> None:
    subject = make_subject(headers=[("Cookie", "id=7")])
    assert matcher_of(r"@mine header_regexp Cookie id=(\d)").matches(subject)
    assert subject.vars["re.mine.1"] == "7"


def test_vars_and_vars_regexp_look_at_variables_and_placeholders() -> None:
    subject = make_subject("/x?q=7", variables={"kind": "b"})
    assert matcher_of("@m vars kind a b").matches(subject)
    assert matcher_of("@m vars {query.q} 7").matches(subject)
    assert not matcher_of("@m vars gone x").matches(subject)
    assert matcher_of("@m vars_regexp kind ^[ab]$").matches(subject)


def test_file_finds_the_first_that_exists(tmp_path: Path) -> None:
    (tmp_path / "there.txt").write_text("x")
    (tmp_path / "folder").mkdir()
    subject = make_subject("/there.txt", variables={"root": str(tmp_path)})
    assert matcher_of("@m file {path}.gz {path}").matches(subject)
    assert subject.vars["file_match.relative"] == "/there.txt"
    assert subject.vars["file_match.absolute"] == f"{tmp_path}/there.txt"
    assert subject.vars["file_match.type"] == "file"
    assert not matcher_of("@m file").matches(make_subject("/folder", variables={"root": str(tmp_path)}))
    assert matcher_of("@m file {path}/").matches(make_subject("/folder", variables={"root": str(tmp_path)}))
    assert not matcher_of("@m file").matches(make_subject("/there.txt/", variables={"root": str(tmp_path)}))


def test_file_splits_off_path_info_and_never_leaves_the_root(tmp_path: Path) -> None:
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "a.php").write_text("x")
    (tmp_path / "secret").write_text("x")
    definition = f"@m file {{\nroot {tmp_path}/www\nsplit_path .php\n}}"
    subject = make_subject("/a.php/more/info")
    assert matcher_of(definition).matches(subject)
    assert (subject.vars["file_match.relative"], subject.vars["file_match.remainder"]) == (
        "/a.php",
        "/more/info",
    )
    assert not matcher_of(definition).matches(make_subject("/../secret"))
    assert not matcher_of(definition).matches(make_subject("/%2e%2e/secret"))
    assert not matcher_of(definition).matches(make_subject("/%00"))


def test_file_globs_come_from_the_pattern_only(tmp_path: Path) -> None:
    (tmp_path / "img-1.png").write_text("x")
    root = {"root": str(tmp_path)}
    subject = make_subject("/img", variables=root)
    assert matcher_of("@m file {path}-*.png").matches(subject)
    assert subject.vars["file_match.relative"] == "/img-1.png"
    assert not matcher_of("@m file {path}").matches(make_subject("/img*", variables=root))


def test_file_of_an_empty_placeholder_is_the_root_which_is_no_file(tmp_path: Path) -> None:
    assert not matcher_of("@m file {vars.gone}").matches(make_subject(variables={"root": str(tmp_path)}))


def test_file_policies(tmp_path: Path) -> None:
    (tmp_path / "small").write_text("x")
    (tmp_path / "large").write_text("xxx")
    for policy, name in (("smallest_size", "/small"), ("largest_size", "/large")):
        subject = make_subject(variables={"root": str(tmp_path)})
        assert matcher_of(f"@m file {{\ntry_files /small /large /gone\ntry_policy {policy}\n}}").matches(
            subject
        )
        assert subject.vars["file_match.relative"] == name


def test_a_fallback_need_not_exist_and_a_status_fails(tmp_path: Path) -> None:
    subject = make_subject("/x", variables={"root": str(tmp_path)})
    fallback = "@m file {\ntry_files {path} /index.php\ntry_policy first_exist_fallback\n}"
    assert matcher_of(fallback).matches(subject)
    assert subject.vars["file_match.relative"] == "/index.php"
    with pytest.raises(HandlerError) as caught:
        matcher_of("@m file {path} =410").matches(subject)
    assert caught.value.status == 410


def test_inline_matchers_are_a_path_or_everything() -> None:
    assert routes_of("respond * hit")[0].matcher is None
    matcher = routes_of("respond /api/* hit")[0].matcher
    assert matcher is not None
    assert matcher.matches(make_subject("/api/x"))
