"""How much clients may take together, and each of them: the options that protect the server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tornado_realtime.rates import Rate
from tornado_realtime.settings.option import Converter, Option, number, read_number

_MOST = 1_000_000


def _number_or_off(field_name: str) -> Converter:
    def convert(words: Sequence[str]) -> dict[str, Any]:
        return {field_name: 0 if words[0] == "off" else read_number(words[0])}

    return convert


def _max_connections(words: Sequence[str]) -> dict[str, Any]:
    if words[0] == "auto":
        return {"max_connections": None}
    return _number_or_off("max_connections")(words)


def _rate(field_name: str) -> Converter:
    """``off``, or so many a second, and how many at once (as many, if that is not said)."""

    def convert(words: Sequence[str]) -> dict[str, Any]:
        if words[0] == "off" and len(words) == 1:
            return {field_name: None}
        per_second, burst = (read_number(word, _MOST) for word in (words[0], words[-1]))
        return {field_name: Rate(float(per_second), burst)}

    return convert


LIMIT_OPTIONS: tuple[Option, ...] = (
    Option(
        "max_connections",
        _max_connections,
        "NUMBER|auto|off",
        "auto",
        "How many clients may be connected; one more gets 503. `auto`: nine tenths of the files that the "
        "process may have open.",
    ),
    Option(
        "max_connections_per_address",
        _number_or_off("max_connections_per_address"),
        "NUMBER|off",
        "off",
        "How many of them from one address (IPv6: one /64 network); one more gets 429.",
    ),
    Option(
        "max_connections_per_user",
        _number_or_off("max_connections_per_user"),
        "NUMBER|off",
        "off",
        "How many of them may be one user's; one more gets 429.",
    ),
    Option(
        "handshake_rate",
        _rate("handshake_rate"),
        "NUMBER [BURST]|off",
        "off",
        "How many handshakes a second one address may begin, BURST of them at once; above it: 429.",
        most=2,
    ),
    Option(
        "message_rate",
        _rate("message_rate"),
        "NUMBER [BURST]|off",
        "100 500",
        "How many messages and pings a second one client may send, BURST of them at once; above it: "
        "close 1008.",
        most=2,
    ),
    Option(
        "max_channels",
        number("max_channels"),
        "NUMBER",
        "128",
        "How many channels one client may be subscribed to at a time; one more subscription is refused.",
    ),
)
