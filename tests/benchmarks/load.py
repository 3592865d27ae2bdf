"""Run the load generator once, and read what it found."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.benchmarks.install import compiled
from tests.benchmarks.room import Launch, cores, last_line, pinned

PATIENCE_SECONDS = 180.0
SATURATED = 0.95
"""Share of its core from which the generator, not the server, may be what is measured."""

DISTURBED = 0.1
"""Share of the time that others may take from server and generator together."""

_LOOP_TURN = re.compile(r"^\w*loop_turn\w*max\w*(?:\{[^}]*\})? ([0-9.eE+-]+)$", re.MULTILINE)


class LoadError(Exception):
    """The generator could not do its work."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """One phase to be run: ``rate`` messages a second, or as fast as ``window`` allows."""

    name: str
    seconds: float
    warmup: float = 0.0
    window: int = 64
    rate: float = 0.0
    probe: bool = False

    def words(self) -> str:
        """As the generator takes it."""
        return (
            f"name={self.name},seconds={self.seconds:g},warmup={self.warmup:g},window={self.window},"
            f"rate={self.rate:g},probe={int(self.probe)}"
        )


@dataclass(frozen=True, slots=True)
class Work:
    """What the generator is to do.

    Attributes:
        subscribers: How many; 0 for publishing alone.
        channels: How many, of equally many subscribers each; published to in turns.
        publishers: Connections that publish.
        per_request: Messages in one publish request.
        stretches: One after another, on the same connections.
        subscribes: Whether clients subscribe, or only connect.
    """

    subscribers: int
    channels: int = 1
    publishers: int = 16
    per_request: int = 1
    stretches: tuple[Stretch, ...] = ()
    subscribes: bool = True


@dataclass(frozen=True, slots=True)
class Phase:
    """What one phase came to."""

    raw: Mapping[str, Any] = field(repr=False)

    @property
    def name(self) -> str:
        return str(self.raw["name"])

    @property
    def deliveries_per_second(self) -> float:
        return float(self.raw["deliveries"] / self.raw["seconds"])

    @property
    def publishes_per_second(self) -> float:
        """Messages, not requests."""
        return float(self.raw["published"] / self.raw["seconds"])

    @property
    def frames_per_write(self) -> float:
        """Messages for every piece of data that a subscriber's kernel got; 0 without subscribers."""
        return float(self.raw["sample_messages"] / max(1, self.raw["sample_segments"]))

    @property
    def generator_cpu(self) -> float:
        return float(self.raw["generator_cpu"])

    @property
    def server_cpu(self) -> float:
        return float(self.raw["server_cpu"])

    @property
    def waited(self) -> float:
        """How long server and generator were kept from their cores by others, as a share of the time."""
        return float(self.raw["waited"])

    @property
    def latency_ms(self) -> tuple[tuple[float, float], ...]:
        """Fractions of the deliveries and the milliseconds within which they came."""
        return tuple((float(part), float(ms)) for part, ms in self.raw["latency_ms"]["at"])

    def latency_at(self, fraction: float) -> float:
        """Milliseconds within which this fraction of the deliveries came."""
        return dict(self.latency_ms)[fraction]

    @property
    def slowest_probe_ms(self) -> float:
        return float(self.raw["probe_ms"]["max"])

    def problems(self) -> list[str]:
        """Why this phase does not count; empty when every message came everywhere, once."""
        lost = self.raw["lost"]
        found = [f"{lost:,} lost"] if lost > 0 else [f"{-lost:,} more than there should be"] if lost else []
        found += [f"{self.raw[name]:,} {name}" for name in ("refused", "gone") if self.raw[name]]
        if self.raw["wrong"]:
            found.append(f"{self.raw['wrong']} subscribers did not get each message once")
        if not self.raw["drained"]:
            found.append("not drained in time")
        return [f"{self.name}: {problem}" for problem in found]


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of the generator came to."""

    raw: Mapping[str, Any] = field(repr=False)

    @property
    def phases(self) -> dict[str, Phase]:
        found = [Phase(raw) for raw in self.raw["phases"]]
        return {phase.name: phase for phase in found}

    @property
    def handshakes_per_second(self) -> float:
        return float(self.raw["connected"] / self.raw["connect_seconds"])

    @property
    def kib_per_connection(self) -> float:
        """What one idle subscribed connection added to the server's resident memory."""
        return float((self.raw["rss_idle_kib"] - self.raw["rss_before_kib"]) / self.raw["connected"])

    @property
    def loop_turn_ms(self) -> float | None:
        """The longest turn of the server's loop, where its metrics tell it."""
        found = self.raw.get("loop_turn_ms")
        return None if found is None else float(found)

    def problems(self) -> list[str]:
        """Why this run does not count."""
        found = [problem for phase in self.phases.values() for problem in phase.problems()]
        if self.raw["failed"]:
            found.append(f"{self.raw['failed']} connections failed")
        return found

    @property
    def waited(self) -> float:
        """The most that others took in any phase; without phases, while it connected."""
        return max(
            (phase.waited for phase in self.phases.values()), default=float(self.raw["connect_waited"])
        )

    def is_disturbed(self) -> bool:
        """Whether other programs took so much that the figures tell of them, too.

        Servers of several busy processes wait for one another on their core: there it cannot be told.
        """
        return self.waited > DISTURBED and not self.raw.get("crowded")

    def is_saturated(self, phase: str = "") -> bool:
        """Whether the generator was at its limit in ``phase``, or without a name while it connected."""
        if not phase:
            return float(self.raw["connect_generator_cpu"]) > SATURATED
        return phase in self.phases and self.phases[phase].generator_cpu > SATURATED


