from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from typing import IO

import pytest

from tornado_realtime.errors import ConnectionClosedError, HandlerError
from tornado_realtime.site.php_body import MEMORY_BYTES, BodyTaker, TakenBody


class Source:
    """A request body that remembers how much of it was asked for."""

    def __init__(self, *pieces: bytes, length: int | None = None, breaks: bool = False) -> None:
        self.content_length = length
        self.given = 0
        self._pieces = pieces
        self._breaks = breaks

    async def body(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            self.given += len(piece)
            yield piece
        if self._breaks:
            raise ConnectionClosedError("gone")


async def content(body: TakenBody) -> bytes:
    if isinstance(body.content, bytes):
        return body.content
    return b"".join([piece async for piece in body.content])


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("size", [0, 1, MEMORY_BYTES, MEMORY_BYTES + 1, 3 * MEMORY_BYTES])
def test_takes_all_of_it(size: int, announced: bool) -> None:
    async def main() -> None:
        data = bytes(range(256)) * (size // 256 + 1)
        data = data[:size]
        pieces = [data[at : at + 50_000] for at in range(0, size, 50_000)]
        async with BodyTaker().take(Source(*pieces, length=size if announced else None)) as body:
            assert body.size == size
            assert isinstance(body.content, bytes) is (size <= MEMORY_BYTES)
            assert await content(body) == data

    asyncio.run(main())


def test_an_announced_length_is_judged_before_anything_is_read() -> None:
    async def main() -> None:
        source = Source(b"x" * 11, length=11)
        with pytest.raises(HandlerError) as caught:
            async with BodyTaker(10).take(source):
                pass
        assert caught.value.status == 413
        assert source.given == 0

    asyncio.run(main())


@pytest.mark.parametrize("limit", [100, MEMORY_BYTES + 100])
def test_an_unknown_length_is_judged_while_reading(limit: int) -> None:
    async def main() -> None:
        source = Source(*(b"x" * 1000 for _ in range(1000)))
        with pytest.raises(HandlerError) as caught:
            async with BodyTaker(limit).take(source):
                pass
        assert caught.value.status == 413
        assert limit < source.given <= limit + 1000

    asyncio.run(main())


def test_the_limit_itself_is_allowed() -> None:
    async def main() -> None:
        async with BodyTaker(10).take(Source(b"x" * 10)) as body:
            assert body.size == 10

    asyncio.run(main())


@pytest.mark.parametrize("size", [10, MEMORY_BYTES + 1])
def test_a_sender_that_goes_away(size: int) -> None:
    async def main() -> None:
        with pytest.raises(ConnectionClosedError):
            async with BodyTaker().take(Source(b"x" * size, breaks=True)):
                pass

    asyncio.run(main())


def test_few_large_bodies_at_once_and_small_ones_always() -> None:
    async def main() -> None:
        taker = BodyTaker(large_bodies=1, patience=0.01)
        large = b"x" * (MEMORY_BYTES + 1)
        async with taker.take(Source(large)):
            async with taker.take(Source(b"small")) as small:
                assert await content(small) == b"small"
            with pytest.raises(HandlerError) as caught:
                async with taker.take(Source(large)):
                    pass
            assert caught.value.status == 503
        async with taker.take(Source(large)) as body:
            assert await content(body) == large

    asyncio.run(main())


def test_a_full_disk_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> IO[bytes]:
        raise OSError(28, "No space left on device")

    async def main() -> None:
        monkeypatch.setattr(tempfile, "TemporaryFile", full)
        with pytest.raises(HandlerError) as caught:
            async with BodyTaker().take(Source(b"x" * (MEMORY_BYTES + 1))):
                pass
        assert caught.value.status == 507

    asyncio.run(main())
