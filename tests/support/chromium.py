"""Chromium, driven through Playwright, and the page of the demo as a person uses it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    expect,
    sync_playwright,
)

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
KEEPS_NO_PAGES = "--disable-back-forward-cache"
PHONE = {"width": 360, "height": 740}


def chromium_binary() -> str:
    """The installed browser; its absence fails the run and says so."""
    for name in NAMES:
        found = shutil.which(name)
        if found is not None:
            return found
    raise RuntimeError("chromium is missing: install the package chromium (make test does)")


@contextmanager
def chromium() -> Iterator[Browser]:
    """One browser process. While it runs, its thread has a running event loop: no asyncio.run beside it.

    Pages that one leaves are kept as people's browsers keep them: going back waits for ``commit`` only.
    """
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=chromium_binary(), args=list(ARGUMENTS), ignore_default_args=[KEEPS_NO_PAGES]
        )
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class DemoPage:
    """The page and what can be done on it; collects everything that the browser complains about.

    Without slots: Playwright leaves a note of its own on whoever owns an event handler.
    """

    page: Page
    complaints: list[str] = field(default_factory=list)

    @classmethod
    def open(cls, context: BrowserContext, url: str) -> DemoPage:
        self = cls(context.new_page())
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._note)
        self.page.goto(url)
        return self

    def login(self, name: str) -> None:
        self.page.get_by_label("Your name").fill(name)
        self.page.get_by_role("button", name="Log in").click()
        self.expect_state("Connected")

    def logout(self) -> None:
        self.page.get_by_role("button", name="Log out").click()
        expect(self.page.get_by_label("Your name")).to_be_visible()

    def subscribe(self, channel: str) -> None:
        self.ask_for(channel)
        self.expect_listening(channel)

    def ask_for(self, channel: str) -> None:
        """Ask to listen, whatever the answer."""
        self.page.get_by_label("Channel to listen to").fill(channel)
        self.page.get_by_role("button", name="Subscribe", exact=True).click()

    def unsubscribe(self, channel: str) -> None:
        self.page.get_by_role("button", name=f"Unsubscribe from {channel}").click()
        expect(self.channel(channel)).to_have_count(0)

    def send(self, channel: str, message: str) -> None:
        self.page.get_by_label("Channel to send to").fill(channel)
        self.page.get_by_label("Message", exact=True).fill(message)
        self.page.get_by_role("button", name="Send", exact=True).click()

    def channel(self, name: str) -> Locator:
        return self.page.locator(f'.channel[data-name="{name}"]')

    @property
    def messages(self) -> Locator:
        return self.page.get_by_role("log").get_by_role("listitem")

    @property
    def notes(self) -> Locator:
        """What is said about the connection, between the messages."""
        return self.page.get_by_role("log").get_by_role("note")

    @property
    def people(self) -> Locator:
        return self.page.locator("#people .person")

    @property
    def notices(self) -> Locator:
        return self.page.locator("#notices .notice")

    def expect_state(self, text: str) -> None:
        expect(self.page.locator("#state-text")).to_have_text(text, timeout=20_000)

    def expect_listening(self, channel: str) -> None:
        expect(self.page.locator(f'.channel[data-name="{channel}"][data-state=live]')).to_be_visible()

    def expect_refused(self, channel: str) -> None:
        refused = self.page.locator(f'.channel[data-name="{channel}"][data-state=refused]')
        expect(refused).to_be_visible()
        expect(refused).to_contain_text("You may not listen to this channel.")

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)
