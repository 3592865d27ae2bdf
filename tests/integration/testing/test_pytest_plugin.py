"""The pytest plugin in a project of its own, and what it costs everybody else."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest_plugins = ["pytester"]

PROJECT = """
import asyncio

import pytest


def test_with_asyncio(realtime_server):
    async def main():
        async with realtime_server(wire="envelope") as server:
            client = await server.connect(user="u1")
            await client.subscribe("news")
            await server.publish("news", "[1]")
            assert (await client.receive_json())["payload"] == [1]
            assert server.published == [("news", "[1]")]

    asyncio.run(main())


@pytest.mark.gen_test
async def test_with_pytest_tornado(realtime_server):
    async with realtime_server() as server:
        client = await server.connect()
        await client.subscribe("news")
        await client.receive_nothing()
"""


def test_the_fixture(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(PROJECT)
    done = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider")
    done.assert_outcomes(passed=2)


def test_the_fixture_is_told_of(pytester: pytest.Pytester) -> None:
    done = pytester.runpytest_subprocess("--fixtures", "-p", "no:cacheprovider")
    done.stdout.fnmatch_lines(["realtime_server -- *", "*Serves a realtime instance on a free port*"])


def test_loading_the_plugin_loads_nothing_else() -> None:
    script = """
        import sys
        import tornado_realtime.testing.plugin
        print([name for name in ("tornado", "asyncio", "lark", "redis", "jwt") if name in sys.modules])
    """
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(line.strip() for line in script.splitlines())],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout.strip() in ("[]", "['asyncio']")  # some versions of pytest import asyncio themselves


@pytest.mark.parametrize("package", ["tornado_realtime", "tornado_realtime.testing"])
def test_the_public_names_are_there(package: str) -> None:
    module = __import__(package, fromlist=["*"])
    assert set(module.__all__) <= set(dir(module))
    for name in module.__all__:
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = module.nonsense
