"""What was measured, for people and for programs."""

from __future__ import annotations

from typing import Any

from tornado_realtime.bench.run import Outcome, Part
from tornado_realtime.bench.stretch import Rate

SATURATED = 0.9
"""Share of a core from which this program, not the server, may have been the limit."""
_FRACTIONS = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Plain values; durations in seconds, latencies in milliseconds, rates a second."""
    options = outcome.options
    return {
        "target": str(outcome.target),
        "subscribers": options.subscribers,
        "channels": options.channels,
        "publishers": options.publishers,
        "message_bytes": options.message_bytes,
        "cores": outcome.cores,
        "connect_seconds": round(outcome.connect_seconds, 4),
        "handshakes_per_second": round(options.subscribers / outcome.connect_seconds, 1),
        "parts": [_part(part) for part in outcome.parts],
    }


def _part(part: Part) -> dict[str, Any]:
    pace = part.pace
    asked = {"rate": round(pace.per_second, 1)} if isinstance(pace, Rate) else {"window": pace.size}
    return {
        "name": part.name,
        **asked,
        "seconds": round(part.seconds, 4),
        "messages": part.messages,
        "messages_per_second": round(part.messages / part.seconds, 1),
        "deliveries": part.deliveries,
        "deliveries_per_second": round(part.deliveries / part.seconds, 1),
        "latency_ms": {name: _ms(part.latency.within(fraction)) for name, fraction in _FRACTIONS.items()}
        | {"max": _ms(part.latency.longest)},
        "generator_cpu": round(part.cpu, 3),
        "generator_saturated": part.cpu > SATURATED,
    }


def _ms(seconds: float) -> float:
    return round(max(0.0, seconds) * 1000, 3)


def as_text(outcome: Outcome) -> str:
    """A table for a terminal."""
    options, seconds = outcome.options, outcome.connect_seconds
    lines = [
        f"{outcome.target}: {_count(options.subscribers, 'subscriber')} on "
        f"{_count(options.channels, 'channel')}, messages of {options.message_bytes:,} bytes",
        "",
        f"  connected and subscribed in {seconds:.2f} s: {options.subscribers / seconds:,.0f} handshakes/s",
        "",
        *_table([_HEAD, *(_cells(part) for part in outcome.parts)]),
        "",
        *_remarks(outcome),
    ]
    return "\n".join(lines) + "\n"


_HEAD = ("", "load", "messages/s", "deliveries/s", "p50 ms", "p99 ms", "max ms", "this program")


def _cells(part: Part) -> tuple[str, ...]:
    pace = part.pace
    load = f"{pace.per_second:,.1f}/s" if isinstance(pace, Rate) else f"{pace.size} under way"
    latency = part.latency
    return (
        part.name,
        load,
        f"{part.messages / part.seconds:,.0f}",
        f"{part.deliveries / part.seconds:,.0f}",
        *(f"{_ms(value):.2f}" for value in (latency.within(0.5), latency.within(0.99), latency.longest)),
        f"{part.cpu:.0%} CPU",
    )


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  " + _line(row, widths) for row in rows]


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    first, *rest = zip(row, widths, strict=True)
    return "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)])


def _remarks(outcome: Outcome) -> list[str]:
    remarks = ["Every message arrived exactly once."]
    if any(part.name == "limit" and part.cpu > SATURATED for part in outcome.parts):
        remarks.append("At the limit this program was busy all the time: the server carries more than that.")
    if outcome.cores < 2:
        remarks.append("Server and load share the only core: on two, the server would carry more.")
    return remarks


def _count(size: int, noun: str) -> str:
    return f"{size:,} {noun}{'' if size == 1 else 's'}"
