"""Event streams as people use them: curl, a browser's EventSource, and a proxy in between (docs/sse.md)."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser

from tests.support.chromium import chromium
from tests.support.redis_server import RedisServer
from tests.support.roads import free_port
from tests.support.running import PATIENCE, get, running

CADDYFILE = """\
http://localhost:{site} {{
	bind 127.0.0.1
	respond / page
	go_handler {{
		anonymous on
		channel news {{
			subscribe anyone
		}}
		channel secret {{
			subscribe nobody
		}}
	}}
}}
http://localhost:{proxy} {{
	bind 127.0.0.1
	reverse_proxy 127.0.0.1:{site}
}}
"""
LISTENS = """(channels) => {
  window.heard = [];
  window.controls = [];
  window.states = [];
  const query = new URLSearchParams(channels.map((channel) => ['channel', channel]));
  window.source = new EventSource(`/sse?${query}`);
  source.onopen = () => states.push('open');
  source.onerror = () => states.push(source.readyState === EventSource.CLOSED ? 'closed' : 'again');
  source.onmessage = (event) => heard.push([JSON.parse(event.data).payload, event.lastEventId]);
  source.addEventListener('control', (event) => controls.push(JSON.parse(event.data)));
}"""
IS_SUBSCRIBED = "(times) => controls.filter((each) => each.type === 'subscribed').length === times"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running_browser:
        yield running_browser


def publish(port: int, channel: str, message: str) -> None:
    query = urlencode({"channel": channel, "message": message})
    assert get(port, f"/internal/broadcast?{query}", "POST", Host=f"localhost:{port}")[0] == 202


@contextmanager
def curl(url: str) -> Iterator[subprocess.Popen[str]]:
    """curl, as docs/sse.md has it."""
    process = subprocess.Popen(
        ["curl", "-sSN", "--max-time", str(PATIENCE), url], stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def next_event(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    lines = []
    while (line := process.stdout.readline()) != "\n":
        assert line, "the stream ended"
        lines.append(line)
    return "".join(lines)


@pytest.mark.parametrize("through", ["site", "proxy"])
def test_curl_shows_what_comes_at_once(tmp_path: Path, through: str) -> None:
    ports = {"site": free_port(), "proxy": free_port()}
    with running(tmp_path, CADDYFILE.format(**ports)) as server:
        with curl(f"http://localhost:{ports[through]}/sse?channel=news") as process:
            assert '"type":"welcome"' in next_event(process)
            assert '"type":"subscribed"' in next_event(process)
            for n in range(3):
                publish(ports["site"], "news", str(n))
                expected = {"type": "message", "channel": "news", "payload": n}
                assert json.loads(next_event(process).removeprefix("data: ")) == expected
            server.signal(signal.SIGTERM)
            assert '"reason":"shutdown"' in next_event(process)
            assert process.wait(PATIENCE) == 0
        assert server.exit_code() == 0


def test_a_browser_comes_back_by_itself(tmp_path: Path, browser: Browser) -> None:
    ports = {"site": free_port(), "proxy": free_port()}
    page = browser.new_page()
    with running(tmp_path, CADDYFILE.format(**ports)) as server:
        page.goto(f"http://localhost:{ports['site']}/")
        page.evaluate(LISTENS, ["news", "secret"])
        page.wait_for_function(IS_SUBSCRIBED, arg=1)
        publish(ports["site"], "news", '{"a": "ä\\n"}')
        publish(ports["site"], "news", "two\nlines")
        page.wait_for_function("heard.length === 2")
        assert page.evaluate("heard") == [[{"a": "ä\n"}, ""], ["two\nlines", ""]]
        assert server.stop() == 0
    page.wait_for_function("states.at(-1) === 'again'")
    with running(tmp_path, None):
        page.wait_for_function(IS_SUBSCRIBED, arg=2, timeout=PATIENCE * 1000)
        publish(ports["site"], "news", "3")
        page.wait_for_function("heard.length === 3")
        page.evaluate("source.close()")
    types = page.evaluate("controls.map((each) => each.type)")
    assert types == ["welcome", "subscribed", "error", "disconnect", "welcome", "subscribed", "error"]


NODE = """\
http://localhost:{port} {{
	bind 127.0.0.1
	respond / page
	go_handler {{
		driver redis
		redis_address {redis}
		anonymous on
		channel * {{
			subscribe anyone
			history 100 1h
		}}
	}}
}}
"""


def test_a_browser_gets_what_it_missed_once(tmp_path: Path, browser: Browser) -> None:
    redis, ports, folders = (
        RedisServer(tmp_path),
        (free_port(), free_port()),
        (tmp_path / "1", tmp_path / "2"),
    )
    redis.start()
    texts = [NODE.format(port=port, redis=redis.address) for port in ports]
    for folder in folders:
        folder.mkdir()
    try:
        with running(folders[1], texts[1]):
            page = browser.new_page()
            with running(folders[0], texts[0]) as server:
                page.goto(f"http://localhost:{ports[0]}/")
                page.evaluate(LISTENS, ["news", "sport"])
                page.wait_for_function(IS_SUBSCRIBED, arg=2)
                publish(ports[0], "news", "1")
                publish(ports[1], "sport", "2")
                page.wait_for_function("heard.length === 2")
                assert server.stop() == 0
            page.wait_for_function("states.at(-1) === 'again'")
            publish(ports[1], "news", "3")
            publish(ports[1], "sport", "4")
            with running(folders[0]):
                page.wait_for_function("heard.length === 4", timeout=PATIENCE * 1000)
                publish(ports[1], "news", "5")
                page.wait_for_function("heard.length === 5")
                page.evaluate("source.close()")
            assert sorted(page.evaluate("heard.map(([payload]) => payload)")) == [1, 2, 3, 4, 5]
    finally:
        redis.stop()


def test_a_browser_that_may_not_come_does_not_try_again(tmp_path: Path, browser: Browser) -> None:
    port = free_port()
    caddyfile = (
        f"http://localhost:{port} {{\n\tbind 127.0.0.1\n\trespond / page\n"
        f"\tgo_handler {{\n\t\tallowed_origins https://example.com\n\t\tmax_connections_per_user 1\n"
        "\t\tjwt {\n\t\t\tsecret ABCDEFGHIJKLMNOPQRSTUVWXYZ012345\n\t\t}\n\t}\n}\n"
    )
    with running(tmp_path, caddyfile):
        page = browser.new_page()
        page.goto(f"http://localhost:{port}/")
        page.evaluate(LISTENS, ["news"])
        page.wait_for_function("states.length === 1")
        assert page.evaluate("states") == ["closed"]
