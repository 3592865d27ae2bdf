from __future__ import annotations

import pytest

from tests.support.site_plans import error_of, plan_of
from tornado_realtime.caddyfile import Token
from tornado_realtime.errors import ConfigError
from tornado_realtime.site.addresses import parse_address, specificity
from tornado_realtime.site.plan import Plan
from tornado_realtime.site.schemes import require_certificates


def token(text: str) -> Token:
    return Token(text, "Caddyfile", 3)


def listeners(plan: Plan) -> list[list[str]]:
    return [[str(listener) for listener in server.listeners] for server in plan.servers]


@pytest.mark.parametrize(
    ("text", "scheme", "host", "port", "path"),
    [
        (":8080", "", "", 8080, ""),
        ("localhost", "", "localhost", None, ""),
        ("HTTP://Example.COM:80", "http", "example.com", 80, ""),
        ("https://", "https", "", None, ""),
        ("[::1]:8080", "", "::1", 8080, ""),
        ("[2001:DB8::0:1]", "", "2001:db8::1", None, ""),
        ("*.example.com", "", "*.example.com", None, ""),
        ("{Env.X}.Example.com:81", "", "{Env.X}.example.com", 81, ""),
        ("example.com/Foo/*", "", "example.com", None, "/Foo/*"),
        ("localhost:0", "", "localhost", 0, ""),
        ("localhost:65535", "", "localhost", 65535, ""),
    ],
)
def test_an_address_is_taken_apart(text: str, scheme: str, host: str, port: int | None, path: str) -> None:
    address = parse_address(token(text))
    assert (address.scheme, address.host, address.port, address.path) == (scheme, host, port, path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (":http", "invalid port 'http'"),
        ("localhost:65536", "port 65536 is out of range"),
        ("localhost:-1", "port -1 is out of range"),
        ("ws://localhost", "write http:// here"),
        ("wss://localhost", "write https:// here"),
        ("ftp://localhost", "unknown scheme ftp://"),
        ("htp://localhost", "did you mean 'http'?"),
        ("[::1", "an IPv6 address is written"),
        ("[::1]x", "an IPv6 address is written"),
        ("", "empty site address"),
    ],
)
def test_a_wrong_address_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_address(token(text))
    assert message in str(caught.value)
    assert caught.value.line == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (":8080 {\n}", [[":8080"]]),
        ("localhost {\n}", [[":443"]]),
        ("http://localhost {\n}", [[":80"]]),
        ("{\nhttp_port 8080\n}\nhttp://localhost {\n}", [[":8080"]]),
        ("{\nhttps_port 8443\n}\nlocalhost {\n}", [[":8443"]]),
        (":8080 {\nbind 127.0.0.1 ::1\n}", [["127.0.0.1:8080", "[::1]:8080"]]),
        (
            "{\ndefault_bind 127.0.0.1\n}\n:8080 {\n}\n:8081 {\nbind ::1\n}",
            [["127.0.0.1:8080"], ["[::1]:8081"]],
        ),
        (":8080 {\nbind unix//run/x.sock|0222\n}", [["unix//run/x.sock|0222"]]),
        ("a.com:81, b.com:82 {\n}", [[":81"], [":82"]]),
        (":8080", [[":8080"]]),
        ("", []),
    ],
)
def test_listeners(text: str, expected: list[list[str]]) -> None:
    assert listeners(plan_of(text + "\n" if text else "# nothing\n")) == expected


