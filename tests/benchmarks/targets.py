"""What must be reached: our figures, alone or beside another one of the same run."""

from __future__ import annotations

from dataclasses import dataclass

from tests.benchmarks import resubscribe, streams
from tests.benchmarks.plan import (
    CROWD,
    FANOUT,
    HANDSHAKE,
    HISTORY,
    IDLE,
    KEPT,
    LATENCY,
    MANY,
    NODES,
    PRESENCE,
    PUBLISH,
    RATE,
    RESTART,
    STORM,
    STREAM,
    Reading,
    Scale,
    deliveries,
    handshakes,
    memory,
    p99,
    publishes,
    turn,
)


@dataclass(frozen=True, slots=True)
class Side:
    """One of two things compared: a reading of a contender in a scenario."""

    scenario: str
    contender: str
    read: Reading
    phase: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table of targets.

    Attributes:
        work: What is done.
        ours: Our side.
        beside: Who it is compared with; None for a row with a limit of its own.
        against: How the other side is called, where that is the same server.
        unit: Of both sides.
        reach: What the ratio, or without ``beside`` the figure itself, must be.
        at_most: Whether ``reach`` is a ceiling, not a floor.
    """

    work: str
    ours: Side
    beside: Side | None
    unit: str
    reach: float
    at_most: bool = False
    against: str = "itself at 1,000"

    def reached(self, value: float) -> bool:
        """Whether ``value`` will do."""
        return value <= self.reach if self.at_most else value >= self.reach


_PER_SECOND = "deliveries/s"
_PEERS_AT_64 = {"c-joined": 1.0, "nats": 3.0, "socketify": 1.5, "ws": 1.5, "nchan": 8.0, "websockets": 10.0}


def _beside(scenario: str, contender: str, read: Reading, phase: str = "") -> tuple[Side, Side]:
    return Side(scenario, "ours", read, phase), Side(scenario, contender, read, phase)


def rows(scale: Scale) -> list[Row]:
    """Every target."""
    first = (*_fan_out_rows(), *_crowd_rows(scale), *_other_rows(scale))
    return [*first, *_v1_rows(scale), *_stream_rows(scale), *_redis_rows(scale)]


def _fan_out_rows() -> list[Row]:
    def row(work: str, phase: str, contender: str, reach: float) -> Row:
        sides = _beside(FANOUT, contender, deliveries(phase), phase)
        return Row(f"fan-out to 1,000, {work}", *sides, _PER_SECOND, reach)

    found = [row("window 64", "w64", contender, reach) for contender, reach in _PEERS_AT_64.items()]
    found.insert(1, row("window 16", "w16", "c-joined", 0.7))
    return [*found, row("one message at a time", "w1", "c-each", 0.8)]


def _crowd_rows(scale: Scale) -> list[Row]:
    full = deliveries("w64")
    crowd, thousand = Side(CROWD, "ours", full, "w64"), Side(FANOUT, "ours", full, "w64")
    size = f"{scale.crowd:,} subscribers"
    return [
        Row("1,000 channels x 5, window 64", *_beside(MANY, "nats", full, "w64"), _PER_SECOND, 1.2),
        Row(f"fan-out to {size}, window 64, beside 1,000", crowd, thousand, _PER_SECOND, 0.85),
        Row(
            f"longest turn of the loop, {size} at full load",
            Side(CROWD, "ours", turn, "turn"),
            None,
            "ms",
            20.0,
            at_most=True,
        ),
    ]


def _other_rows(scale: Scale) -> list[Row]:
    return [
        Row(
            f"latency p99, 1,000 subscribers x {RATE:g}/s",
            *_beside(LATENCY, "nchan", p99, "rate"),
            "ms",
            1.1,
            at_most=True,
        ),
        Row(
            f"memory of an idle subscriber, {scale.idle:,} of them",
            Side(IDLE, "ours", memory, "idle"),
            None,
            "KiB",
            1.5,
            at_most=True,
        ),
        Row(
            "publish requests, nobody subscribed",
            *_beside(PUBLISH, "tornado-bare", publishes, "w64"),
            "requests/s",
            8.0,
        ),
        Row("handshakes", *_beside(HANDSHAKE, "tornado", handshakes), "handshakes/s", 4.0),
    ]


def _v1_rows(scale: Scale) -> list[Row]:
    full = deliveries("w64")
    newer, raw = Side(FANOUT, "ours-v1", full, "w64"), Side(FANOUT, "ours", full, "w64")
    return [
        Row("fan-out to 1,000 on realtime.v1.json, window 64, beside raw", newer, raw, _PER_SECOND, 0.9),
        Row(
            "an idle subscriber on realtime.v1.json",
            Side(IDLE, "ours-v1", memory, "idle"),
            None,
            "KiB",
            2.0,
            at_most=True,
        ),
    ]


def _stream_rows(scale: Scale) -> list[Row]:
    few, many = scale.members

    def back(contender: str, read: Reading = streams.seconds) -> Side:
        return Side(STORM, contender, read)

    return [
        Row(
            "fan-out to 1,000 on a channel with a history, window 64",
            Side(STREAM, "ours-stream", deliveries("w64"), "w64"),
            Side(STREAM, "ours-v1", deliveries("w64"), "w64"),
            _PER_SECOND,
            0.8,
        ),
        Row(
            f"{scale.crowd:,} clients come back at once and recover {streams.MISSED} messages each",
            back("ours-stream"),
            back("ours-v1"),
            "s",
            1.5,
            at_most=True,
        ),
        Row(
            f"slowest turn of the loop while {scale.crowd:,} clients recover",
            back("ours-stream", streams.turn),
            None,
            "ms",
            20.0,
            True,
        ),
        Row(
            f"pages of {streams.PAGE} of a history",
            Side(HISTORY, "ours-stream", streams.pages),
            Side(HISTORY, "ours-stream", streams.pongs),
            "answers/s",
            0.1,
            against="its pongs",
        ),
        Row(
            f"a user comes to a channel of {many:,} present, beside {few:,}",
            Side(PRESENCE, "ours-presence", streams.large_us),
            Side(PRESENCE, "ours-presence", streams.small_us),
            "us",
            1.5,
            at_most=True,
            against=f"itself at {few:,}",
        ),
    ]


def _redis_rows(scale: Scale) -> list[Row]:
    def two(read: Reading, phase: str, beside: str) -> tuple[Side, Side]:
        return Side(NODES, "ours-two", read, phase), Side(NODES, beside, read, phase)

    def restart(read: Reading) -> Side:
        return Side(RESTART, "ours-redis", read)

    full, channels = deliveries("w64"), f"{scale.channels:,} channels"
    work = "1,000 subscribers at two nodes over Redis, one core"
    return [
        Row(f"fan-out to {work}", *two(full, "w64", "ours"), _PER_SECOND, 0.15),
        Row(f"fan-out to {work}", *two(full, "w64", "nats"), _PER_SECOND, 2.0),
        Row(f"latency p99, {work}", *two(p99, "rate", "ours"), "ms", 1.5, at_most=True),
        Row(f"latency p99, {work}", *two(p99, "rate", "nats"), "ms", 1.5, at_most=True),
        Row(f"{channels}, back after a restart of Redis", restart(resubscribe.seconds), None, "s", 2.0, True),
        Row(f"{channels}, commands for that", restart(resubscribe.commands), None, "commands", 50.0, True),
        Row(
            "publishing over Redis on a channel with a history, nobody subscribed",
            Side(KEPT, "ours-one-stream", publishes),
            Side(KEPT, "ours-one", publishes),
            "messages/s",
            0.5,
        ),
    ]
