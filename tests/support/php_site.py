"""A Caddyfile with PHP, served in this process on a free port, with whatever php-fpm it starts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.rawhttp import RunningFront, serving
from tornado_realtime.caddyfile import parse
from tornado_realtime.server.generation import Generation
from tornado_realtime.site.adapter import adapt

Steps = Callable[[RunningFront], Awaitable[None]]


def generation_of(text: str, file: str = "Caddyfile") -> Generation:
    """The configuration built, nothing started."""
    return Generation(adapt(parse(text, file, {})))


@asynccontextmanager
async def serving_php(text: str, file: str = "Caddyfile") -> AsyncIterator[RunningFront]:
    """Serve the only server of a Caddyfile; everything it started is stopped afterwards."""
    generation = generation_of(text, file)
    ((_, answer, options),) = generation.sites
    try:
        await generation.start()
        async with serving(answer, options) as site:
            yield site
    finally:
        await generation.stop_resources()


def run_site(root: Path, steps: Steps, block: str = "", rest: str = "") -> None:
    """Serve a folder by ``php_server`` and let ``steps`` make requests."""

    async def main() -> None:
        text = f"http://:8080 {{\n\troot * {root}\n{rest}\n\tphp_server {{\n{block}\n\t}}\n}}\n"
        async with serving_php(text, str(root / "my.conf")) as site:
            await steps(site)

    asyncio.run(main())
