"""``subscribe`` and ``publish``: on a terminal, in a pipe, and where they are refused."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import pytest

from tests.support.php_app import clean_environment
from tests.support.roads import free_port
from tests.support.running import PATIENCE, RunningServer, running
from tornado_realtime.cli import main

SECRET = "a secret of at least thirty-two bytes"
CADDYFILE = """\
http://localhost:{port} {{
	bind 127.0.0.1
	go_handler {{
		broadcast_secret shown-by-the-application
		jwt {{
			secret "{secret}"
		}}
		channel chat {{
			publish authenticated
			presence on
		}}
		channel staff {{
			subscribe nobody
		}}
	}}
}}
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A server, and files for those who use it."""

    server: RunningServer
    folder: Path
    url: str

    def run(self, *words: str, stdin: bytes = b"", **env: str) -> tuple[int, str, str]:
        """Run one command to its end, within this process: exit code, standard output, standard error."""
        out, error = io.StringIO(), io.StringIO()
        with (
            pytest.MonkeyPatch.context() as patch,
            redirect_stdout(out),
            redirect_stderr(error),
        ):
            patch.chdir(self.folder)
            patch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))
            for name in ("REALTIME_TOKEN", "BROADCAST_SECRET_KEY"):
                patch.delenv(name, raising=False)
            for name, value in {"REALTIME_URL": self.url, **env}.items():
                patch.setenv(name, value)
            try:
                code = main(words)
            except SystemExit as ended:
                code = int(ended.code or 0)
        return code, out.getvalue(), error.getvalue()

    def publish(self, channel: str, message: str, *words: str, stdin: bytes = b"") -> None:
        """Publish as the application."""
        done = self.run("publish", channel, message, "--secret-file", "secret", *words, stdin=stdin)
        assert done == (0, "", "")


def _secret_file(path: Path, text: str) -> None:
    path.touch(0o600)
    path.write_text(text + "\n", encoding="ascii")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder, port = tmp_path_factory.mktemp("commands"), free_port()
    _secret_file(folder / "token", jwt.encode({"sub": "ada", "exp": time.time() + 3600}, SECRET))
    _secret_file(folder / "old-token", jwt.encode({"sub": "ada", "exp": 1}, SECRET))
    _secret_file(folder / "secret", "shown-by-the-application")
    (folder / "public").write_text("x", encoding="ascii")
    (folder / "public").chmod(0o644)
    with running(folder, CADDYFILE.format(port=port, secret=SECRET)) as server:
        yield Place(server, folder, f"http://localhost:{port}")


class Listener:
    """A ``subscribe`` that runs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def state(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.readline()

    def json(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        found = json.loads(self.process.stdout.readline())
        assert isinstance(found, dict)
        return found

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE)


def _command(*words: str) -> Sequence[str]:
    return [sys.executable, "-W", "error", "-m", "tornado_realtime", *words]


@contextmanager
def subscribed(place: Place, *words: str) -> Iterator[Listener]:
    process = subprocess.Popen(
        _command("subscribe", *words, "--token-file", "token"),
        cwd=place.folder,
        env=clean_environment() | {"REALTIME_URL": place.url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Listener(process)
    finally:
        process.kill()
        process.communicate()


def test_in_a_pipe_there_are_json_lines(place: Place) -> None:
    with subscribed(place, "news", "chat", "--presence") as listener:
        assert listener.state() == f"connected to {place.url} as ada\n"
        assert listener.json() == {"type": "subscribed", "channel": "news"}
        assert listener.json() == {"type": "subscribed", "channel": "chat"}
        assert listener.json()["members"] == {"ada": None}
        place.publish("news", "two\nlines")
        assert listener.json() == {"type": "message", "channel": "news", "payload": "two\nlines", "raw": True}
        assert place.run("publish", "chat", '{"a": [1, "ä"]}', "--token-file", "token") == (0, "", "")
        heard = listener.json()
        assert (heard["payload"], heard["from"]["user"]) == ({"a": [1, "ä"]}, "ada")
        token = (place.folder / "token").read_text(encoding="ascii").strip()
        assert place.run("publish", "chat", "no json", REALTIME_TOKEN=token) == (0, "", "")
        assert listener.json()["payload"] == "no json"
        assert listener.interrupt() == 0


def test_what_comes_in_goes_out(place: Place) -> None:
    with subscribed(place, "news", "--count", "4") as listener:
        listener.json()
        place.publish("news", "-", stdin="ä\nb\n".encode())
        place.publish("news", "-", "--lines", stdin=b"1\n\n2\r\n")
        place.publish("news", "same", "--key", "k")
        assert [listener.json()["payload"] for _ in range(4)] == ["ä\nb\n", 1, 2, "same"]
        assert listener.process.wait(PATIENCE) == 0
    code, _, error = place.run("publish", "news", "-", "--secret-file", "secret", stdin=b"\xff")
    assert (code, error) == (1, "standard input: is not UTF-8 text\n")


def test_on_a_terminal_it_is_readable(place: Place) -> None:
    main, end = pty.openpty()
    process = subprocess.Popen(
        _command("subscribe", "news", "--token-file", "token", "--count", "2"),
        cwd=place.folder,
        env=clean_environment() | {"REALTIME_URL": place.url, "TERM": "xterm"},
        stdout=end,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(end)
    try:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("connected to ")
        shown = b""
        # No line says that it is subscribed, so it is published until something comes.
        while shown.count(b"\n") < 2:
            place.publish("news", "\x1b[2Jhello")
            if select.select([main], [], [], 0)[0]:
                shown += os.read(main, 4096)
        line = r"\x1b\[2m\d\d:\d\d:\d\d\x1b\[0m \x1b\[36mnews\x1b\[0m \\x1b\[2Jhello"
        assert re.fullmatch(rf"{line}\r\n{line}\r\n", shown.decode())
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.communicate()
        os.close(main)


UNKNOWN_LOGIN = """\
ws://localhost:PORT/ws answered 401 Unauthorized
The server does not know this login: give one with --token-file FILE, $REALTIME_TOKEN, or --cookie NAME=VALUE.
"""
FORBIDDEN = """\
permission denied (103) on channel news
Who may do that is said by channel blocks, or by authorize, of the server.
"""
REFUSED = {
    "subscribe news": UNKNOWN_LOGIN,
    "subscribe news --token-file old-token": UNKNOWN_LOGIN,
    "subscribe staff --token-file token": "connected to URL as ada\n" + FORBIDDEN.replace("news", "staff"),
    "publish news hello": """\
URL/internal/broadcast answered 403 Forbidden
Give the server's broadcast_secret with --secret-file FILE or $BROADCAST_SECRET_KEY, or log in with \
--token-file FILE or $REALTIME_TOKEN to publish as a client.
""",
    "publish news hello --token-file token": FORBIDDEN,
    "publish news hello --secret-file secret --publish-path /nowhere": """\
URL/nowhere answered 200 OK
Is the server there? Its paths may have a prefix: --url URL/PATH, --publish-path PATH.
""",
    "publish news - --secret-file secret": "message is empty\n",
    "subscribe news --url http://localhost:1": """\
ws://localhost:1/ws cannot be reached: Connection refused
Is it running? Name another server with --url URL or $REALTIME_URL.
""",
    "subscribe news --url localhost": """\
'localhost' is no URL of a server: write something like https://example.com
""",
    "subscribe news --token-file public": """\
public may be read by everybody; change that with: chmod o-r public
""",
    "subscribe news --token-file nowhere": "nowhere: cannot be read: No such file or directory\n",
    "subscribe news --token-file token --token x": "give --token or --token-file, not both\n",
    "subscribe a b --since e:1": "--since is a position of one channel: name one only\n",
    "publish a b --secret-file secret --token-file token": """\
publish as the application, with a secret, or as a client, with a login: not both
""",
    "publish a b --lines": "--lines goes with - as the message, and without --key\n",
    "subscribe a --header x": "a header field is written NAME: VALUE\n",
    "subscribe a --since 1": """\
tornado-realtime subscribe: argument --since: needs EPOCH:OFFSET, as in the JSON lines of a message, not '1'
""",
    "subscribe a --last 0": """\
tornado-realtime subscribe: argument --last: needs a whole number from 1, not '0'
""",
    "subscribe": """\
tornado-realtime subscribe: the following arguments are required: CHANNEL
""",
}


@pytest.mark.parametrize(("words", "expected"), REFUSED.items(), ids=REFUSED)
def test_what_cannot_be_done_is_said_with_the_way_out(place: Place, words: str, expected: str) -> None:
    code, out, error = place.run(*words.split(" "))
    assert (code, out) == (1, "")
    said = error.replace(place.url, "URL").replace(place.url.rpartition(":")[2], "PORT")
    if said.startswith("usage: "):
        said = said.splitlines(keepends=True)[-1]
    assert said == expected


def test_a_reader_who_has_seen_enough(place: Place) -> None:
    with subscribed(place, "news") as listener:
        listener.json()
        assert listener.process.stdout is not None
        listener.process.stdout.close()
        assert listener.process.wait(PATIENCE) == 0
        assert listener.state().startswith("connected to ")
        assert listener.state() == ""


def test_it_says_when_the_server_is_away_and_comes_back(tmp_path: Path) -> None:
    port = free_port()
    _secret_file(tmp_path / "token", jwt.encode({"sub": "ada", "exp": time.time() + 3600}, SECRET))
    caddyfile = CADDYFILE.format(port=port, secret=SECRET)
    with running(tmp_path, caddyfile) as server:
        place = Place(server, tmp_path, f"http://localhost:{port}")
        with subscribed(place, "news") as listener:
            listener.state()
            assert listener.json() == {"type": "subscribed", "channel": "news"}
            assert server.stop() == 0
            assert re.fullmatch(r"shutdown; again in \d\.\d s\n", listener.state())
            with running(tmp_path, caddyfile):
                while not (state := listener.state()).startswith("connected to "):
                    assert "cannot be reached: Connection refused; again in " in state
                assert listener.json() == {"type": "missed", "channel": "news"}
                assert listener.json() == {"type": "subscribed", "channel": "news"}
                assert listener.interrupt() == 0
