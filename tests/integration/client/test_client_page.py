"""Every example in Python of docs/client.md, against a running server."""

from __future__ import annotations

import asyncio
import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.realtime_world import World, serving, until
from tests.support.v1_world import SECRET, open_v1, token
from tornado_realtime import errors
from tornado_realtime.realtime import Realtime

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "client.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
PRINTED = [["news 0", "news 1"], ["message 0", "2 users are here"], ["published"], ["written to 0"]]
CADDYFILE = """\
go_handler {
	broadcast_secret shown-by-the-application
	jwt {
		secret "a secret of at least thirty-two bytes"
	}
	channel * {
		history 100 1h
		presence on
		publish authenticated
	}
}
"""


def example(block: str, world: World, say: Callable[[str], None]) -> Any:
    """The coroutine that a block is."""
    code = block.replace("https://example.com", f"http://localhost:{world.port}")
    names: dict[str, Any] = {
        "token": token(),
        "secret": "shown-by-the-application",
        "print": lambda *words: say(" ".join(map(str, words))),
    }
    exec(f"async def example():\n{textwrap.indent(code, '    ')}", names)
    return names["example"]()


@pytest.mark.parametrize(("block", "printed"), list(zip(BLOCKS, PRINTED, strict=True)))
def test_example(block: str, printed: list[str]) -> None:
    async def main() -> None:
        said: asyncio.Queue[str] = asyncio.Queue()
        async with serving(Realtime.from_caddyfile(CADDYFILE)) as world:
            running = asyncio.create_task(example(block, world, said.put_nowait))
            if "async for" in block:
                await until(lambda: world.hub.subscribers("news"))
            for n, line in enumerate(printed):
                if line.endswith("are here"):
                    fields = f"Sec-WebSocket-Protocol: realtime.v1.json, bearer.{token('u-8')}"
                    await (await open_v1(world, fields=[fields])).say("subscribe", channel="news")
                elif "written" not in line:
                    await world.realtime.publish("news", str(n))
                assert await asyncio.wait_for(said.get(), 5) == line
            if "async for" in block:
                running.cancel()
            await asyncio.gather(running, return_exceptions="async for" in block)

    assert SECRET in CADDYFILE
    asyncio.run(main())


def test_every_error_of_a_client_is_told_of() -> None:
    named = set(re.findall(r"^\| `(\w+Error)` \|", PAGE, re.MULTILINE))
    kinds = {kind.__name__ for kind in vars(errors).values() if _is_a_clients(kind)}
    assert named == kinds - {"ClientError"} | {"ConnectionClosedError"}


def _is_a_clients(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, errors.ClientError)
