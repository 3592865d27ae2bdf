"""Joins two streams: what comes in on one goes out on the other, until either ends."""

from __future__ import annotations

import asyncio

from tornado.iostream import IOStream, StreamClosedError

_PIECE_BYTES = 64 * 1024


async def splice(one: IOStream, other: IOStream) -> None:
    """Copy in both directions, no faster than the slower side takes; both are closed at the end."""
    tasks = [asyncio.create_task(_copy(one, other)), asyncio.create_task(_copy(other, one))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        one.close()
        other.close()


async def _copy(source: IOStream, target: IOStream) -> None:
    try:
        while True:
            await target.write(await source.read_bytes(_PIECE_BYTES, partial=True))
    except StreamClosedError:
        return
