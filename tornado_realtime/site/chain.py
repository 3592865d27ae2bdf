"""How requests go through a site: links one after the other, error routes after a failure, sites by host."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from tornado_realtime.errors import ConnectionClosedError, HandlerError
from tornado_realtime.site.exchange import Exchange, Handler, Next

logger = logging.getLogger(__name__)

Predicate = Callable[[Exchange], bool]
Observer = Callable[[Exchange], None]


@dataclass(frozen=True, slots=True)
class Link:
    """One route of a chain.

    Attributes:
        handler: What to run.
        matches: Asked when the link is reached, so after the rewrites before it; None always matches.
        group: Of the links of one chain with the same non-empty group only the first that matches is run.
        terminal: Nothing comes after this link once it matched, neither here nor in the chain around.
    """

    handler: Handler
    matches: Predicate | None = None
    group: str = ""
    terminal: bool = False


def link_chain(links: Sequence[Link]) -> Handler:
    """One handler that runs the links in order and then the step after them.

    A link that neither answers nor calls its next step ends the request; ``handle`` blocks are chains
    themselves, so that what follows them is still reached when nothing inside them answers.
    """
    fixed = tuple(links)

    async def run(exchange: Exchange, next_step: Next) -> None:
        await _Walk(fixed, exchange, next_step).step(0)

    return run


async def the_end() -> None:
    """The step after the last one: nobody has answered."""


class _Walk:
    """One exchange on its way through one chain."""

    __slots__ = ("_exchange", "_groups", "_links", "_rest")

    def __init__(self, links: tuple[Link, ...], exchange: Exchange, rest: Next) -> None:
        self._links = links
        self._exchange = exchange
        self._rest = rest
        self._groups: set[str] = set()

    async def step(self, at: int) -> None:
        """Run the first link from ``at`` on that is to be run, or what follows the chain."""
        for index in range(at, len(self._links)):
            link = self._links[index]
            if self._takes(link):
                following = the_end if link.terminal else partial(self.step, index + 1)
                await link.handler(self._exchange, following)
                return
        await self._rest()

    def _takes(self, link: Link) -> bool:
        if link.group in self._groups or not (link.matches is None or link.matches(self._exchange)):
            return False
        if link.group:
            self._groups.add(link.group)
        return True


@dataclass(frozen=True, slots=True)
class ServedSite:
    """A site as a listener serves it.

    Attributes:
        chain: Its routes.
        errors: Its ``handle_errors`` routes; None when it has none.
        matches: Whether it serves a request; None serves every one.
        observers: Told of each exchange when it is over, for access logs.
    """

    chain: Handler
    errors: Handler | None = None
    matches: Predicate | None = None
    observers: tuple[Observer, ...] = ()


class Sites:
    """The sites behind one listener.

    Args:
        sites: In match order; the first that matches is final.
    """

    def __init__(self, sites: Sequence[ServedSite]) -> None:
        self._sites = tuple(sites)

    def pick(self, exchange: Exchange) -> ServedSite | None:
        """The site that serves this request; None when none does."""
        for site in self._sites:
            if site.matches is None or site.matches(exchange):
                return site
        return None

    async def answer(self, exchange: Exchange) -> None:
        """Answer one exchange; what no site serves and what no step answers gets an empty 200."""
        site = self.pick(exchange)
        if site is None:
            await exchange.settle()
            return
        try:
            await _answer(site, exchange)
        finally:
            for observer in site.observers:
                observer(exchange)


async def _answer(site: ServedSite, exchange: Exchange) -> None:
    try:
        await site.chain(exchange, the_end)
        await exchange.settle()
    except (ConnectionClosedError, asyncio.CancelledError):
        exchange.abort()
        raise
    except HandlerError as error:
        await _recover(site, exchange, error)
    except Exception:
        logger.exception("Unexpected error while answering %s", _label(exchange))
        await _recover(site, exchange, HandlerError(500, "unexpected error"))


async def _recover(site: ServedSite, exchange: Exchange, error: HandlerError) -> None:
    """Answer after a failure: by the error routes, else with the bare status."""
    level = logging.WARNING if error.status >= 500 else logging.DEBUG
    logger.log(level, "%s failed with %d: %s", _label(exchange), error.status, error.reason)
    if exchange.answered:
        exchange.abort()
        return
    exchange.error = error
    exchange.request.restore()
    exchange.forget_hooks()
    if site.errors is not None:
        await _run_errors(site.errors, exchange)
    await exchange.settle()


async def _run_errors(errors: Handler, exchange: Exchange) -> None:
    try:
        await errors(exchange, the_end)
    except HandlerError as error:
        logger.warning("Error routes of %s failed with %d: %s", _label(exchange), error.status, error.reason)
    except ConnectionClosedError:
        raise
    except Exception:
        logger.exception("Unexpected error in the error routes of %s", _label(exchange))


def _label(exchange: Exchange) -> str:
    return f"{exchange.request.original_method} {exchange.request.original_target}"
