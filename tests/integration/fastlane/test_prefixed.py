"""A stream on a socket from which something was read already."""

from __future__ import annotations

import asyncio
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tornado.iostream import StreamClosedError

from tornado_realtime.connection import PrefixedStream


def pair(unread: bytes) -> tuple[PrefixedStream, socket.socket]:
    """The stream, and the other end."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    return PrefixedStream(ours, unread), theirs


def test_what_was_read_comes_first() -> None:
    async def main() -> None:
        stream, theirs = pair(b"one two ")
        with theirs:
            theirs.sendall(b"three ")
            assert [await stream.read_until(b" ") for _ in range(3)] == [b"one ", b"two ", b"three "]
            reading = stream.read_until(b" ")
            theirs.sendall(b"four ")
            assert await reading == b"four "
            stream.close()

    asyncio.run(main())


def test_it_is_there_without_a_byte_from_the_socket() -> None:
    async def main() -> None:
        stream, theirs = pair(b"all there is")
        with theirs:
            assert await asyncio.wait_for(stream.read_bytes(12), 1) == b"all there is"
            theirs.close()
            with pytest.raises(StreamClosedError):
                await stream.read_bytes(1)

    asyncio.run(main())


@settings(deadline=None, max_examples=30)
@given(
    st.binary(min_size=1, max_size=200_000),
    st.binary(max_size=1000),
    st.lists(st.integers(1, 70_000), max_size=5),
)
def test_nothing_is_lost_or_moved(unread: bytes, rest: bytes, sizes: list[int]) -> None:
    async def main() -> None:
        stream, theirs = pair(unread)
        theirs.sendall(rest)
        theirs.close()
        found = b""
        for size in sizes:
            found += await stream.read_bytes(
                min(size, len(unread) + len(rest) - len(found)) or 1, partial=True
            )
            if len(found) == len(unread) + len(rest):
                break
        else:
            found += await stream.read_until_close()
        stream.close()
        assert found == unread + rest

    asyncio.run(main())


def test_it_does_not_keep_what_was_used() -> None:
    async def main() -> None:
        unread = bytearray(b"x" * 100)
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        stream = PrefixedStream(ours, unread)  # type: ignore[arg-type]
        with theirs:
            assert await stream.read_bytes(100) == bytes(unread)
            unread.append(0)  # would fail while a view of it is alive
            stream.close()

    asyncio.run(main())
