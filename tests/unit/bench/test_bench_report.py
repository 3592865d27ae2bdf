"""What people and programs are told."""

from __future__ import annotations

import json

from tornado_realtime.bench import Options, Outcome, as_json, as_text, parse_target
from tornado_realtime.bench.run import Part
from tornado_realtime.bench.statistics import Durations
from tornado_realtime.bench.stretch import Rate, Window


def _outcome(cpu: float = 0.5, cores: int = 2) -> Outcome:
    latency = Durations([0.001] * 98 + [0.1] * 2)
    limit = Part("limit", Window(16), 2.0, 2_000, 200_000, latency, cpu)
    steady = Part("steady", Rate(500.0), 2.0, 1_000, 100_000, latency, 0.25)
    return Outcome(parse_target("http://localhost:8080"), Options(), 0.5, (limit, steady), cores)


def test_the_table() -> None:
    assert as_text(_outcome()).splitlines() == [
        "http://localhost:8080: 100 subscribers on 1 channel, messages of 128 bytes",
        "",
        "  connected and subscribed in 0.50 s: 200 handshakes/s",
        "",
        "                  load  messages/s  deliveries/s  p50 ms  p99 ms  max ms  this program",
        "  limit   16 under way       1,000       100,000    1.01   99.57  100.00       50% CPU",
        "  steady       500.0/s         500        50,000    1.01   99.57  100.00       25% CPU",
        "",
        "Every message arrived exactly once.",
    ]


def test_what_limits_the_figures_is_said() -> None:
    assert "the server carries more" in as_text(_outcome(cpu=0.97))
    assert "share the only core" in as_text(_outcome(cores=1))


def test_json_has_the_same() -> None:
    told = json.loads(json.dumps(as_json(_outcome(cpu=0.97))))
    limit, steady = told["parts"]
    assert told["handshakes_per_second"] == 200
    assert (limit["window"], limit["deliveries_per_second"], limit["generator_saturated"]) == (
        16,
        100_000,
        True,
    )
    assert (steady["rate"], steady["latency_ms"]["max"], steady["generator_saturated"]) == (500, 100, False)
