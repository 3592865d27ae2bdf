from __future__ import annotations

import pytest

from tests.support.site_plans import error_of, plan_of
from tornado_realtime.peers import parse_network
from tornado_realtime.site.options import GlobalOptions
from tornado_realtime.site.server_options import ServerOptions


def options_of(*lines: str) -> GlobalOptions:
    return plan_of("{\n" + "\n".join(lines) + "\n}\n").options


def warnings_of(*lines: str) -> tuple[str, ...]:
    return plan_of("{\n" + "\n".join(lines) + "\n}\n").warnings


def servers_of(*lines: str) -> ServerOptions:
    return options_of("servers {", *lines, "}").servers[0]


def test_defaults() -> None:
    options = plan_of("# nothing\n").options
    assert (options.http_port, options.https_port, options.debug) == (80, 443, False)
    assert (options.admin, options.grace_period, options.shutdown_delay) == ("localhost:2019", None, 0.0)
    assert (options.servers, options.default_bind, options.logs, options.frankenphp) == ((), (), (), None)


def test_single_values_of_which_the_last_wins() -> None:
    options = options_of(
        "http_port 81",
        "http_port 8080",
        "https_port 8443",
        "debug whatever",
        "admin off",
        "grace_period 1m30s",
        "shutdown_delay 500ms",
        "email a@b.c",
        "persist_config off",
        "local_certs",
        "skip_install_trust",
        "auto_https off disable_certs",
    )
    assert (options.http_port, options.https_port, options.debug, options.admin) == (8080, 8443, True, None)
    assert (options.grace_period, options.shutdown_delay) == (90.0, 0.5)
    assert (options.email, options.persist_config, options.auto_https) == (
        "a@b.c",
        False,
        ("off", "disable_certs"),
    )
    assert options.local_certs
    assert options.skip_install_trust


def test_frankenphp_is_read() -> None:
    options = options_of(
        "frankenphp {", "num_threads 4", "php_ini memory_limit 256M", "php_ini {", "a b", "}", "}"
    )
    assert options.frankenphp is not None
    assert options.frankenphp.num_threads == 4
    assert options.frankenphp.php_ini == (("memory_limit", "256M"), ("a", "b"))
    assert options_of("frankenphp").frankenphp is not None


def test_what_has_no_effect_is_said() -> None:
    lines = [
        "frankenphp {",
        "max_threads auto",
        "max_wait_time 1s",
        "worker index.php 2",
        "}",
        "acme_ca x",
        "admin :1",
    ]
    warnings = warnings_of(*lines)
    assert [line.split(": ")[0] for line in warnings] == [f"Caddyfile:{n}" for n in (3, 4, 5, 7, 8)]


def test_logs_are_gathered_and_their_names_are_unique() -> None:
    options = options_of("log {", "level warn", "}", "log access {", "output stdout", "include a b", "}")
    assert [(log.name, log.level, log.output, log.include) for log in options.logs] == [
        ("default", "WARN", "stderr", ()),
        ("access", "", "stdout", ("a", "b")),
    ]
    assert error_of("{\nlog\nlog default\n}\n") == "Caddyfile:3: global log default is given twice"


def test_servers() -> None:
    options = servers_of(
        "timeouts {",
        "read_body 1s",
        "read_header 2s",
        "write 3s",
        "idle 2m",
        "}",
        "max_header_size 16kb",
        "trusted_proxies static 10.0.0.0/8 private_ranges",
        "trusted_proxies_strict",
        "client_ip_headers X-Real-IP X-Forwarded-For",
        "protocols h1 h2",
        "log_credentials",
    )
    assert (options.read_body, options.read_header, options.write, options.idle) == (1.0, 2.0, 3.0, 120.0)
    assert options.max_header_bytes == 16_000
    assert options.trusted_proxies[0] == parse_network("10.0.0.0/8")
    assert len(options.trusted_proxies) == 7
    assert options.trusted_proxies_strict
    assert options.client_ip_headers == ("X-Real-IP", "X-Forwarded-For")
    assert options.log_credentials


