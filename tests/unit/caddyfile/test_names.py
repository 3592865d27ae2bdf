"""The words that are known, and guesses for those that are not."""

from __future__ import annotations

import pytest

from tornado_realtime.caddyfile.names import KNOWN_DIRECTIVES, did_you_mean, nearest, shown


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("respnd", "respond"),
        ("RESPOND", "respond"),
        ("file_serve", "file_server"),
        ("reverse-proxy", "reverse_proxy"),
        ("gohandler", "go_handler"),
        ("xyzzy", None),
        ("", None),
        ("respond" * 100_000, None),
    ],
)
def test_nearest(word: str, expected: str | None) -> None:
    assert nearest(word, KNOWN_DIRECTIVES) == expected


def test_the_guess_keeps_its_own_case() -> None:
    assert nearest("loglevel", ["LogLevel", "other"]) == "LogLevel"
    assert nearest("x", []) is None


def test_did_you_mean() -> None:
    assert did_you_mean("respnd", KNOWN_DIRECTIVES) == ", did you mean 'respond'?"
    assert did_you_mean("xyzzy", KNOWN_DIRECTIVES) == ""


def test_shown() -> None:
    assert shown("a\nb") == r"'a\nb'"
    assert shown("a" * 1000) == "'" + "a" * 77 + "...'"


def test_every_directive_of_the_default_order_is_known() -> None:
    # fmt: off
    order = {
        "tracing", "map", "vars", "fs", "root", "log_append", "log_skip", "log_name", "header",
        "copy_response_headers", "request_body", "timeouts", "redir", "method", "rewrite", "uri",
        "try_files", "basic_auth", "forward_auth", "request_header", "encode", "push", "intercept",
        "templates", "invoke", "handle", "handle_path", "route", "abort", "error", "copy_response",
        "respond", "metrics", "reverse_proxy", "php_fastcgi", "php", "php_server", "file_server",
        "acme_server", "skip_log", "basicauth", "go_handler", "bind", "tls", "log", "handle_errors",
        "import",
    }
    # fmt: on
    assert order <= KNOWN_DIRECTIVES
