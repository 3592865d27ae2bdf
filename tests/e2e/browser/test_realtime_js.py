"""``realtime.js`` as pages use it, in Node and in Chromium, against a server that comes and goes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.e2e.browser.conftest import NewPage, Site, token
from tests.support.nginx import nginx
from tests.support.pages import Page, browser_page, wait_until
from tests.support.php_app import free_port


def live(page: Page, channel: str = "chat", options: str = "{}", **login: object) -> None:
    """A page that listens."""
    page.evaluate(f"() => {{ open({json.dumps(login)}); listen({json.dumps(channel)}, {options}); }}")
    wait_until(page, "sub.state === 'live'")


def test_one_publishes_and_the_other_hears_it(site: Site, new_page: NewPage) -> None:
    ada, al = new_page(site), new_page(site)
    live(ada, token=token(3600))
    live(al)
    assert ada.evaluate("async () => (await rt.publish('chat', { text: 'hi é' })).position.offset") > 0
    wait_until(al, "heard.length === 1")
    assert al.evaluate("() => heard") == [{"text": "hi é"}]
    wait_until(ada, "heard.length === 1")
    ada.evaluate("() => rt.publish('chat', 'not for me', { echo: false })")
    wait_until(al, "heard.length === 2")
    assert ada.evaluate("() => heard.length") == 1


def test_what_may_not_be_is_an_error(site: Site, new_page: NewPage) -> None:
    page = new_page(site)
    live(page)
    refused = "(error) => [error instanceof RealtimeError, error.code, error.message]"
    assert page.evaluate(f"() => rt.publish('news', 1).catch({refused})") == [True, 103, "permission denied"]
    assert page.evaluate(f"() => rt.subscribe('staff').ready.catch({refused})") == [
        True,
        103,
        "permission denied",
    ]


def test_who_is_there(site: Site, new_page: NewPage) -> None:
    ada, al = new_page(site), new_page(site)
    live(ada, "room", "{ presence: true }", token=token(3600, "ada"))
    wait_until(ada, "sub.members?.has('ada') && sub.count === 1")
    live(al, "room", "{ presence: true }", token=token(3600, "al"))
    wait_until(ada, "sub.members.has('al') && told.join() === 'join'")
    assert al.evaluate("async () => [...(await sub.presence()).members.keys()].sort()") == ["ada", "al"]
    al.evaluate("() => sub.close()")
    wait_until(ada, "!sub.members.has('al') && told.join() === 'join,leave'")


def test_nothing_is_missed_and_nothing_comes_twice(site: Site, new_page: NewPage, log: str) -> None:
    """The network is cut and swallows by turns, while the application goes on publishing."""
    page = new_page(site)
    live(page, log)
    for turn in range(3):
        first = turn * 30
        site.publish(log, *range(first, first + 10))
        site.cable.cut()
        site.publish(log, *range(first + 10, first + 20))
        site.cable.plug()
        site.publish(log, *range(first + 20, first + 30))
        page.evaluate("() => rt.connect()")
        wait_until(page, f"heard.length >= {first + 30} && sub.state === 'live'")
    site.publish(log, "end")
    wait_until(page, "heard.at(-1) === 'end'")
    assert page.evaluate("() => heard") == [*range(90), "end"]
    assert set(page.evaluate("() => told")) == {"recovered"}


def test_the_newest_come_first_and_older_ones_can_be_read(site: Site, new_page: NewPage, log: str) -> None:
    site.publish(log, *range(60))
    page = new_page(site)
    live(page, log, "{ last: 50 }")
    site.publish(log, 60)
    wait_until(page, "heard.length === 51")
    assert page.evaluate("() => heard") == list(range(10, 61))
    older = """async () => {
      const since = { ...sub.position, offset: 11 };
      const { items, more } = await sub.history({ since, limit: 3, reverse: true });
      return [items.map(({ payload }) => payload), more, typeof items[0].time];
    }"""
    assert page.evaluate(older) == [[9, 8, 7], True, "number"]


def test_a_publication_whose_answer_was_lost_is_published_once(site: Site, new_page: NewPage) -> None:
    page = new_page(site)
    live(page, "other", token=token(3600))
    with site.witness("chat") as next_message:
        site.cable.hold_answers(3600)
        page.evaluate("() => { globalThis.publishing = rt.publish('chat', 'once'); }")
        assert next_message() == "once"
        site.cable.cut()
        site.cable.plug()
        page.evaluate("() => rt.connect()")
        assert page.evaluate("async () => (await publishing).position.offset") > 0
        page.evaluate("() => rt.publish('chat', 'end')")
        assert next_message() == "end"


def test_a_server_that_starts_anew_has_nothing_of_before_and_says_so(
    own_site: Site, new_page: NewPage, log: str
) -> None:
    page = new_page(own_site)
    own_site.publish(log, 1, 2)
    live(page, log, "{ last: 5 }")
    wait_until(page, "heard.length === 2")
    own_site.stop()
    page.evaluate("() => { globalThis.publishing = rt.publish('chat', 'waits'); }")
    own_site.start()
    own_site.publish(log, 3)
    page.evaluate("() => rt.connect()")
    assert page.evaluate("async () => (await publishing).position.offset") == 1
    wait_until(page, "heard.length === 3")
    assert page.evaluate("() => [heard, told]") == [[1, 2, 3], ["reload"]]
    assert page.evaluate("() => states.slice(0, 3)") == ["connecting", "ready", "waiting 4200"]


def test_a_signal_ends_a_subscription_and_a_question(site: Site, new_page: NewPage) -> None:
    page = new_page(site)
    page.evaluate("() => { globalThis.stop = new AbortController(); open(); }")
    page.evaluate("() => { listen('chat', { signal: stop.signal }); }")
    wait_until(page, "sub.state === 'live'")
    page.evaluate("() => stop.abort()")
    assert page.evaluate("() => sub.state") == "closed"
    site.publish("chat", 1)
    assert page.evaluate("async () => { await rt.publish('chat', 2); return heard; }") == []
    site.cable.cut()
    wait_until(page, "rt.state !== 'ready'")
    name = page.evaluate(
        "() => rt.publish('chat', 1, { signal: AbortSignal.timeout(50) }).catch((error) => error.name)"
    )
    assert name == "TimeoutError"


def test_a_refused_login_is_told_and_may_be_tried_again(site: Site, new_page: NewPage) -> None:
    page = new_page(site)
    page.evaluate("() => { open({ token: 'no token at all' }); }")
    wait_until(page, "rt.state === 'failed'")
    assert page.evaluate("() => states") == ["connecting", "waiting 1006", "failed 401"]


@pytest.mark.parametrize("new_page", ["chromium"], indirect=True)
def test_a_login_that_runs_out_is_replaced_by_another(site: Site, new_page: NewPage) -> None:
    page = new_page(site)
    tokens = json.dumps([token(1.5), token(3600)])
    page.evaluate(f"() => {{ const tokens = {tokens}; open({{ token: async () => tokens.shift() }}); }}")
    wait_until(page, "rt.state === 'ready'")
    assert page.evaluate("() => rt.welcome.ttl") < 3
    wait_until(page, "states.filter((state) => state === 'ready').length === 2")
    assert page.evaluate("() => states") == ["connecting", "ready", "waiting 4110", "connecting", "ready"]
    assert page.evaluate("() => rt.welcome.ttl") > 3000


@pytest.mark.parametrize("new_page", ["node"], indirect=True)
def test_a_login_is_prolonged_without_a_new_connection(site: Site, new_page: NewPage) -> None:
    page = new_page(site)
    tokens = json.dumps([token(60.8), token(3600)])
    page.evaluate(f"() => {{ globalThis.tokens = {tokens}; open({{ token: () => tokens.shift() }}); }}")
    page.evaluate("() => { rt.on('expiring', () => told.push('expiring')); }")
    wait_until(page, "told.length === 1 && tokens.length === 0")
    assert page.evaluate("async () => { await rt.publish('chat', 1); return states; }") == [
        "connecting",
        "ready",
    ]


def test_where_websocket_is_blocked_everything_goes_over_a_stream(site: Site, new_page: NewPage) -> None:
    page = new_page(site)
    blocked = "class { constructor() { setTimeout(() => this.onclose({ code: 1006 })); } close() {} }"
    page.evaluate(f"() => {{ open({{ WebSocket: {blocked}, token: {json.dumps(token(3600))} }}); }}")
    page.evaluate(
        "() => { listen('room', { presence: true }); rt.subscribe('chat', (it) => heard.push(it)); }"
    )
    wait_until(page, "sub.members?.has('ada')")
    page.evaluate("() => Promise.all([1, 2, 3].map((number) => rt.publish('chat', number)))")
    wait_until(page, "heard.length === 3")
    site.publish("chat", 4)
    wait_until(page, "heard.length === 4")
    assert page.evaluate("() => heard") == [1, 2, 3, 4]
    assert page.evaluate("() => states") == ["connecting", "waiting 1006", "connecting", "ready"]


def test_behind_a_proxy_that_knows_no_upgrade(site: Site, browser: Browser, tmp_path: Path) -> None:
    """nginx as most people set it up at first: the handshake arrives as a plain request."""
    front = free_port()
    servers = (
        f"server {{ listen 127.0.0.1:{front}; location / {{ proxy_pass http://127.0.0.1:{site.port}; "
        "proxy_set_header Host $http_host; } }"
    )
    context = browser.new_context()
    with nginx(tmp_path / "nginx", servers, front), browser_page(context, front) as page:
        live(page, "chat", "{ presence: true }")
        page.evaluate("() => rt.publish('chat', 'over a stream')")
        wait_until(page, "heard.length === 1")
        assert page.evaluate("() => states") == ["connecting", "waiting 1006", "connecting", "ready"]
        page.evaluate("() => rt.close()")
    context.close()


def test_a_page_that_the_browser_keeps_leaves_and_is_back_when_it_wakes(site: Site, browser: Browser) -> None:
    """The browser freezes it when the visitor goes elsewhere, and thaws it when they come back."""
    context = browser.new_context()
    with browser_page(context, site.cable.port) as page:
        live(page, "room", "{ presence: true }", token=token(3600))
        page.goto(f"http://localhost:{site.cable.port}/elsewhere")
        page.go_back(wait_until="commit")
        wait_until(page, "globalThis.sub && sub.state === 'live' && told.length === 1")
        assert page.evaluate("() => states") == ["connecting", "ready", "waiting", "connecting", "ready"]
        assert page.evaluate("() => told") == ["reload"]
    context.close()


def test_a_page_that_goes_offline_asks_whether_anybody_is_there(site: Site, browser: Browser) -> None:
    """Nobody told it that the network is gone; the answer that does not come does."""
    context = browser.new_context()
    with browser_page(context, site.cable.port) as page:
        live(page)
        site.cable.pull()
        context.set_offline(True)
        wait_until(page, "states.at(-1) === 'waiting 1006'")
        site.cable.plug()
        context.set_offline(False)
        wait_until(page, "sub.state === 'live'")
    context.close()
