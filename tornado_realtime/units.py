"""Durations and sizes as Go programs write them: ``1h30m``, ``500ms``, ``2d``; ``16kb``, ``1MiB``."""

from __future__ import annotations

import re

_SECONDS = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,  # U+00B5
    "μs": 1e-6,  # U+03BC
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86400.0,
}
_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)([a-zµμ]+)")
_SIZE = re.compile(r"([0-9][0-9,]*(?:\.[0-9]*)?|\.[0-9]+) *([A-Za-z]*)")
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5, "e": 6}
_LONGEST = 100


def parse_duration(text: str) -> float:
    """Seconds in a duration: numbers with a unit each, put one after another; ``0`` needs no unit.

    Units are ns, us, ms, s, m, h and d (24 hours). A leading sign is allowed.

    Raises:
        ValueError: When it is anything else, above all a number without a unit.
    """
    body = text[1:] if text[:1] in ("+", "-") else text
    if body == "0":
        return 0.0
    if body.isascii() and body.isdigit():
        raise ValueError(
            f"duration {text!r} has no unit: write {text}s for seconds or {text}ms for milliseconds"
        )
    seconds = _sum_parts(body) if 0 < len(body) <= _LONGEST else None
    if seconds is None:
        raise ValueError(f"{text!r} is not a duration: write something like 10s, 500ms, 1h30m or 2d")
    return -seconds if text[0] == "-" else seconds


def _sum_parts(body: str) -> float | None:
    total, position = 0.0, 0
    while position < len(body):
        part = _DURATION_PART.match(body, position)
        if part is None or part[2] not in _SECONDS:
            return None
        total += float(part[1]) * _SECONDS[part[2]]
        position = part.end()
    return total


def parse_size(text: str) -> int:
    """Bytes in a size: a number and a unit; ``kb`` is 1000 bytes, ``KiB`` 1024, no unit means bytes.

    Raises:
        ValueError: When it is anything else.
    """
    found = _SIZE.fullmatch(text) if len(text) <= _LONGEST else None
    factor = _size_factor(found[2].lower()) if found else None
    if found is None or factor is None:
        raise ValueError(f"{text!r} is not a size: write something like 512, 16kb or 1MiB")
    return int(float(found[1].replace(",", "")) * factor)


def _size_factor(unit: str) -> int | None:
    letter = unit.removesuffix("b")
    base = 1000
    if letter.endswith("i") and len(letter) == 2:
        letter, base = letter[0], 1024
    power = _POWERS.get(letter)
    return None if power is None else base**power
