from __future__ import annotations

import pytest
from tornado.httputil import HTTPHeaders

from tornado_realtime.site.php_params import Script, cgi_params
from tornado_realtime.site.request import SiteRequest

SCRIPT = Script("/srv/www/a.php", "/a.php", "/in fo", "/srv/www")


def request(*fields: tuple[str, str], **changes: object) -> SiteRequest:
    headers = HTTPHeaders()
    for name, value in fields:
        headers.add(name, value)
    values: dict[str, object] = {
        "method": "POST",
        "target": "/a.php",
        "query": "q=1",
        "headers": headers,
        "version": "HTTP/1.1",
        "scheme": "http",
        "host": "Example.org:8080",
        "peer": "192.0.2.1",
        "peer_port": 5555,
        "client_ip": "198.51.100.7",
        "server_port": 8080,
        "original_method": "POST",
        "original_target": "/x/in%20fo",
        "original_query": "q=1",
    }
    return SiteRequest(**(values | changes))  # type: ignore[arg-type]


def params(site_request: SiteRequest, body_bytes: int = 0, **env: str) -> dict[str, str]:
    return cgi_params(site_request, SCRIPT, body_bytes, env, translated=True)


def test_all_variables_of_a_request() -> None:
    fields = (("Host", "Example.org:8080"), ("Content-Type", "text/x"), ("Content-Length", "3"))
    got = params(request(*fields), 3)
    assert got.pop("SERVER_SOFTWARE").startswith("tornado-realtime/")
    assert got == {
        "GATEWAY_INTERFACE": "CGI/1.1",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "example.org",
        "SERVER_PORT": "8080",
        "REMOTE_ADDR": "198.51.100.7",
        "REMOTE_PORT": "5555",
        "REQUEST_METHOD": "POST",
        "REQUEST_SCHEME": "http",
        "REQUEST_URI": "/x/in%20fo?q=1",
        "QUERY_STRING": "q=1",
        "REDIRECT_STATUS": "200",
        "DOCUMENT_ROOT": "/srv/www",
        "SCRIPT_FILENAME": "/srv/www/a.php",
        "SCRIPT_NAME": "/a.php",
        "PATH_INFO": "/in fo",
        "PATH_TRANSLATED": "/srv/www/in fo",
        "CONTENT_TYPE": "text/x",
        "CONTENT_LENGTH": "3",
        "HTTP_HOST": "Example.org:8080",
    }


def test_https_comes_from_us() -> None:
    assert "HTTPS" not in params(request(("X-Forwarded-Proto", "https")))
    assert params(request(scheme="https"))["HTTPS"] == "on"


def test_a_php_of_somebody_else_gets_no_path_translated() -> None:
    assert "PATH_TRANSLATED" not in cgi_params(request(), SCRIPT, 0, {}, translated=False)


@pytest.mark.parametrize(
    "name",
    ["Proxy", "PROXY", "X_Forwarded_For", "X.Forwarded.For", "Under_Score", "X+Y", "Expect"],
)
def test_dangerous_fields_are_dropped(name: str) -> None:
    got = params(request((name, "evil"), ("X-Real", "1")))
    assert "evil" not in got.values()
    assert got["HTTP_X_REAL"] == "1"


def test_fields_cannot_replace_our_variables() -> None:
    got = params(request(("Remote-Addr", "6.6.6.6"), ("Https", "on"), ("Script-Filename", "/etc/passwd")))
    assert got["REMOTE_ADDR"] == "198.51.100.7"
    assert got["SCRIPT_FILENAME"] == "/srv/www/a.php"
    assert "HTTPS" not in got
    assert got["HTTP_REMOTE_ADDR"] == "6.6.6.6"


def test_repeated_fields_are_joined() -> None:
    got = params(request(("Accept", "a"), ("Accept", "b"), ("Cookie", "c=1"), ("Cookie", "d=2")))
    assert got["HTTP_ACCEPT"] == "a, b"
    assert got["HTTP_COOKIE"] == "c=1; d=2"


def test_bytes_arrive_as_they_were_sent() -> None:
    got = params(request(("X-Name", "J\xc3\xb6rg \xff"), query="\xc3\xb6", original_query="\xc3\xb6"))
    assert got["HTTP_X_NAME"].encode("utf-8", "surrogateescape") == b"J\xc3\xb6rg \xff"
    assert got["QUERY_STRING"] == "ö"
    assert got["REQUEST_URI"].endswith("?ö")
    rewritten = request()
    rewritten.headers["X-Name"] = "東"
    assert params(rewritten)["HTTP_X_NAME"] == "東"


def test_the_length_is_that_of_the_body() -> None:
    assert "CONTENT_LENGTH" not in params(request())
    assert params(request(("Content-Length", "0")))["CONTENT_LENGTH"] == "0"
    assert params(request(("Transfer-Encoding", "chunked")), 7)["CONTENT_LENGTH"] == "7"
    assert "HTTP_CONTENT_LENGTH" not in params(request(("Content-Length", "0")))
    assert "HTTP_TRANSFER_ENCODING" not in params(request(("Transfer-Encoding", "chunked")), 7)


def test_env_wins_and_a_nameless_host_has_a_name() -> None:
    assert params(request(host=""), SERVER_NAME="mine")["SERVER_NAME"] == "mine"
    assert params(request(host=""))["SERVER_NAME"] == "localhost"
    assert params(request(), HTTPS="on")["HTTPS"] == "on"
