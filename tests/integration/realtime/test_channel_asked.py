"""What an application can ask about one channel: who is present."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

import pytest

from tests.integration.realtime.test_directory import NAMES, read
from tests.support.presence_world import by_name, come, come_raw, present, telling
from tests.support.realtime_world import World, realtime, serving

CHANNELS = "/internal/channels/"
NO_PRESENCE = {"reason": "no channel block says that there is presence here"}


async def presence(world: World, query: str = "", channel: str = "chat") -> dict[str, Any]:
    found: dict[str, Any] = read(await world.ask(f"{CHANNELS}{quote(channel, safe='')}/presence{query}"))
    assert found.pop("channel") == channel
    return found


def test_who_is_present_a_page_at_a_time() -> None:
    async def main() -> None:
        async with serving(telling()) as world:
            assert await presence(world) == {"count": 0, "members": {}}
            for user in ("cleo", "ada", "bob"):
                await come(world, user, "chat")
            await come_raw(world, "ada", "chat")
            found = await presence(world)
            assert found["count"] == 3
            assert list(found["members"]) == ["ada", "bob", "cleo"]
            assert found["members"]["ada"]["conns"] == 2
            page = await presence(world, "?limit=2")
            assert (list(page["members"]), page["next"]) == (["ada", "bob"], "bob")
            page = await presence(world, "?limit=2&after=bob")
            assert page == {"count": 3, "members": present("cleo")}

    asyncio.run(main())


@pytest.mark.parametrize("name", [*NAMES, "presence", "a/presence", "/presence"])
def test_channels_of_any_name_can_be_asked_about(name: str) -> None:
    async def main() -> None:
        instance = realtime(channel={"*": {"presence": "on"}}, authenticate=by_name)
        async with serving(instance) as world:
            await come(world, "ada", name)
            assert (await presence(world, channel=name))["count"] == 1
            # A client that leaves slashes as they are means the same.
            found = read(await world.ask(f"{CHANNELS}{quote(name)}/presence"))
            assert (found["channel"], found["count"]) == (name, 1)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        ("chat/presence", 404, NO_PRESENCE["reason"]),
        ("chat/presence?limt=5", 400, "'limt' is not known here (did you mean limit?)"),
        ("chat/presence?limit=0", 400, "limit must be a whole number from 1 to 1000"),
        ("chat/members", 404, "of a channel there is "),
        ("chat", 404, "of a channel there is "),
        ("chat/", 404, "of a channel there is "),
        ("", 404, "of a channel there is "),
        ("chat%2Fpresence", 404, "of a channel there is "),
        ("chat/%ff", 400, "the path is not UTF-8, percent-encoded"),
        ("%ff/presence", 400, "the channel's name is not UTF-8, percent-encoded"),
        ("/presence", 400, "a channel's name has 1 to 255 bytes and no control characters"),
        ("a%00/presence", 400, "a channel's name has 1 to 255 bytes and no control characters"),
    ],
)
def test_what_makes_no_sense(path: str, status: int, reason: str) -> None:
    async def main() -> None:
        async with serving(realtime()) as world:
            assert read(await world.ask(CHANNELS + path), status)["reason"].startswith(reason)

    asyncio.run(main())


def test_it_is_under_the_rule_and_where_the_application_comes() -> None:
    async def main() -> None:
        path = CHANNELS + "chat/presence"
        async with serving(telling(broadcast_secret="s")) as world:
            assert (await world.ask(path)).status == 403
            assert (await world.ask(path, "X-Broadcast-Secret: s")).status == 200
            assert (await world.ask(path, "X-Broadcast-Secret: s", method="HEAD")).body == b""
            assert (await world.ask(path, "X-Broadcast-Secret: s", method="PUT")).status == 405
        async with serving(telling(broadcast_listen="127.0.0.1:1")) as world:
            assert (await world.ask(path)).status == 404

    asyncio.run(main())
