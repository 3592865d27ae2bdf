"""What is measured, beside whom, and what must be reached."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.benchmarks import resubscribe
from tests.benchmarks.load import Run, Stretch, Work
from tests.benchmarks.room import Room

FANOUT, MANY, CROWD, LATENCY = "fan-out", "many-channels", "crowd", "latency"
NODES, RESTART = "nodes", "redis-restart"
IDLE, PUBLISH, BATCH, HANDSHAKE, GROWTH = "idle", "publish", "publish-batch", "handshake", "growth"
BATCH_SIZE = 100
RATE = 20.0


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of everything: the full suite, or the quick one.

    Attributes:
        rounds: Runs of every contender, in turns.
        seconds: Of each phase.
        warmup: Seconds before it.
        patient_seconds: Of the phases that need more samples.
        crowd: Subscribers of the largest fan-out.
        idle: Connections of which the memory is weighed.
        handshakes: Connections that are opened for their rate.
        growth: Sizes of the growing fan-out.
        channels: Channels that are subscribed again after a restart of Redis.
        repeats: How often a run that other programs disturbed is tried again.
    """

    name: str
    rounds: int
    seconds: float
    warmup: float
    patient_seconds: float
    crowd: int
    idle: int
    handshakes: int
    growth: tuple[int, ...]
    channels: int
    repeats: int


FULL = Scale("full", 3, 3.0, 0.7, 10.0, 10_000, 10_000, 10_000, (10, 100, 300, 1000, 3000, 10_000), 10_000, 2)
QUICK = Scale("quick", 1, 0.7, 0.2, 1.5, 3_000, 2_000, 2_000, (100, 1000, 3000), 10_000, 0)


@dataclass(frozen=True, slots=True)
class Measure:
    """A measurement of another kind.

    Attributes:
        run: Does it, in a room of its own.
        say: What came out, in one line.
    """

    run: Callable[[Room], Run]
    say: Callable[[Run], str]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One load that several contenders get, in turns.

    Attributes:
        name: As on the command line.
        title: As in the report.
        work: What the generator does.
        contenders: Whose servers get it.
        rounds: How often.
        measure: What is done instead of the generator's work, if that is something else.
    """

    name: str
    title: str
    work: Work
    contenders: tuple[str, ...]
    rounds: int
    measure: Measure | None = None


EVERYBODY = ("ours", "c-joined", "c-each", "nats", "socketify", "ws", "nchan", "websockets", "tornado")


def scenarios(scale: Scale) -> list[Scenario]:
    """Everything, in the order in which it is run."""

    def closed(name: str, window: int) -> Stretch:
        return Stretch(name, scale.seconds, scale.warmup, window)

    windows = (closed("w64", 64), closed("w16", 16), closed("w1", 1))
    full = (closed("w64", 64),)
    crowd = (*full, Stretch("turn", scale.seconds, scale.warmup, probe=True))
    steady = (Stretch("rate", scale.patient_seconds, 1.0, rate=RATE),)
    rounds = scale.rounds
    # Another event loop is a question for a quiet half hour, not for a first look.
    looped = ("ours-uvloop",) if scale.name == FULL.name else ()
    found = [
        Scenario(
            FANOUT,
            "1 channel, 1,000 subscribers",
            Work(1000, stretches=windows),
            (*EVERYBODY, "ours-v1", *looped),
            rounds,
        ),
        Scenario(
            MANY,
            "1,000 channels, 5 subscribers each",
            Work(5000, 1000, stretches=full),
            ("ours", "nats"),
            rounds,
        ),
        Scenario(
            CROWD,
            f"1 channel, {scale.crowd:,} subscribers",
            Work(scale.crowd, stretches=crowd),
            ("ours", "c-joined"),
            rounds,
        ),
        Scenario(
            LATENCY,
            f"1,000 subscribers, {RATE:g} messages a second",
            Work(1000, stretches=steady),
            ("ours", *looped, "nchan", "c-joined", "socketify", "nats", "tornado"),
            rounds,
        ),
        Scenario(
            IDLE,
            f"memory of {scale.idle:,} idle subscribers",
            Work(scale.idle),
            ("ours", "ours-v1", "socketify", "nchan", "nats", "websockets", "tornado"),
            min(rounds, 3),
        ),
        Scenario(
            PUBLISH,
            "publishing, nobody subscribed",
            Work(0, stretches=full),
            ("ours", *looped, "tornado-bare", "c-each"),
            rounds,
        ),
        Scenario(
            BATCH,
            f"publishing, {BATCH_SIZE} messages a request, nobody subscribed",
            Work(0, per_request=BATCH_SIZE, stretches=full),
            ("ours",),
            rounds,
        ),
        Scenario(
            HANDSHAKE,
            "handshakes",
            Work(scale.handshakes, subscribes=False),
            ("ours", *looped, "tornado", "nchan"),
            rounds,
        ),
    ]
    found += _redis_scenarios(scale, (*full, *steady))
    return found + [_growth(scale, size) for size in scale.growth]


def _redis_scenarios(scale: Scale, stretches: tuple[Stretch, ...]) -> list[Scenario]:
    return [
        Scenario(
            NODES,
            "1 channel, 1,000 subscribers, half of them at each of two nodes",
            # As many publishers as messages under way: each waits for Redis before it sends the next.
            Work(1000, publishers=64, stretches=stretches),
            ("ours", "ours-two", "nats", *(("nchan",) if scale.name == FULL.name else ())),
            min(scale.rounds, 3),
        ),
        Scenario(
            RESTART,
            f"{scale.channels:,} channels subscribed again after a restart of Redis",
            Work(0),
            ("ours-redis",),
            min(scale.rounds, 3),
            Measure(lambda room: resubscribe.measure(room, scale.channels), resubscribe.say),
        ),
    ]


def _growth(scale: Scale, size: int) -> Scenario:
    stretch = Stretch("w64", min(scale.seconds, 2.0), scale.warmup)
    return Scenario(
        f"{GROWTH}-{size}",
        f"1 channel, {size:,} subscribers",
        Work(size, stretches=(stretch,)),
        ("ours", "c-joined", "nats", "socketify") if scale.name == FULL.name else ("ours", "c-joined"),
        min(scale.rounds, 3),
    )


# -- what one run says ---------------------------------------------------------------------------------


Reading = Callable[[Run], float]


def deliveries(phase: str) -> Reading:
    """Deliveries a second in a phase."""
    return lambda run: run.phases[phase].deliveries_per_second


def publishes(run: Run) -> float:
    """Messages taken a second."""
    return run.phases["w64"].publishes_per_second


def latency(fraction: float) -> Reading:
    """Milliseconds within which a fraction of the deliveries came."""
    return lambda run: run.phases["rate"].latency_at(fraction)


p99 = latency(0.99)


def memory(run: Run) -> float:
    """KiB a connection."""
    return run.kib_per_connection


def handshakes(run: Run) -> float:
    """A second."""
    return run.handshakes_per_second


def turn(run: Run) -> float:
    """Milliseconds of the longest turn, by the server's metrics; else of the slowest small request."""
    told = run.loop_turn_ms
    return told if told is not None else run.phases["turn"].slowest_probe_ms


