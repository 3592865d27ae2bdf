"""Which content codings a client takes (RFC 9110 12.5.3)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache


@lru_cache(maxsize=256)
def parse_qualities(value: str) -> dict[str, float]:
    """The words of a header such as Accept-Encoding in lower case, each with its quality (0..1)."""
    return dict(_word(item) for item in value.split(",") if item.strip())


def accepted_codings(value: str, offered: Sequence[str]) -> list[str]:
    """Of the codings we offer in our order of preference, those the client takes, its favourites first."""
    qualities = parse_qualities(value)
    rest = qualities.get("*", 0.0)
    wanted = [(qualities.get(coding, rest), coding) for coding in offered]
    return [coding for quality, coding in sorted(wanted, key=lambda pair: -pair[0]) if quality > 0]


def _word(item: str) -> tuple[str, float]:
    name, *parameters = (part.strip().lower() for part in item.split(";"))
    for parameter in parameters:
        key, _, number = parameter.partition("=")
        if key.strip() == "q":
            return name, _quality(number.strip())
    return name, 1.0


def _quality(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0.0 <= value <= 1.0 else 0.0
