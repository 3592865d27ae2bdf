"""Two people, two real browsers, one real server: what the demonstration is for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.support.cable import Cable
from tests.support.chromium import PHONE, DemoPage
from tests.support.demo_server import DemoServer, demo_settings, serve_demo
from tests.support.php_app import free_port

NewContext = Callable[..., BrowserContext]

REFUSED = """() => new Promise((done) => {
  const socket = new WebSocket('/ws');
  socket.onopen = () => done('open');
  socket.onclose = (event) => done(`closed ${event.code}`);
})"""


SPEAKS_V1 = """() => new Promise((done) => {
  const socket = new WebSocket('/ws', 'realtime.v1.json');
  const heard = [];
  socket.onopen = () => socket.send('{"action":"subscribe","id":1,"channel":"news"}');
  socket.onmessage = (event) => {
    const { type, id } = JSON.parse(event.data);
    heard.push(id === undefined ? type : `${type} ${id}`);
    if (type === 'subscribed') done([socket.protocol, ...heard]);
  };
  socket.onclose = (event) => done([`closed ${event.code}`]);
})"""


def handshake_status(server: DemoServer, context: BrowserContext) -> int:
    """What /ws answers to a client with this browser's cookies; 101 if it lets the client in."""
    cookies = "; ".join(f"{c.get('name')}={c.get('value')}" for c in context.cookies())
    headers = {"Cookie": cookies} if cookies else {}
    try:
        with connect(f"ws://localhost:{server.port}/ws", origin=None, additional_headers=headers):
            return 101
    except InvalidStatus as refusal:
        return refusal.response.status_code


def test_one_sends_and_the_other_sees_it(demo_server: DemoServer, new_context: NewContext) -> None:
    ada = DemoPage.open(new_context(), demo_server.url)
    grace = DemoPage.open(new_context(), demo_server.url)
    for person, name in ((ada, "ada"), (grace, "grace")):
        person.login(name)
        person.subscribe("news")

    grace.send("news", "Hello from Grace, 你好 & <b>welcome</b>")

    for person in (ada, grace):
        expect(person.messages).to_have_count(1)
        expect(person.messages.first).to_contain_text("Hello from Grace, 你好 & <b>welcome</b>")
        expect(person.messages.first).to_contain_text("news")
    expect(grace.page.get_by_label("Message", exact=True)).to_have_value("")
    assert ada.complaints == grace.complaints == []


def test_after_logging_out_the_door_is_closed(demo_server: DemoServer, new_context: NewContext) -> None:
    context = new_context()
    ada = DemoPage.open(context, demo_server.url)
    assert handshake_status(demo_server, context) == 401
    ada.login("ada")
    ada.subscribe("news")
    assert handshake_status(demo_server, context) == 101

    ada.logout()

    assert handshake_status(demo_server, context) == 401
    assert context.cookies() == []
    assert ada.complaints == []
    assert ada.page.evaluate(REFUSED) == "closed 1006"


def test_a_page_may_speak_v1(demo_server: DemoServer, new_context: NewContext) -> None:
    ada = DemoPage.open(new_context(), demo_server.url)
    ada.login("ada")
    assert ada.page.evaluate(SPEAKS_V1) == ["realtime.v1.json", "welcome", "subscribed 1"]
    assert ada.complaints == []


def test_unsubscribing_ends_it_and_the_newest_is_on_top(
    demo_server: DemoServer, new_context: NewContext
) -> None:
    ada = DemoPage.open(new_context(), demo_server.url)
    ada.login("ada")
    ada.subscribe("one")
    ada.subscribe("two")
    ada.send("one", "first")
    expect(ada.messages).to_have_count(1)
    ada.unsubscribe("one")
    ada.send("one", "unheard")
    expect(ada.page.locator("#sent")).to_have_text("Sent to one, which you do not listen to.")
    ada.send("two", "second")
    expect(ada.messages.first).to_contain_text("second")
    expect(ada.messages).to_have_count(2)


def test_people_see_who_is_there_and_who_said_it(demo_server: DemoServer, new_context: NewContext) -> None:
    ada = DemoPage.open(new_context(), demo_server.url)
    grace = DemoPage.open(new_context(), demo_server.url)
    for person, name in ((ada, "ada"), (grace, "grace")):
        person.login(name)
        person.subscribe("tea")
    expect(ada.people).to_have_text(["ada (you)", "grace"])
    expect(ada.channel("tea")).to_contain_text("2 here")

    grace.send("tea", "hello")

    expect(ada.messages).to_have_count(1)
    expect(ada.messages.first.locator(".author")).to_have_text("grace")
    assert ada.complaints == grace.complaints == []