# -- what must be reached ------------------------------------------------------------------------------


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

    def reached(self, value: float) -> bool:
        """Whether ``value`` will do."""
        return value <= self.reach if self.at_most else value >= self.reach


_PER_SECOND = "deliveries/s"
_PEERS_AT_64 = {"c-joined": 1.0, "nats": 3.0, "socketify": 1.5, "ws": 1.5, "nchan": 8.0, "websockets": 10.0}


def _beside(scenario: str, contender: str, read: Reading, phase: str = "") -> tuple[Side, Side]:
    return Side(scenario, "ours", read, phase), Side(scenario, contender, read, phase)


def rows(scale: Scale) -> list[Row]:
    """Every target."""
    return [*_fan_out_rows(), *_crowd_rows(scale), *_other_rows(scale), *_v1_rows(scale), *_redis_rows(scale)]


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
    ]


# -- everybody beside everybody --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Column:
    """One reading of every contender of a scenario."""

    heading: str
    read: Reading
    phase: str = ""
    counts_frames: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """A table of one scenario."""

    scenario: str
    title: str
    columns: tuple[Column, ...]


def comparisons(scale: Scale) -> list[Comparison]:
    """Every table."""

    def fan(heading: str, phase: str) -> Column:
        return Column(heading, deliveries(phase), phase, counts_frames=True)

    return [
        Comparison(
            FANOUT,
            "Fan-out to 1,000 subscribers, deliveries a second [frames a write]",
            (fan("window 64", "w64"), fan("window 16", "w16"), fan("one at a time", "w1")),
        ),
        Comparison(
            CROWD,
            f"Fan-out to {scale.crowd:,} subscribers, deliveries a second [frames a write]",
            (fan("window 64", "w64"),),
        ),
        Comparison(MANY, "1,000 channels of 5 subscribers, deliveries a second", (fan("window 64", "w64"),)),
        Comparison(
            LATENCY,
            f"Latency, {RATE:g} messages a second to 1,000 subscribers, ms",
            tuple(
                Column(heading, latency(part), "rate")
                for heading, part in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999))
            ),
        ),
        Comparison(
            IDLE, f"Memory of one of {scale.idle:,} idle subscribers, KiB", (Column("RSS", memory, "idle"),)
        ),
        Comparison(PUBLISH, "Publishing, nobody subscribed", (Column("requests/s", publishes, "w64"),)),
        Comparison(
            BATCH,
            f"Publishing {BATCH_SIZE} messages a request, nobody subscribed",
            (Column("messages/s", publishes, "w64"),),
        ),
        Comparison(
            NODES,
            "Two nodes over Redis, one core for all three processes; the others are one node",
            (
                fan("deliveries/s, window 64", "w64"),
                Column("p50, ms", latency(0.5), "rate"),
                Column("p99, ms", p99, "rate"),
            ),
        ),
        Comparison(
            RESTART,
            f"{scale.channels:,} channels subscribed again after a restart of Redis",
            (Column("s", resubscribe.seconds), Column("commands", resubscribe.commands)),
        ),
        Comparison(HANDSHAKE, "Handshakes", (Column("handshakes/s", handshakes),)),
    ]
