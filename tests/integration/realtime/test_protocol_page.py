"""Every question by curl on docs/protocol.md, asked of a running server."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.realtime_world import realtime, serving
from tests.support.v1_world import open_v1

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "protocol.md").read_text(encoding="utf-8")
CONSOLES = re.findall(r"^```console\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
SECRET = "s3cret"
NAME = "sXh2qPmDkz0R"
# What is new with each start, whatever its digits.
NAMES = re.compile(
    r'(?<="node":")[0-9a-f]{16}(?=")|(?<="client":")[A-Za-z0-9_-]{12}(?=")|(?<="time":)[0-9]{13}(?=[,}])'
    r'|(?<="epoch":")[A-Za-z0-9_-]+(?=")|(?<="next":")[A-Za-z0-9_-]+(?=:[0-9]+")'
)


def steps(text: str) -> Iterator[tuple[str, str]]:
    """Commands, each with what it says."""
    for part in filter(None, re.split(r"^\$ ", text, flags=re.MULTILINE)):
        command, _, said = part.partition("\n")
        yield command, said


async def run(command: str, port: int) -> str:
    process = await asyncio.create_subprocess_exec(
        "sh",
        "-ec",
        command.replace("curl ", "curl -s ").replace("localhost:8080", f"127.0.0.1:{port}"),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "SECRET": SECRET},
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    return said.decode()


@pytest.mark.parametrize("text", CONSOLES)
def test_what_is_asked_is_answered(text: str) -> None:
    assert shutil.which("curl"), "curl is missing: install the package curl (make test does)"

    async def main() -> None:
        instance = realtime(
            authenticate=lambda request: "ada@example.com",
            broadcast_secret=SECRET,
            channel={"chat*": {"presence": "on"}, "orders": {"history": [100, "1h"]}},
        )
        async with serving(instance) as world:
            await world.open("chat", "chat.eu")
            client = await open_v1(world, "chat", "chat.us")
            for command, answer in steps(text):
                said = await run(command.replace(NAME, client.name), world.port)
                assert NAMES.sub("-", said) == NAMES.sub("-", answer)

    asyncio.run(main())


def test_there_are_such_questions() -> None:
    assert CONSOLES
