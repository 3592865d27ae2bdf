from __future__ import annotations

import subprocess

import pytest

from tests.support.php_app import BROADCAST_SECRET, FakeBroadcast, Published, run_php


def send(broadcast: FakeBroadcast, *arguments: str) -> subprocess.CompletedProcess[str]:
    settings = {"BROADCAST_SECRET_KEY": BROADCAST_SECRET, "BROADCAST_URL": broadcast.url}
    return run_php("send_cli.php", *arguments, **settings)


def test_it_publishes_as_the_form_does(broadcast: FakeBroadcast) -> None:
    done = send(broadcast, "news", "Grüße & Co")
    assert (done.returncode, done.stdout, done.stderr) == (0, "Sent to news.\n", "")
    fields = {"channel": ["news"], "message": ['"Grüße & Co"']}
    assert broadcast.received == [Published("/internal/broadcast", BROADCAST_SECRET, fields)]


def test_json_stays_json(broadcast: FakeBroadcast) -> None:
    send(broadcast, "news", '{"a": 1}')
    assert broadcast.received[0].fields["message"] == ['{"a": 1}']


@pytest.mark.parametrize("arguments", [(), ("news",), ("news", "a", "b"), ("", "a")])
def test_wrong_calls_are_shown_the_usage(broadcast: FakeBroadcast, arguments: tuple[str, ...]) -> None:
    done = send(broadcast, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: php send_cli.php CHANNEL MESSAGE\n")
    assert broadcast.received == []


def test_help_is_no_mistake(broadcast: FakeBroadcast) -> None:
    done = send(broadcast, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "BROADCAST_SECRET_KEY" in done.stdout


def test_a_refusal_is_told_and_is_a_failure(broadcast: FakeBroadcast) -> None:
    broadcast.answer = (403, "Forbidden\n")
    done = send(broadcast, "news", "hello")
    assert (done.returncode, done.stdout) == (1, "")
    assert "status 403, Forbidden" in done.stderr


@pytest.mark.parametrize("message", ["", "  "])
def test_an_empty_message_is_a_failure(broadcast: FakeBroadcast, message: str) -> None:
    done = send(broadcast, "news", message)
    assert (done.returncode, done.stderr) == (1, "There is no message to send.\n")


def test_a_missing_secret_is_named() -> None:
    done = run_php("send_cli.php", "news", "hello")
    assert done.returncode == 1
    assert done.stderr.startswith("BROADCAST_SECRET_KEY is not set.")