def test_what_the_application_publishes_has_no_author(
    demo_server: DemoServer, new_context: NewContext
) -> None:
    """The rule for news lets no page publish, so the page asks PHP to do it."""
    ada = DemoPage.open(new_context(), demo_server.url)
    ada.login("ada")
    ada.subscribe("news")
    ada.send("news", "by PHP")
    expect(ada.messages.first).to_contain_text("by PHP")
    expect(ada.messages.first.locator(".author")).to_have_count(0)


def test_the_last_messages_are_there_on_load(demo_server: DemoServer, new_context: NewContext) -> None:
    demo_server.publish("past", *range(60))
    ada = DemoPage.open(new_context(), demo_server.url)
    ada.login("ada")
    ada.subscribe("past")
    expect(ada.messages).to_have_count(50)
    demo_server.publish("past", 60)
    expect(ada.messages).to_have_count(51)
    assert ada.messages.locator(".text").all_text_contents() == [str(number) for number in range(60, 9, -1)]
    ada.page.reload()
    expect(ada.messages).to_have_count(50)


def test_nothing_is_missing_after_the_lid_was_closed(tmp_path: Path, new_context: NewContext) -> None:
    port = free_port()
    with Cable(port) as cable:
        settings = demo_settings(port)
        settings["ALLOWED_ORIGINS"] = f"http://localhost:{cable.port}"
        with serve_demo(tmp_path, settings) as server:
            ada = DemoPage.open(new_context(), f"http://localhost:{cable.port}/")
            ada.login("ada")
            ada.subscribe("chat")
            server.publish("chat", "before")
            expect(ada.messages).to_have_count(1)
            cable.cut()
            ada.expect_state("Offline")
            server.publish("chat", "meanwhile", "and again")
            ada.send("chat", "from ada")
            expect(ada.page.locator("#sent")).to_contain_text("as soon as the server is there")
            cable.plug()
            ada.page.get_by_role("button", name="Connect now").click()
            ada.expect_state("Connected")
            expect(ada.messages).to_have_count(4)
            expect(ada.notes).to_have_text(["chat: Back again, with 2 messages that were missed."])
            texts = ada.messages.locator(".text").all_text_contents()
            assert texts == ["from ada", "and again", "meanwhile", "before"]
            expect(ada.notices).to_have_count(0)


def test_json_is_shown_as_json(demo_server: DemoServer, new_context: NewContext) -> None:
    ada = DemoPage.open(new_context(), demo_server.url)
    ada.login("ada")
    ada.subscribe("data")
    ada.send("data", '{"city":"Zürich","degrees":-4.5,"tags":["<i>",null]}')
    block = ada.messages.first.locator("pre")
    expect(block).to_contain_text('"city": "Zürich"')
    expect(block.locator(".json-key")).to_have_text(['"city"', '"degrees"', '"tags"'])
    expect(block.locator(".json-value")).to_have_text(["-4.5", "null"])
    expect(block.locator(".json-string")).to_have_text(['"Zürich"', '"<i>"'])


def test_a_channel_of_ones_own(demo_server: DemoServer, new_context: NewContext) -> None:
    """Others may write to it, and only its owner hears that."""
    ada = DemoPage.open(new_context(), demo_server.url)
    grace = DemoPage.open(new_context(), demo_server.url)
    ada.login("ada.lovelace")
    grace.login("grace")
    ada.page.get_by_role("button", name="user.ada.lovelace").click()
    ada.expect_listening("user.ada.lovelace")
    grace.ask_for("user.ada.lovelace")
    grace.expect_refused("user.ada.lovelace")

    grace.send("user.ada.lovelace", "for you alone")

    expect(ada.messages).to_contain_text(["for you alone"])
    expect(grace.page.locator("#sent")).to_contain_text("which you do not listen to")
    expect(grace.messages).to_have_count(0)
    assert ada.complaints == grace.complaints == []


