from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tornado.httputil import HTTPHeaders, HTTPInputError, RequestStartLine

from tornado_realtime.peers import forwarded_client, parse_network, plain_address
from tornado_realtime.site.request import (
    decode_path,
    parse_host,
    parse_target,
    read_request,
    split_host,
)

TRUSTED = (parse_network("10.0.0.0/8"), parse_network("::1"))


@pytest.mark.parametrize(
    ("raw", "path", "query", "authority"),
    [
        ("/", "/", "", None),
        ("/a/b?c=d?e", "/a/b", "c=d?e", None),
        ("/a?", "/a", "", None),
        ("//host/path", "//host/path", "", None),
        ("*", "*", "", None),
        ("http://h:1/p?q", "/p", "q", "h:1"),
        ("HTTPS://h", "/", "", "h"),
        ("http://h?q", "/", "q", "h"),
    ],
)
def test_targets(raw: str, path: str, query: str, authority: str | None) -> None:
    assert parse_target(raw) == (path, query, authority)


@pytest.mark.parametrize("raw", ["a", "ftp://h/", "h:443", "*a", "?q"])
def test_unusable_targets(raw: str) -> None:
    with pytest.raises(HTTPInputError):
        parse_target(raw)


@pytest.mark.parametrize(
    ("host", "name", "port"),
    [
        ("Example.COM", "example.com", None),
        ("example.com:80", "example.com", 80),
        ("example.com:", "example.com", None),
        ("[::1]:8080", "::1", 8080),
        ("[::1]", "::1", None),
        ("::1", "::1", None),
        ("a:b", "a:b", None),
        ("", "", None),
    ],
)
def test_hosts_are_split(host: str, name: str, port: int | None) -> None:
    assert split_host(host) == (name, port)


def test_the_url_of_the_request_line_beats_the_header() -> None:
    headers = HTTPHeaders({"Host": "header"})
    assert parse_host(headers, "HTTP/1.1", "line") == "line"
    assert parse_host(headers, "HTTP/1.1", None) == "header"
    assert parse_host(HTTPHeaders(), "HTTP/1.0", None) == ""
    with pytest.raises(HTTPInputError):
        parse_host(HTTPHeaders(), "HTTP/1.1", "line")


@pytest.mark.parametrize("host", ["a b", "a/b", "a@b", "a,b", "a\x80", "a?b", 'a"b', "a\\b"])
def test_hosts_that_are_none(host: str) -> None:
    with pytest.raises(HTTPInputError):
        parse_host(HTTPHeaders({"Host": "x"}), "HTTP/1.1", host)


def test_paths_are_decoded_as_utf8_with_escapes_for_the_rest() -> None:
    assert decode_path("/plain") == "/plain"
    assert decode_path("/%C3%A9%2f%00") == "/é/\x00"
    assert decode_path("/%ff") == "/\udcff"
    assert decode_path("/\xc3\xa9") == "/é"
    assert decode_path("/%zz%") == "/%zz%"


@settings(deadline=None, max_examples=200)
@given(st.text(st.characters(min_codepoint=33, max_codepoint=255)))
def test_any_target_decodes(target: str) -> None:
    decode_path(target).encode("utf-8", "surrogateescape")


def test_addresses_become_plain() -> None:
    assert plain_address("::ffff:1.2.3.4") == "1.2.3.4"
    assert plain_address("fe80::1%eth0") == "fe80::1"
    assert plain_address("2001:DB8::0") == "2001:db8::"
    assert plain_address("nonsense") == "nonsense"


@pytest.mark.parametrize(
    ("peer", "lines", "client"),
    [
        ("9.9.9.9", ["1.1.1.1"], "9.9.9.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["1.1.1.1"], "1.1.1.1"),
        ("10.0.0.1", ["6.6.6.6, 1.1.1.1, 10.0.0.2"], "1.1.1.1"),
        ("10.0.0.1", ["6.6.6.6", "1.1.1.1"], "1.1.1.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["1.1.1.1, rubbish, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["rubbish"], "10.0.0.1"),
        ("10.0.0.1", ["::ffff:1.1.1.1"], "1.1.1.1"),
    ],
)
def test_the_client_is_the_first_that_no_trusted_proxy_vouches_for(
    peer: str, lines: list[str], client: str
) -> None:
    headers = HTTPHeaders()
    for line in lines:
        headers.add("X-Forwarded-For", line)
    assert forwarded_client(peer, headers, TRUSTED, ["X-Forwarded-For"]) == client


def test_without_trust_nobody_is_believed() -> None:
    headers = HTTPHeaders({"X-Forwarded-For": "1.1.1.1"})
    assert forwarded_client("10.0.0.1", headers, (), ["X-Forwarded-For"]) == "10.0.0.1"


def test_other_headers_can_be_asked_first() -> None:
    headers = HTTPHeaders({"X-Forwarded-For": "1.1.1.1", "X-Real-Ip": "2.2.2.2"})
    assert forwarded_client("10.0.0.1", headers, TRUSTED, ["X-Real-IP", "X-Forwarded-For"]) == "2.2.2.2"


def test_headers_are_a_copy_and_rewrites_can_be_undone() -> None:
    line = RequestStartLine("GET", "/a?b", "HTTP/1.1")
    sent = HTTPHeaders({"Host": "x"})
    request = read_request(line, sent, "http", ("1.1.1.1", 5), "1.1.1.1", 80)
    request.headers["X-New"] = "1"
    request.method, request.target, request.query = "POST", "/z", ""
    assert "X-New" not in sent
    assert request.uri == "/z"
    request.restore()
    assert (request.method, request.uri) == ("GET", "/a?b")