@pytest.mark.parametrize(
    ("text", "tls"),
    [
        (":8080 {\n}", False),
        ("http://localhost:8080 {\n}", False),
        ("localhost:8080 {\n}", True),
        ("{\nhttp_port 8080\n}\nlocalhost:8080 {\n}", False),
        ("{\nauto_https off\n}\nlocalhost:8080 {\n}", True),
        ("localhost:80 {\n}", False),
        (":443 {\n}", True),
        (":8443 {\ntls a.pem b.pem\n}", True),
        ("https://:8443 {\n}", True),
    ],
)
def test_which_sites_are_https(text: str, tls: bool) -> None:
    assert [server.tls for server in plan_of(text + "\n").servers] == [tls]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "http://a:443 {\n}",
            "Caddyfile:1: address http://a:443: http:// cannot use port 443, the https port",
        ),
        ("https://a:80 {\n}", "https:// cannot use port 80, the http port"),
        ("http://a:81 {\n}\nhttps://b:81 {\n}", "Caddyfile:3: one port cannot speak both HTTP (http://a:81)"),
        (":8080 {\n}\nhttps://b:8080 {\n}", "one port cannot speak both"),
        ("http://a:81 {\n}\nb:81 {\ntls x y\n}", "Caddyfile:4: tls on a port that is plain HTTP"),
        (
            "a {\n}\nb, a {\n}",
            "Caddyfile:3: ambiguous site address a: another site has the same one (Caddyfile:1)",
        ),
        (":8080 {\nbind 127.0.0.1:80\n}", "Caddyfile:2: bind 127.0.0.1:80: write a host without a port"),
        (":8080 {\nbind udp/x\n}", "network udp is not supported"),
        (":8080 {\nbind unix//x|9\n}", "is not a file mode"),
        (
            ":8080 {\nbind a {\nprotocol h1\n}\n}",
            "Caddyfile:3: unknown bind option protocol, did you mean 'protocols'?",
        ),
    ],
)
def test_contradictions(text: str, message: str) -> None:
    assert message in error_of(text + "\n")


def test_the_same_address_on_other_interfaces_is_no_contradiction() -> None:
    plan = plan_of(":8080 {\nbind 127.0.0.1\n}\n:8080 {\nbind ::1\n}\n")
    assert len(plan.servers) == 2


def test_sites_are_tried_from_the_most_specific_host_to_none() -> None:
    text = "".join(f"http://{host}:81 {{\n}}\n" for host in ("", "*.b.com", "a.com", "*.com", "longer.a.com"))
    (server,) = plan_of(text).servers
    order = [host.names for host in server.hosts]
    assert order == [("longer.a.com",), ("a.com",), ("*.b.com",), ("*.com",), ()]


def test_a_site_whose_addresses_have_several_ports_serves_on_each_those_hosts() -> None:
    plan = plan_of("http://a:81, http://b:82, :82 {\n}\n")
    assert [[host.names for host in server.hosts] for server in plan.servers] == [[("a",)], [()]]
    assert plan.servers[1].hosts[0].matchers == ()


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("http://a/x {\n}", "a path in a site address (http://a/x) is deprecated; use handle"),
        ("http://0.0.0.0:81 {\n}", "to choose where to listen, use bind"),
        ("http://a:81 {\n}\nhttp://A:81 {\n}", "asks for the same requests as http://a:81 in Caddyfile:1"),
    ],
)
def test_warnings(text: str, warning: str) -> None:
    assert any(warning in line for line in plan_of(text + "\n").warnings)


def test_https_without_a_certificate_is_refused_at_the_start_only() -> None:
    plan = plan_of("http://a {\n}\nlocalhost:8080 {\n}\n")
    with pytest.raises(
        ConfigError, match=r"Caddyfile:3: site localhost:8080 needs a certificate.*http://localhost:8080"
    ):
        require_certificates(plan)
    require_certificates(plan_of("http://a {\n}\n:8443 {\ntls a.pem b.pem\n}\n"))


def test_a_plain_site_that_shares_the_port_of_an_https_site_is_named() -> None:
    plan = plan_of("http://a:81 {\n}\nb:81 {\n}\n")
    with pytest.raises(
        ConfigError, match=r"one port cannot speak both HTTP \(http://a:81\) and HTTPS \(b:81\)"
    ):
        require_certificates(plan)


def test_certificates_of_a_server_are_listed_once() -> None:
    plan = plan_of("a:81, b:81 {\ntls x y {\nprotocols tls1.3\n}\n}\n")
    (spec,) = plan.servers[0].certificates
    assert (spec.certificate, spec.key, spec.minimum) == ("x", "y", "tls1.3")


def test_a_word_of_several_lines_makes_no_error_of_several_lines() -> None:
    said = error_of(':80 {\n}\n"a:\x1b[31m\n9" {\n}\n')
    assert said.startswith(r"Caddyfile:3: address a:\x1b[31m\n9: invalid port")
    assert said.isprintable()


def test_specificity_leaves_wildcards_and_placeholders_out() -> None:
    assert specificity("*.{env.X}.com") == len("..com")