def test_a_refusal_stands_beside_its_channel(demo_server: DemoServer, new_context: NewContext) -> None:
    ada = DemoPage.open(new_context(), demo_server.url)
    ada.login("ada")
    ada.subscribe("news")
    ada.ask_for("private.audit")
    ada.expect_refused("private.audit")
    ada.expect_listening("news")
    expect(ada.page.locator("#announcement")).to_contain_text("private.audit: You may not listen")
    expect(ada.notices).to_have_count(0)

    ada.ask_for("private.audit")  # once more: the rules may have changed
    ada.expect_refused("private.audit")
    ada.page.get_by_role("button", name="Dismiss private.audit").click()
    expect(ada.channel("private.audit")).to_have_count(0)


def test_what_was_refused_is_not_asked_for_by_a_reload(
    demo_server: DemoServer, new_context: NewContext
) -> None:
    ada = DemoPage.open(new_context(), demo_server.url)
    ada.login("ada")
    ada.ask_for("private.audit")
    ada.expect_refused("private.audit")
    ada.subscribe("news")
    ada.page.reload()
    ada.expect_listening("news")
    expect(ada.channel("private.audit")).to_have_count(0)


def test_a_restarted_server_is_found_again(tmp_path: Path, new_context: NewContext) -> None:
    with serve_demo(tmp_path) as server:
        ada = DemoPage.open(new_context(), server.url)
        ada.login("ada")
        ada.subscribe("news")
    expect(ada.notices).to_have_text(["The server was stopped. Trying again…×"])
    expect(ada.page.get_by_role("button", name="Connect now")).to_be_visible()
    expect(ada.channel("news")).to_contain_text("waiting for the server")
    with serve_demo(tmp_path, server.settings):
        ada.expect_state("Connected")
        ada.expect_listening("news")
        expect(ada.notices).to_have_count(0)
        ada.send("news", "back again")
        expect(ada.messages.first).to_contain_text("back again")
        expect(ada.notes).to_have_text(
            ["news: The connection was interrupted. What is kept of the time before is shown."]
        )


def test_the_channels_survive_a_reload_of_the_page(demo_server: DemoServer, new_context: NewContext) -> None:
    ada = DemoPage.open(new_context(), demo_server.url)
    ada.login("ada")
    ada.subscribe("news")
    ada.page.reload()
    ada.expect_state("Connected")
    ada.expect_listening("news")


def test_the_other_windows_of_a_browser_follow_its_logout(
    demo_server: DemoServer, new_context: NewContext
) -> None:
    context = new_context()
    first = DemoPage.open(context, demo_server.url)
    first.login("ada")
    second = DemoPage.open(context, demo_server.url)
    second.expect_state("Connected")
    first.logout()
    expect(second.page.get_by_label("Your name")).to_be_visible()
    expect(second.notices).to_contain_text("in another window")


def test_mistakes_are_explained_where_they_are_made(demo_server: DemoServer, new_context: NewContext) -> None:
    ada = DemoPage.open(new_context(), demo_server.url)
    page = ada.page
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#user-error")).to_have_text("Type a name first; any name will do.")
    expect(page.get_by_label("Your name")).to_be_focused()
    ada.login("ada")
    page.get_by_role("button", name="Subscribe", exact=True).click()
    expect(page.locator("#subscribe-error")).to_contain_text("Which channel?")
    ada.subscribe("news")
    page.get_by_label("Channel to listen to").fill("news")
    page.keyboard.press("Enter")
    expect(page.locator("#subscribe-error")).to_have_text("You already listen to news.")
    page.get_by_label("Channel to listen to").fill("名" * 200)
    page.keyboard.press("Enter")
    expect(page.locator("#subscribe-error")).to_have_text("That name is too long for the server.")
    ada.send("news", " ")
    expect(page.locator("#send-error")).to_have_text("There is no message yet.")


def test_a_form_token_that_went_stale_is_renewed(demo_server: DemoServer, new_context: NewContext) -> None:
    context = new_context()
    ada = DemoPage.open(context, demo_server.url)
    ada.login("ada")
    ada.subscribe("news")
    context.clear_cookies(name="CSRF_TOKEN")
    ada.send("news", "with a new token")
    expect(ada.messages.first).to_contain_text("with a new token")


def test_a_login_that_ended_is_told_when_sending(demo_server: DemoServer, new_context: NewContext) -> None:
    context = new_context()
    ada = DemoPage.open(context, demo_server.url)
    ada.login("ada")
    context.clear_cookies()
    ada.send("news", "too late")
    expect(ada.notices).to_contain_text("Your login has ended.")
    expect(ada.page.get_by_label("Your name")).to_be_focused()


