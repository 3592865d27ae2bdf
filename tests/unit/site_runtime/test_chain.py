"""The order in which the links of a chain are run, with the exchange a mere stand-in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tornado_realtime.errors import HandlerError
from tornado_realtime.site.chain import Link, ServedSite, Sites, link_chain, the_end
from tornado_realtime.site.exchange import Exchange, Handler, Next


def passing(name: str) -> Handler:
    async def step(exchange: Exchange, next_step: Next) -> None:
        exchange.vars.setdefault("trace", []).append(name)
        await next_step()

    return step


def answering(name: str) -> Handler:
    async def step(exchange: Exchange, next_step: Next) -> None:
        exchange.vars.setdefault("trace", []).append(name)

    return step


def moving(target: str) -> Handler:
    async def step(exchange: Exchange, next_step: Next) -> None:
        exchange.request.target = target
        await next_step()

    return step


def at(target: str) -> Callable[[Exchange], bool]:
    return lambda exchange: exchange.request.target == target


def trace(*links: Link, target: str = "/", after: Handler | None = None) -> list[str]:
    exchange = stand_in(target)

    async def rest() -> None:
        exchange.vars.setdefault("trace", []).append("rest")

    asyncio.run(cast(Any, link_chain(links)(exchange, rest)))
    return list(exchange.vars.get("trace", []))


def stand_in(target: str) -> Exchange:
    request = SimpleNamespace(target=target, original_method="GET", original_target=target)
    return cast(Exchange, SimpleNamespace(request=request, vars={}))


def test_links_run_in_order_and_then_the_rest() -> None:
    assert trace(Link(passing("a")), Link(passing("b"))) == ["a", "b", "rest"]
    assert trace() == ["rest"]


def test_an_answer_ends_the_chain() -> None:
    assert trace(Link(passing("a")), Link(answering("b")), Link(passing("c"))) == ["a", "b"]


def test_a_link_that_does_not_match_is_skipped() -> None:
    assert trace(Link(passing("a"), at("/other")), Link(passing("b"), at("/"))) == ["b", "rest"]


def test_matchers_are_asked_when_they_are_reached() -> None:
    links = (Link(passing("early"), at("/new")), Link(moving("/new")), Link(passing("late"), at("/new")))
    assert trace(*links) == ["late", "rest"]


def test_of_a_group_only_the_first_match_is_run() -> None:
    links = (
        Link(passing("a"), at("/no"), "handle"),
        Link(passing("b"), None, "handle"),
        Link(passing("c"), None, "handle"),
        Link(passing("d"), None, "other"),
        Link(passing("e")),
        Link(passing("f")),
    )
    assert trace(*links) == ["b", "d", "e", "f", "rest"]


def test_groups_of_an_inner_chain_are_its_own() -> None:
    inner = link_chain([Link(passing("in 1"), None, "handle"), Link(passing("in 2"), None, "handle")])
    links = (Link(inner, None, "handle"), Link(passing("out"), None, "handle"), Link(passing("end")))
    assert trace(*links) == ["in 1", "end", "rest"]


def test_a_handle_block_does_not_end_the_request() -> None:
    inner = link_chain([Link(passing("header only"))])
    assert trace(Link(inner, None, "handle"), Link(answering("php"))) == ["header only", "php"]


def test_nothing_follows_a_terminal_link() -> None:
    inner = link_chain([Link(passing("a"), terminal=True), Link(passing("b"))])
    assert trace(Link(inner), Link(passing("c"))) == ["a"]


def test_failures_pass_through() -> None:
    async def fail(exchange: Exchange, next_step: Next) -> None:
        raise HandlerError(404, "nothing here")

    with pytest.raises(HandlerError):
        trace(Link(fail))


def test_the_first_site_that_matches_is_final() -> None:
    first = ServedSite(answering("first"), matches=at("/first"))
    second = ServedSite(answering("second"), matches=at("/second"))
    catch_all = ServedSite(answering("all"))
    assert Sites([first, second, catch_all]).pick(stand_in("/second")) is second
    assert Sites([first, second, catch_all]).pick(stand_in("/third")) is catch_all
    assert Sites([first]).pick(stand_in("/third")) is None


def test_the_end_does_nothing() -> None:
    asyncio.run(the_end())
