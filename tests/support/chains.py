"""Runs a chain of steps against real requests on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tests.support.rawhttp import Answered, RunningFront, serving
from tornado_realtime.errors import HandlerError
from tornado_realtime.site.chain import Link, ServedSite, Sites, link_chain
from tornado_realtime.site.exchange import Exchange, Handler, Next

Steps = Callable[[RunningFront], Awaitable[None]]


def run_chain(steps: Steps, *handlers: Handler, errors: Handler | None = None) -> None:
    """Serve the handlers one after the other and let ``steps`` make requests."""
    chain = link_chain([Link(handler) for handler in handlers])

    async def main() -> None:
        async with serving(Sites([ServedSite(chain, errors)]).answer) as site:
            await steps(site)

    asyncio.run(main())


def fetch(
    *handlers: Handler,
    target: str = "/",
    fields: tuple[str, ...] = (),
    method: str = "GET",
    body: bytes = b"",
    errors: Handler | None = None,
) -> Answered:
    """The answer of these handlers to one request."""
    answers: list[Answered] = []

    async def steps(site: RunningFront) -> None:
        answers.append(await site.once(method, target, *fields, body=body))

    run_chain(steps, *handlers, errors=errors)
    return answers[0]


def saying(text: str, **headers: str) -> Handler:
    """A step that answers with a text; ``X_Name`` as a keyword is the header X-Name."""

    async def step(exchange: Exchange, next_step: Next) -> None:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        await exchange.respond(exchange.default_status, text.encode(), fields)

    return step


def failing(status: int) -> Handler:
    """A step that fails with a status."""

    async def step(exchange: Exchange, next_step: Next) -> None:
        raise HandlerError(status, "failed on purpose")

    return step


async def show_request(exchange: Exchange, next_step: Next) -> None:
    """A step that answers with the current method and URI, then one line for each header field."""
    request = exchange.request
    lines = [f"{request.method} {request.uri} {request.host}"]
    lines += [f"{name}: {value}" for name, value in request.headers.get_all()]
    await exchange.respond(200, "\n".join(lines).encode("latin-1"))