def test_a_page_from_another_address_is_told_why(demo_server: DemoServer, new_context: NewContext) -> None:
    ada = DemoPage.open(new_context(), f"http://127.0.0.1:{demo_server.port}/")
    ada.page.get_by_label("Your name").fill("ada")
    ada.page.keyboard.press("Enter")
    expect(ada.notices).to_contain_text(
        f"ALLOWED_ORIGINS names http://127.0.0.1:{demo_server.port}", timeout=20_000
    )


def test_everything_works_from_the_keyboard(demo_server: DemoServer, new_context: NewContext) -> None:
    ada = DemoPage.open(new_context(), demo_server.url)
    keys = ada.page.keyboard
    keys.press("Tab")
    expect(ada.page.get_by_role("link", name="Skip to the content")).to_be_focused()
    keys.press("Enter")
    keys.press("Tab")
    keys.type("ada")
    keys.press("Enter")
    ada.expect_state("Connected")
    keys.type("news")
    keys.press("Enter")
    ada.expect_listening("news")
    tab_to(ada.page, "send-message")
    keys.type("by keyboard")
    keys.press("Control+Enter")
    expect(ada.messages.first).to_contain_text("by keyboard")
    # Then the focus goes back to the field, and not sooner.
    expect(ada.page.locator("#sent")).to_have_text("Sent to news.")
    tab_to(ada.page, "Unsubscribe from news")
    keys.press("Space")
    expect(ada.channel("news")).to_have_count(0)
    expect(ada.page.get_by_label("Channel to listen to")).to_be_focused()


FOCUSED = "() => [document.activeElement.id, document.activeElement.getAttribute('aria-label')]"


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the element with this id or label has the focus, around the page at most once."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if name in page.evaluate(FOCUSED):
            return
    raise AssertionError(f"Tab never comes to {name}")


SMALL_TARGETS = """() => [...document.querySelectorAll('button, input:not([type=hidden]), textarea')]
  .filter((item) => item.checkVisibility())
  .map((item) => [item.textContent || item.id, item.getBoundingClientRect()])
  .filter(([, box]) => box.height < 44 || box.left < 0 || box.right > innerWidth)
  .map(([name, box]) => `${name}: ${JSON.stringify(box)}`)"""

WIDTH = "() => document.documentElement.scrollWidth"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_is_wide_enough(demo_server: DemoServer, new_context: NewContext, scheme: str) -> None:
    context = new_context(viewport=PHONE, is_mobile=True, has_touch=True, color_scheme=scheme)
    ada = DemoPage.open(context, demo_server.url)
    assert ada.page.evaluate(WIDTH) == 360
    assert ada.page.evaluate(SMALL_TARGETS) == []
    ada.login("somebody-with-a-rather-long-name")
    ada.page.get_by_role("button", name="private.audit").tap()
    ada.expect_refused("private.audit")
    ada.ask_for("user." + "x" * 64)
    ada.expect_refused("user." + "x" * 64)
    ada.subscribe(f"chat-{scheme}")
    ada.subscribe("x" * 200)
    ada.send(f"chat-{scheme}", "w" * 300)
    expect(ada.messages).to_have_count(1)
    ada.send(f"chat-{scheme}", '{"key":"' + "v" * 300 + '"}')
    expect(ada.messages).to_have_count(2)
    assert ada.page.evaluate(WIDTH) == 360
    assert ada.page.evaluate(SMALL_TARGETS) == []
    assert ada.complaints == []


def test_the_plain_form_works_without_scripts(demo_server: DemoServer, new_context: NewContext) -> None:
    ada = DemoPage.open(new_context(), demo_server.url)
    ada.login("ada")
    ada.subscribe("news")
    context = new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{demo_server.url}send.php?channel=news")
    page.get_by_label("Message").fill("not lost")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("alert")).to_contain_text("Log in first")
    expect(page.get_by_label("Message")).to_have_value("not lost")
    context.request.post(f"{demo_server.url}login.php", data={"userId": "grace"})
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("alert")).to_contain_text("out of date")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("status")).to_have_text("Sent to “news”.")
    expect(ada.messages.first).to_contain_text("not lost")
