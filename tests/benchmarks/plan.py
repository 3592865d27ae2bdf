"""What is measured, and beside whom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.benchmarks import resubscribe, streams
from tests.benchmarks.load import Run, Stretch, Work
from tests.benchmarks.room import Room

FANOUT, MANY, CROWD, LATENCY = "fan-out", "many-channels", "crowd", "latency"
NODES, RESTART = "nodes", "redis-restart"
STREAM, STORM, HISTORY = "stream", "recovery", "history"
PRESENCE, KEPT = "presence", "redis-history"
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
        members: Users who come to a channel with presence, few and many.
        reads: Requests for a history.
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
    members: tuple[int, int]
    reads: int
    repeats: int


FULL = Scale(
    name="full",
    rounds=3,
    seconds=3.0,
    warmup=0.7,
    patient_seconds=10.0,
    crowd=10_000,
    idle=10_000,
    handshakes=10_000,
    growth=(10, 100, 300, 1000, 3000, 10_000),
    channels=10_000,
    members=(1_000, 10_000),
    reads=4_000,
    repeats=2,
)
QUICK = Scale(
    name="quick",
    rounds=1,
    seconds=0.7,
    warmup=0.2,
    patient_seconds=1.5,
    crowd=3_000,
    idle=2_000,
    handshakes=2_000,
    growth=(100, 1000, 3000),
    channels=10_000,
    members=(200, 2_000),
    reads=1_600,
    repeats=0,
)


@dataclass(frozen=True, slots=True)
class Measure:
    """A measurement of another kind.

    Attributes:
        run: Does it for a contender, in a room of its own.
        say: What came out, in one line.
    """

    run: Callable[[Room, str], Run]
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
    found += [*_stream_scenarios(scale, full), *_redis_scenarios(scale, full, steady)]
    return found + [_growth(scale, size) for size in scale.growth]


def _stream_scenarios(scale: Scale, full: tuple[Stretch, ...]) -> list[Scenario]:
    few, many = scale.members
    rounds = min(scale.rounds, 3)
    return [
        Scenario(
            STREAM,
            "1 channel with a history, 1,000 subscribers",
            Work(1000, stretches=full),
            ("ours-stream", "ours-v1"),
            rounds,
        ),
        Scenario(
            STORM,
            f"{scale.crowd:,} clients come back at once",
            Work(scale.crowd),
            ("ours-stream", "ours-v1"),
            rounds,
            Measure(lambda room, name: streams.storm(room, name, scale.crowd), streams.say_storm),
        ),
        Scenario(
            HISTORY,
            "reading a history",
            Work(0),
            ("ours-stream",),
            rounds,
            Measure(lambda room, name: streams.read(room, scale.reads), streams.say_reading),
        ),
        Scenario(
            PRESENCE,
            f"{few:,} and {many:,} users come to a channel with presence",
            Work(0),
            ("ours-presence",),
            rounds,
            Measure(lambda room, name: streams.crowd(room, few, many), streams.say_crowd),
        ),
    ]


def _redis_scenarios(scale: Scale, full: tuple[Stretch, ...], steady: tuple[Stretch, ...]) -> list[Scenario]:
    return [
        Scenario(
            NODES,
            "1 channel, 1,000 subscribers, half of them at each of two nodes",
            # As many publishers as messages under way: each waits for Redis before it sends the next.
            Work(1000, publishers=64, stretches=(*full, *steady)),
            ("ours", "ours-two", "nats", *(("nchan",) if scale.name == FULL.name else ())),
            min(scale.rounds, 3),
        ),
        Scenario(
            RESTART,
            f"{scale.channels:,} channels subscribed again after a restart of Redis",
            Work(0),
            ("ours-redis",),
            min(scale.rounds, 3),
            Measure(lambda room, name: resubscribe.measure(room, scale.channels), resubscribe.say),
        ),
        Scenario(
            KEPT,
            "publishing over Redis, nobody subscribed",
            Work(0, publishers=64, stretches=full),
            ("ours-one", "ours-one-stream"),
            min(scale.rounds, 3),
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
        Comparison(
            STREAM,
            "Fan-out to 1,000 subscribers on a channel with a history, deliveries a second [frames a write]",
            (fan("window 64", "w64"),),
        ),
        Comparison(
            STORM,
            f"{scale.crowd:,} clients come back at once; on channels with a history they recover "
            f"{streams.MISSED} messages each",
            (Column("s until all have", streams.seconds), Column("longest turn, ms", streams.turn)),
        ),
        Comparison(
            KEPT,
            "Publishing over Redis, nobody subscribed",
            (Column("messages/s", publishes, "w64"),),
        ),
        Comparison(HANDSHAKE, "Handshakes", (Column("handshakes/s", handshakes),)),
    ]
