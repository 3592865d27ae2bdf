"""Sites and error routes over real sockets."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from tests.support.rawhttp import RunningFront, serving
from tornado_realtime.errors import HandlerError
from tornado_realtime.site.chain import ServedSite, Sites, link_chain
from tornado_realtime.site.exchange import Exchange, Handler, Next


def say(text: str) -> Handler:
    async def step(exchange: Exchange, next_step: Next) -> None:
        await exchange.respond(exchange.default_status, text.encode())

    return step


def fail(status: int) -> Handler:
    async def step(exchange: Exchange, next_step: Next) -> None:
        exchange.request.target = "/rewritten"
        raise HandlerError(status, "failed on purpose")

    return step


async def crash(exchange: Exchange, next_step: Next) -> None:
    raise RuntimeError("a bug")


async def show_error(exchange: Exchange, next_step: Next) -> None:
    assert exchange.error is not None
    text = f"{exchange.error.status} {exchange.error.reason} {exchange.request.target}"
    await exchange.respond(exchange.default_status, text.encode())


def run(sites: Sites, steps: Callable[[RunningFront], Awaitable[None]]) -> None:
    async def main() -> None:
        async with serving(sites.answer) as site:
            await steps(site)

    asyncio.run(main())


def test_sites_by_host_and_an_empty_200_where_there_is_none() -> None:
    def named(name: str) -> ServedSite:
        return ServedSite(say(name), matches=lambda exchange: exchange.request.host_name == name)

    async def steps(site: RunningFront) -> None:
        assert (await site.get("/", "Host: A.example:81")).body == b"a.example"
        assert (await site.get("/", "Host: b.example")).body == b"b.example"
        nobody = await site.get("/", "Host: c.example")
        assert (nobody.status, nobody.body) == (200, b"")

    run(Sites([named("a.example"), named("b.example")]), steps)


def test_a_chain_without_an_answer_is_an_empty_200() -> None:
    async def steps(site: RunningFront) -> None:
        answer = await site.get("/")
        assert (answer.status, answer.body) == (200, b"")

    run(Sites([ServedSite(link_chain([]))]), steps)


def test_error_routes_see_the_error_and_the_request_as_sent() -> None:
    async def steps(site: RunningFront) -> None:
        answer = await site.get("/sent")
        assert (answer.status, answer.body) == (404, b"404 failed on purpose /sent")

    run(Sites([ServedSite(fail(404), show_error)]), steps)


def test_error_routes_that_answer_nothing_leave_the_status() -> None:
    async def steps(site: RunningFront) -> None:
        answer = await site.get("/")
        assert (answer.status, answer.body) == (404, b"")

    run(Sites([ServedSite(fail(404), link_chain([]))]), steps)
    run(Sites([ServedSite(fail(404), fail(403))]), steps)
    run(Sites([ServedSite(fail(404))]), steps)


def test_bugs_are_logged_and_end_in_500(caplog: pytest.LogCaptureFixture) -> None:
    async def steps(site: RunningFront) -> None:
        client = await site.connect()
        assert (await client.request("GET", "/x?secret=1")).body == b"500 unexpected error /x"
        assert (await client.request("GET", "/x")).status == 500

    with caplog.at_level(logging.ERROR):
        run(Sites([ServedSite(crash, show_error)]), steps)
        run(Sites([ServedSite(fail(502), crash)]), lambda site: expect(site, 502))
    assert "Unexpected error while answering GET /x" in caplog.text
    assert "Unexpected error in the error routes of GET /" in caplog.text
    assert "secret" not in caplog.text


async def expect(site: RunningFront, status: int) -> None:
    assert (await site.get("/")).status == status


def test_observers_see_the_finished_exchange() -> None:
    seen: list[tuple[int | None, bool, int]] = []

    def look(exchange: Exchange) -> None:
        seen.append((exchange.status, exchange.finished, exchange.sent_bytes))

    async def steps(site: RunningFront) -> None:
        await site.get("/")

    run(Sites([ServedSite(say("four"), observers=(look,))]), steps)
    run(Sites([ServedSite(fail(404), observers=(look,))]), steps)
    assert seen == [(200, True, 4), (404, True, 0)]
