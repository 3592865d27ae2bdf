"""Input cut and repeated, always the same way for the same input: a finding must be one file, no more."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from random import Random
from zlib import crc32

LARGE_BYTES = 64 * 1024
_RARELY = 16


def ways_to_cut(data: bytes) -> Iterator[list[bytes]]:
    """``data`` in one piece, byte by byte if it is short, and cut somewhere."""
    yield [data]
    if len(data) <= 300:
        yield [data[at : at + 1] for at in range(len(data))]
    random = Random(crc32(data))
    cuts = sorted(random.randrange(len(data) + 1) for _ in range(random.randrange(1, 6)))
    yield [data[start:end] for start, end in pairwise([0, *cuts, len(data)])]


def grown(data: bytes) -> bytes | None:
    """``data`` again and again, 64 KiB of it, for one input in sixteen; else None.

    What takes more time than in proportion to its input shows here, as an input that hangs.
    """
    if not data or crc32(data) % _RARELY:
        return None
    return data * (LARGE_BYTES // len(data) + 1)