def test_servers_options_belong_to_a_listener() -> None:
    plan = plan_of(
        "{\nservers {\nmax_header_size 1kb\n}\nservers :81 {\nname edge\n}\n}\n:81 {\n}\n:82 {\n}\n"
    )
    assert [(server.name, server.options.max_header_bytes) for server in plan.servers] == [
        ("edge", None),
        ("srv1", 1000),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("http_port", "wrong number of arguments after http_port; write: http_port NUMBER"),
        ("http_port 80 81", "wrong number of arguments after http_port; write: http_port NUMBER"),
        ("http_port :9000", "http_port: ':9000' is no port; write a number from 1 to 65535"),
        ("http_port 70000", "http_port: '70000' is no port"),
        ("https_port x", "https_port: 'x' is no port"),
        ("htpp_port 80", "unknown global option htpp_port, did you mean 'http_port'?"),
        ("respond x", "unknown global option respond"),
        ("grace_period 10", "duration '10' has no unit: write 10s for seconds"),
        ("grace_period -1s", "duration '-1s' must not be negative"),
        ("auto_https", "wrong number of arguments after auto_https"),
        ("auto_https of", "unknown auto_https mode of, did you mean 'off'?"),
        ("admin off {\n}", "admin takes no block"),
        ("admin off x", "wrong number of arguments after admin"),
        ("persist_config on", "unknown persist_config value on: it must be one of off"),
        ("email a b", "wrong number of arguments after email"),
        ("log a b", "wrong number of arguments after log"),
    ],
)
def test_wrong_options(line: str, message: str) -> None:
    assert error_of(f"{{\n{line}\n}}\n").startswith(f"Caddyfile:2: {message}")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("admin {\norigin x\n}", "3: unknown admin option origin, did you mean 'origins'?"),
        (
            "frankenphp {\nnum_thread 3\n}",
            "3: unknown frankenphp option num_thread, did you mean 'num_threads'?",
        ),
        ("frankenphp {\nnum_threads 0\n}", "3: 0 is out of range: it must be at least 1"),
        ("frankenphp {\nphp_ini a\n}", "3: wrong number of arguments after php_ini"),
        ("servers {\ntimeout 1s\n}", "3: unknown servers option timeout, did you mean 'timeouts'?"),
        ("servers {\ntimeouts {\nread 1s\n}\n}", "4: unknown timeouts option read"),
        ("servers {\nname x\n}", "3: a server's name needs an address"),
        ("servers {\ntrusted_proxies 10.0.0.0/8\n}", "3: unknown source 10.0.0.0/8 of trusted proxies"),
        ("servers {\ntrusted_proxies static 10.0.0.0/99\n}", "3: '10.0.0.0/99' is no address or network"),
        ("servers {\nclient_ip_headers A a\n}", "3: a client IP header is given twice"),
        ("servers {\nprotocols h9\n}", "3: unknown protocol h9"),
        ("servers {\nmax_header_size big\n}", "3: 'big' is not a size"),
        ("servers\nservers", "3: servers options for the address (all) is given twice"),
        ("servers :1 {\nname a\n}\nservers :2 {\nname a\n}", "is given twice"),
        ("log {\noutput stdot\n}", "3: unknown log output stdot, did you mean 'stdout'?"),
        ("log {\noutput net 1.2.3.4:5\n}", "3: log output net is known but not supported"),
        ("log {\nformat filter\n}", "3: log format filter is known but not supported"),
        ("log {\nlevel loud\n}", "3: unknown log level loud"),
        ("log {\nlevel INFO\nlevel INFO\n}", "4: level is given twice in this log block"),
        ("log {\nhostnames a\n}", "3: hostnames is not allowed in the global log option"),
        ("log {\nsampling\n}", "3: log option sampling is known but not supported"),
        ("log {\noutput file\n}", "3: wrong number of arguments after output"),
        ("log {\noutput file x {\nroll_sise 1\n}\n}", "4: unknown log file option roll_sise"),
        ("log {\noutput file x {\nmode rw\n}\n}", "4: 'rw' is not a file mode"),
    ],
)
def test_wrong_lines_inside_options(lines: str, message: str) -> None:
    assert message in error_of(f"{{\n{lines}\n}}\n")


def test_log_files() -> None:
    (log,) = options_of(
        "log {",
        "output file /var/log/x.log {",
        "roll_size 10MiB",
        "roll_keep 3",
        "roll_keep_for 2d",
        "roll_uncompressed",
        "roll_local_time",
        "mode 0640",
        "}",
        "format json {",
        "time_format iso8601",
        "}",
        "}",
    ).logs
    assert (log.output, log.path, log.mode, log.format) == ("file", "/var/log/x.log", 0o640, "json")
    roll = log.roll
    assert (roll.size_bytes, roll.keep, roll.keep_seconds) == (10 * 1024 * 1024, 3, 172_800.0)
    assert (roll.compress, roll.local_time) == (False, True)


def test_a_roll_can_be_switched_off() -> None:
    (log,) = options_of("log {", "output file x {", "roll_disabled", "}", "}").logs
    assert log.roll.size_bytes == 0
