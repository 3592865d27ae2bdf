"""Publishing as an application does, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.client_world import connected, first, lenient, run
from tests.support.realtime_world import serving
from tornado_realtime.client import (
    Publisher,
)
from tornado_realtime.errors import (
    ConnectError,
    ConnectRefusedError,
    InvalidPublicationError,
    PublicationTooLargeError,
)


def test_an_application_publishes() -> None:
    async def main() -> None:
        async with (
            connected(lenient(broadcast_secret="s")) as (world, client),
            client.subscribe("a") as a,
            Publisher(f"http://localhost:{world.port}", "s") as publisher,
        ):
            published = await publisher.publish("a", "ä")
            assert (published.position, published.written, published.repeated) == (None, 1, False)
            assert client.welcome is not None
            assert (await publisher.publish("a", "[1]", exclude=client.welcome.client)).written == 0
            await publisher.publish("a", "2")
            assert [message.payload async for message in first(a, 2)] == ["ä", 2]

    run(main())


@pytest.mark.parametrize(
    ("channel", "message", "error", "words"),
    [
        ("a", "", InvalidPublicationError, "message is empty"),
        ("", "x", InvalidPublicationError, "channel must be a string that is not empty"),
        ("a", b"\xff", InvalidPublicationError, "the message is not UTF-8"),
        ("a", "x" * 2000, PublicationTooLargeError, "a message has at most 1024 bytes"),
    ],
)
def test_what_cannot_be_published(channel: str, message: str | bytes, error: Any, words: str) -> None:
    async def main() -> None:
        async with (
            serving(lenient(max_publication_size="1KiB")) as world,
            Publisher(f"http://localhost:{world.port}") as publisher,
        ):
            with pytest.raises(error, match=words):
                await publisher.publish(channel, message)

    run(main())


@pytest.mark.parametrize(
    ("url", "path", "error", "words"),
    [
        ("http://localhost:{port}", "/internal/broadcast", ConnectRefusedError, "answered 403 Forbidden"),
        ("http://localhost:{port}", "/nowhere", ConnectRefusedError, "answered 404 Not Found"),
        ("http://127.0.0.1:1", "/internal/broadcast", ConnectError, "cannot be reached: Connection refused"),
    ],
)
def test_where_nothing_can_be_published(url: str, path: str, error: Any, words: str) -> None:
    async def main() -> None:
        async with serving(lenient(broadcast_secret="s")) as world:
            publisher = Publisher(url.format(port=world.port), "wrong", path=path)
            with pytest.raises(error, match=words):
                await publisher.publish("a", "x")
            publisher.close()

    run(main())
