"""What is counted, and how it reads."""

from __future__ import annotations

from dataclasses import fields

from tornado_realtime.hub.turns import LoopTurns
from tornado_realtime.metrics import BrokerCounters, Counters, Registry


def test_the_text_is_prometheus() -> None:
    registry = Registry({"connections": lambda: 3, "loop_turn_max_seconds": lambda: 0.25})
    registry.counters.publications = 12
    lines = registry.text().splitlines()
    assert "# TYPE tornado_realtime_publications_total counter" in lines
    assert "tornado_realtime_publications_total 12" in lines
    assert "# TYPE tornado_realtime_connections gauge" in lines
    assert "tornado_realtime_connections 3" in lines
    assert "tornado_realtime_loop_turn_max_seconds 0.250000" in lines
    assert registry.text().endswith("\n")


def test_every_value_has_a_help_line() -> None:
    names = {line.split()[2] for line in Registry({}).text().splitlines() if line.startswith("# HELP")}
    assert names == {
        f"tornado_realtime_{item.name}_total" for of in (Counters, BrokerCounters) for item in fields(of)
    }


class FakeLoop:
    """A clock and the one timer that is set."""

    def __init__(self) -> None:
        self.now = 100.0
        self.callback: object = None

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: object) -> FakeLoop:
        self.due, self.callback = when, callback
        return self

    def cancel(self) -> None:
        self.callback = None

    def run(self, late: float) -> None:
        self.now = self.due + late
        callback = self.callback
        assert callable(callback)
        callback()


def test_the_longest_turn_of_the_last_minute_is_known() -> None:
    loop = FakeLoop()
    turns = LoopTurns(loop)  # type: ignore[arg-type]
    turns.start()
    for late in (0.001, 0.3, 0.002):
        loop.run(late)
    assert round(turns.longest(), 3) == 0.3
    loop.now += 30
    assert round(turns.longest(), 3) == 0.3
    loop.now += 40
    assert turns.longest() == 0.0
    turns.stop()
    assert loop.callback is None
