"""Serves the first server of a Caddyfile on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tests.support.rawhttp import Answered, RunningFront, serving
from tests.support.site_plans import plan_of
from tornado_realtime.server.generation import Generation
from tornado_realtime.wire.base import Farewell

Steps = Callable[[RunningFront], Awaitable[None]]


def serve(text: str, steps: Steps) -> None:
    """Run ``steps`` against a Caddyfile."""

    async def main() -> None:
        generation = Generation(plan_of(text))
        _, answer, options = generation.sites[0]
        await generation.start()
        try:
            async with serving(answer, options) as site:
                await steps(site)
        finally:
            await generation.close_realtimes(Farewell.SHUTDOWN, 1.0)
            await generation.stop_resources()

    asyncio.run(main())


def answers(text: str, *targets: str) -> list[Answered]:
    """The answers of a whole Caddyfile to GET requests."""
    found: list[Answered] = []

    async def steps(site: RunningFront) -> None:
        for target in targets:
            found.append(await site.get(target))  # noqa: PERF401

    serve(text, steps)
    return found


def bodies(directives: str, *targets: str) -> list[str]:
    """The bodies that a site with these directives answers with."""
    return [answer.body.decode() for answer in answers(f":8080 {{\n{directives}\n}}\n", *targets)]