def run_load(launch: Launch, pids: Sequence[int], work: Work) -> Run:
    """Put the load on a running server.

    Raises:
        LoadError: The generator gave up, with what it said.
    """
    command = pinned(cores()[1], (str(compiled("load")), *_words(launch, pids, work)))
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise LoadError(f"not done after {PATIENCE_SECONDS:.0f} s") from None
    try:
        return Run(json.loads(done.stdout))
    except ValueError:
        said = last_line(done.stderr) if done.stderr.strip() else f"it ended with {done.returncode}"
        raise LoadError(f"the load generator gave up: {said}") from None


def _words(launch: Launch, pids: Sequence[int], work: Work) -> list[str]:
    words = ["--port", str(launch.port), "--publish-port", str(launch.publish_port or launch.port)]
    words += ["--subscribers", str(work.subscribers), "--channels", str(work.channels)]
    words += ["--per-request", str(work.per_request), *launch.subscribe]
    if launch.second_port:
        words += ["--second-port", str(launch.second_port)]
    if not work.subscribes:
        words += ["--subscribe", "", "--no-barrier"]
    if work.subscribers > 4000:
        words += ["--sources", "8"]
    if work.stretches:
        words += ["--publishers", str(work.publishers)]
        words += launch.publish if work.per_request == 1 else launch.batch
    if launch.probe:
        words += ["--probe-path", launch.probe]
    for pid in pids:
        words += ["--pid", str(pid)]
    for stretch in work.stretches:
        words += ["--phase", stretch.words()]
    return words


def loop_turn(launch: Launch) -> float | None:
    """The longest turn of the server's loop in seconds, if its metrics tell."""
    path, header = launch.metrics
    if not path:
        return None
    name, _, value = header.partition(": ")
    connection = http.client.HTTPConnection("127.0.0.1", launch.port, timeout=10)
    try:
        connection.request("GET", path, headers={name: value})
        response = connection.getresponse()
        found = _LOOP_TURN.findall(response.read().decode("utf-8", "replace"))
    except OSError:
        return None
    finally:
        connection.close()
    return max(map(float, found)) if found else None
